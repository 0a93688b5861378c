// Running a task: its body, what it leaves behind, and what becomes ready because of it.
#include <mutex>

#include "engine/core.h"
#include "engine/graph/graph.h"

namespace heddle::engine {

// The exception in flight, as the failure of `r`.
FailureRef failure_of(const Running* r) {
  return make_failure(std::current_exception(), r->name, place_of(r));
}

// --- on a worker --------------------------------------------------------------------------------

struct Chain {
  Running* first;
  Group* group;
  bool on;
};

// The arena may call this on a thread of its own, in place of the worker.
void run_in_turn(void* arg) {
  const Chain& chain = *static_cast<Chain*>(arg);
  Slot& slot = this_slot();
  const int state = slot.state.load(std::memory_order_relaxed);
  Group* const group = slot.group;
  slot.state.store(Slot::kBody, std::memory_order_relaxed);
  slot.group = chain.group;
  Core::run_kept(slot, chain.first, chain.on ? chain.group : nullptr);
  Core::run_later(slot, Slot::kBody);
  slot.group = group;
  slot.state.store(state, std::memory_order_release);
}

void Core::run_chain(Running* r, Group* group, bool on) {
  Chain chain{r, group, on};
  if (Engine::Scope scope = the_scope.load(std::memory_order_acquire)) scope(run_in_turn, &chain);
  else run_in_turn(&chain);
}

// --- one task -----------------------------------------------------------------------------------

// Returns what the calling worker, one of `chain`, should run next.
Running* Core::execute(Slot& slot, Running* r, Group* chain) {
  if (r->kind == Kind::kGraph) return execute_serial(slot, r, chain);
  if (!r->failure) r->failure = why_skip(r);
  if (!r->failure) {
    if (r->rich && r->start) {
      r->parts.store(2, std::memory_order_relaxed);
      call_start(slot, r);
      if (r->parts.fetch_sub(1, std::memory_order_acq_rel) != 1) return nullptr;
    } else {
      call_run(slot, r);
    }
  }
  return complete(slot, r, chain);
}

// Why a task, a node, or what runs inline is not run: it was cancelled, or it needs what is
// poisoned, or, of a node, one that it follows failed. The first cause.
FailureRef Core::why_skip(const Running* r) {
  if (r->rich && r->cancel && r->cancel->cancelled()) return make_cancelled(r->name, place_of(r));
  const bool node = r->kind == Kind::kNode;
  if (!(node ? r->run->suspect : r->suspect).load(std::memory_order_relaxed)) [[likely]]
    return nullptr;
  FailureRef why;
  each_use(r, [&](VarState& v, Access access) {
    if (access == Access::kOverwrite || !v.poisoned.load(std::memory_order_acquire)) return;
    const Critical in(this_slot());
    std::lock_guard lock(v.lock);
    why = first_of(why, v.failure());
  });
  if (node) why = first_of(why, r->run->failure_before(r->node));
  return why;
}

// Makes the device's stream come after what this task depends on.
Stream* Core::prepare_stream(Running* r) {
  r->group->check_stream();
  Stream* const stream = r->group->stream();
  if (stream)
    for (const Pending& p : r->after) stream->wait_for(p.event);
  return stream;
}

void Core::call_run(Slot& slot, Running* r) {
  const profile::Body seen(slot, r);
  const Frame frame(slot, r);
  RunContext context{r->device, nullptr};
  try {
    context.stream = prepare_stream(r);
    (*r->body)(context);
  } catch (...) {
    r->failure = failure_of(r);
  }
  if (!context.stream) return;
  try {  // even a task that failed may have put work on the stream
    r->event = context.stream->record();
  } catch (...) {
    if (!r->failure) r->failure = failure_of(r);
  }
}

void Core::call_start(Slot& slot, Running* r) {
  const profile::Body seen(slot, r);
  const Frame frame(slot, r);
  RunContext context{r->device, nullptr};
  try {
    Done done(r);
    context.stream = prepare_stream(r);
    (*r->start)(context, std::move(done));
  } catch (...) {
    r->thrown = failure_of(r);  // not `failure`, which Done may be writing
  }
}

void Core::finish_start(Running* r, std::exception_ptr error, EventRef event) {
  Slot& slot = this_slot();
  const int before = slot.state.load(std::memory_order_relaxed);
  if (r->stage.load(std::memory_order_acquire) == Stage::kLost) return;
  {
    Critical in(slot);
    if (r->stage.load(std::memory_order_acquire) == Stage::kLost) return;
    in.leave_to(Slot::kBody);
  }
  if (error) r->failure = make_failure(std::move(error), r->name, place_of(r));
  r->event = std::move(event);
  if (profile::on()) [[unlikely]]
    profile::done(slot, r);
  if (r->parts.fetch_sub(1, std::memory_order_acq_rel) == 1) {
    Core* const core = r->engine;
    core->complete(slot, r, nullptr);
    run_later(slot, before);
  }
  slot.state.store(before, std::memory_order_release);
}

void Core::log(const FailureRef& failure) {
  if (!failure->cancelled && !failure->logged.exchange(true)) failures_.add(failure);
}

// --- completion ---------------------------------------------------------------------------------

Running* Core::complete(Slot& slot, Running* r, Group* chain) {
  if (r->rich && r->start && r->thrown) r->failure = std::move(r->thrown);
  if (r->event && runs_where_pushed()) wait_here(r);
  if (r->kind == Kind::kNode) return complete_node(slot, r, chain);
  if (r->event) return complete_on_device(slot, r, chain);
  for (int i = 0; i < r->count; ++i) fetch(r->requests[i]);
  // The closure goes before the variables: who waits on them finds its memory given back.
  drop_body(r);
  const FailureRef failure = std::move(r->failure);
  RunningList ready;
  const Ending in(slot);
  release_all(slot, r, failure, nullptr, ready);
  Running* const next = hand_out(slot, ready, chain);
  retire(slot, r, nullptr);
  return next;
}

// The task is done on the host. A device may still use what the closure holds: it stays.
Running* Core::complete_on_device(Slot& slot, Running* r, Group* chain) {
  const Pending pending{r->event, r->group ? r->group->stream() : nullptr, false};
  RunningList ready;
  const Ending in(slot);
  events_seen_.store(true);  // before others see the events
  release_all(slot, r, r->failure, &pending, ready);
  Running* const next = hand_out(slot, ready, chain);
  r->after.assign(1, pending);
  r->rich = true;
  r->stage.store(Stage::kWaiting, std::memory_order_relaxed);
  watcher_.retire_after_events(r);
  return next;
}

// Where tasks run as they are pushed, they are over when they have run.
void Core::wait_here(Running* r) {
  try {
    std::exchange(r->event, nullptr)->wait();
  } catch (...) {
    if (!r->failure) r->failure = failure_of(r);
  }
}

void Core::drop_body(Running* r) {
  r->own.reset();
  if (!r->rich) [[likely]]
    return;
  r->own_start = nullptr;
  r->own_cancel.reset();
  r->shared.reset();
}

// What a record held that may belong to the user, and was not dropped before, goes to `leftovers`,
// to be destroyed outside the critical section.
void Core::retire(Slot& slot, Running* r, Leftovers* leftovers) {
  cap_.give_back(r->bytes);
  r->bytes = 0;
  const bool counted = r->counted;
  if (r->rich) {
    if (leftovers) {
      leftovers->shared = std::move(r->shared);
      leftovers->graph = std::move(r->graph);
      leftovers->start = std::move(r->own_start);
      leftovers->cancel = std::move(r->own_cancel);
      if (r->failure) leftovers->failures.push_back(std::move(r->failure));
      if (r->event) leftovers->events.push_back(std::move(r->event));
    }
    r->start = nullptr;
    r->cancel = nullptr;
    r->after.clear();
    r->rich = false;
  }
  give_record(slot, r);
  if (counted) tally_.done(slot);
}

// All its variables, with what it leaves on them.
void Core::release_all(Slot& slot, Running* r, const FailureRef& failure, const Pending* pending,
                       RunningList& ready) {
  if (failure) [[unlikely]]
    log(failure);
  for (int i = 0; i < r->count; ++i) {
    Request& q = r->requests[i];
    q.var->lock.lock();
    q.var->settle(q.access, failure, pending);
    let_go_locked(slot, q, ready);
  }
}

// For who has settled before.
void Core::let_go(Slot& slot, Request& request, RunningList& ready) {
  request.var->lock.lock();
  let_go_locked(slot, request, ready);
}

// With the variable's lock held, which it lets go of. Those whose turn has come are told after
// that: their records are asked for meanwhile, and cannot go away before.
void Core::let_go_locked(Slot& slot, Request& request, RunningList& ready) {
  constexpr int kMost = 8;  // told together
  VarState& v = *request.var;
  v.drop(request);
  Request* turns[kMost];
  int n = 0;
  while (Request* const turn = v.take_turn()) {
    v.hold(*turn);
    fetch_to_write(turn->owner);
    turns[n++] = turn;
    if (n == kMost) tell_turns(turns, n, ready), n = 0;
  }
  // After the reads in front of the queue were granted: nobody waits for them. A write that was
  // granted may run, but cannot settle what waiters are to see before the lock is let go.
  if (v.waiters) meet_waiters(v, ready);
  const bool dead = v.handles.load(std::memory_order_relaxed) == VarState::kOrphan && v.unused();
  v.lock.unlock();
  tell_turns(turns, n, ready);
  if (!dead) [[likely]]
    return;
  v.next = slot.dead;
  slot.dead = &v;
}

void Core::tell_turns(Request* const* turns, int n, RunningList& ready) {
  for (int i = 0; i < n; ++i) {
    const Request& turn = *turns[i];
    Running* const r = turn.owner;
    if (r->kind == Kind::kGraph && !r->run->graph.serial) {
      r->run->granted(static_cast<int>(&turn - r->requests), ready);
      continue;
    }
    r->note_poison(*turn.var);
    if (r->missing.fetch_sub(1, std::memory_order_acq_rel) == 1) ready.add(r);
  }
}

void Core::meet_waiters(VarState& v, RunningList& ready) {
  for (Request** at = &v.waiters; *at;) {
    Request& waiter = **at;
    if (!v.met(waiter)) {
      at = &waiter.next;
      continue;
    }
    *at = waiter.next;
    Running* const r = waiter.owner;
    r->failure = v.failure();
    if (v.has_events.load(std::memory_order_relaxed)) v.collect_events(waiter.access, r->after);
    ready.add(r);
  }
}

// Of the tasks that became ready, the calling thread keeps the best one of its own group, unless
// the queue has a better one, and some small ones beside it; so chains run on one thread. A thread
// that is no worker keeps small ones only. In a critical section.
Running* Core::hand_out(Slot& slot, RunningList& ready, Group* chain) {
  if (!ready.first) return nullptr;
  constexpr int kMostKept = 16;  // the rest is for other workers
  const bool worker = chain && slot.group == chain;
  const bool may_keep = chain && !runs_where_pushed() && !(worker && Gate::draining());
  Running* keep = nullptr;
  RunningList rest;
  while (Running* r = ready.take()) {
    if (r->kind == Kind::kWaiter) {
      // The sleeper may give the record back as soon as it sees this: whoever waits in it by then
      // looks once too often.
      r->met.store(true, std::memory_order_seq_cst);
      r->bell.notify();
      continue;
    }
    if (profile::on()) [[unlikely]]
      profile::ready(r);
    const bool small = r->small;
    if (!may_keep || r->engine != this || r->group != chain || !(worker || small) ||
        must_wait_for_events(r)) {
      rest.add(r);
      continue;
    }
    const bool best =
        (!keep || r->priority > keep->priority) && (!worker || chain->is_next(r->priority));
    if (best) std::swap(keep, r);
    if (!r) continue;
    if (r->small && (!worker || slot.kept_count < kMostKept)) keep_small(slot, r);
    else rest.add(r);
  }
  if (keep) fetch(keep);
  dispatch_all(slot, rest);
  if (keep) keep->stage.store(Stage::kStarted, std::memory_order_relaxed);
  return keep;
}

void Core::keep_small(Slot& slot, Running* r) {
  r->stage.store(Stage::kStarted, std::memory_order_relaxed);
  r->next = nullptr;
  (slot.kept ? slot.last_kept->next : slot.kept) = r;
  slot.last_kept = r;
  ++slot.kept_count;
}

// Runs `first`, what follows from it, and what is kept meanwhile.
void Core::run_kept(Slot& slot, Running* first, Group* chain) {
  for (Running* r = first; r;) {
    r = r->engine->execute(slot, r, chain);
    if (r || !slot.kept) continue;
    r = slot.kept;
    slot.kept = r->next;
    --slot.kept_count;
  }
}

// Before this thread sleeps inside a task: others may be waiting for what it kept.
void Core::give_back_kept(Slot& slot) {
  if (!slot.kept) return;
  const Critical in(slot);
  while (Running* const r = slot.kept) {
    slot.kept = r->next;
    --slot.kept_count;
    r->stage.store(Stage::kWaiting, std::memory_order_relaxed);
    r->engine->dispatch(slot, r);
  }
}

// Those that follow each other in the list and belong to one group enter its queue together.
void Core::dispatch_all(Slot& slot, RunningList& ready) {
  RunningList same;
  Group* group = nullptr;
  auto enter = [&] {
    if (!group || group->add(same)) return;
    while (Running* const r = same.take()) leave_to(slot, r);
  };
  while (Running* const r = ready.take()) {
    if (runs_where_pushed() || r->engine != this || must_wait_for_events(r)) {
      r->engine->dispatch(slot, r);
      continue;
    }
    if (r->group != group) enter();
    group = r->group;
    same.add(r);
  }
  enter();
}

void Core::dispatch(Slot& slot, Running* r) {
  if (must_wait_for_events(r)) return watcher_.run_after_events(r);
  if (!runs_where_pushed()) {
    RunningList one;
    one.add(r);
    if (r->group->add(one)) return;
  }
  leave_to(slot, r);
}

// To the calling thread, which will run it as soon as it can: see run_later().
void Core::leave_to(Slot& slot, Running* r) {
  r->stage.store(Stage::kStarted, std::memory_order_relaxed);
  Running** at = &slot.later;
  if (slot.later && slot.last_later->priority >= r->priority) at = &slot.last_later->next;
  while (*at && (*at)->priority >= r->priority) at = &(*at)->next;
  r->next = *at;
  *at = r;
  if (!r->next) slot.last_later = r;
}

void Core::run_later(Slot& slot, int before) {
  if (!slot.later) [[likely]]
    return;
  while (Running* const r = slot.later) {
    slot.later = r->next;
    r->engine->execute(slot, r, nullptr);
  }
  slot.state.store(before, std::memory_order_release);
}

}  // namespace heddle::engine
