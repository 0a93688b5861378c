// Running a task: its body, what it leaves behind, and what becomes ready because of it.
#include <mutex>

#include "engine/core.h"
#include "engine/graph/graph.h"
#include "engine/queue/release.h"

namespace heddle::engine {

// The exception in flight, as the failure of `r`.
FailureRef failure_of(const Job* r) { return make_failure(std::current_exception(), origin_of(r)); }

// --- on a worker --------------------------------------------------------------------------------

struct Chain {
  Job* first;
  Group* group;
  bool on;
  Slot* worker;
};

// The arena may call this on a thread of its own, in place of the worker.
void run_in_turn(void* arg) {
  const Chain& chain = *static_cast<Chain*>(arg);
  Slot& slot = this_slot();
  const int state = slot.state.load(std::memory_order_relaxed);
  Group* const group = slot.group;
  slot.state.store(Slot::kBody, std::memory_order_relaxed);
  slot.group = chain.group;
  const bool rings_later = std::exchange(slot.rings_later, true);
  Core::run_kept(slot, chain.first, chain.on ? chain.group : nullptr);
  slot.rings_later = rings_later;
  if (&slot != chain.worker || !slot.later.empty()) ring_all(slot);
  Core::run_later(slot, Slot::kBody);
  slot.group = group;
  slot.state.store(state, std::memory_order_release);
}

void Core::run_chain(Job* r, Group* group, bool on) {
  Chain chain{r, group, on, &this_slot()};
  if (Engine::Scope scope = the_scope.load(std::memory_order_acquire)) scope(run_in_turn, &chain);
  else run_in_turn(&chain);
  ring_all(*chain.worker);
}

// --- one task -----------------------------------------------------------------------------------

// Returns what the calling worker, one of `chain`, should run next.
Job* Core::execute(Slot& slot, Job* r, Group* chain) {
  if (auto* graph = as<RunningGraph>(r)) [[unlikely]]
    return execute_serial(slot, graph, chain);
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
FailureRef Core::why_skip(const Job* r) {
  if (r->rich && r->cancel && r->cancel->cancelled()) return make_cancelled(origin_of(r));
  const auto* const node = as<RunningNode>(r);
  if (!(node ? r->run->suspect : r->suspect).load(std::memory_order_relaxed)) [[likely]]
    return nullptr;
  FailureRef why;
  each_use(r, [&](VarState& v, Access access) {
    if (access == Access::kOverwrite || !v.poisoned.load(std::memory_order_acquire)) return;
    const Critical in(this_slot());
    std::lock_guard lock(v.lock);
    why = first_of(why, v.failure());
  });
  if (node) why = first_of(why, r->run->failure_before(node->index()));
  return why;
}

// Makes the device's stream come after what this task depends on.
Stream* Core::prepare_stream(Job* r) {
  r->group->check_stream();
  Stream* const stream = r->group->stream();
  if (stream)
    for (const Pending& p : r->after) stream->wait_for(p.event);
  return stream;
}

void Core::call_run(Slot& slot, Job* r) {
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

void Core::call_start(Slot& slot, Job* r) {
  const profile::Body seen(slot, r);
  const Frame frame(slot, r);
  RunContext context{r->device, nullptr};
  try {
    Done done = Inside::done_of(r);
    context.stream = prepare_stream(r);
    (*r->start)(context, std::move(done));
  } catch (...) {
    r->thrown = failure_of(r);  // not `failure`, which Done may be writing
  }
}

void Core::finish_start(Job* r, std::exception_ptr error, EventRef event) {
  Slot& slot = this_slot();
  const int before = slot.state.load(std::memory_order_relaxed);
  if (r->stage.load(std::memory_order_acquire) == Stage::kLost) return;
  {
    Critical in(slot);
    if (r->stage.load(std::memory_order_acquire) == Stage::kLost) return;
    in.leave_to(Slot::kBody);
  }
  if (error) r->failure = make_failure(std::move(error), origin_of(r));
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

Job* Core::complete(Slot& slot, Job* r, Group* chain) {
  if (r->rich && r->start && r->thrown) r->failure = std::move(r->thrown);
  if (r->event && runs_where_pushed()) wait_here(r);
  if (auto* node = as<RunningNode>(r)) return complete_node(slot, node, chain);
  auto* const task = static_cast<RunningTask*>(r);
  if (r->event) return complete_on_device(slot, task, chain);
  for (int i = 0; i < r->count; ++i) fetch(r->requests[i]);
  // The closure goes before the variables: who waits on them finds its memory given back.
  drop_body(task);
  const FailureRef failure = std::move(r->failure);
  ReadyList ready;
  const Ending in(slot);
  release_all(slot, r, failure, nullptr, ready);
  Job* const next = hand_out(slot, ready, chain);
  retire(slot, r, nullptr);
  return next;
}

// The task is done on the host. A device may still use what the closure holds: it stays.
Job* Core::complete_on_device(Slot& slot, RunningTask* r, Group* chain) {
  const Pending pending{r->event, r->group ? r->group->stream() : nullptr, false};
  ReadyList ready;
  const Ending in(slot);
  events_seen_.store(true);  // before others see the events
  release_all(slot, r, r->failure, &pending, ready);
  Job* const next = hand_out(slot, ready, chain);
  r->after.assign(1, pending);
  r->rich = true;
  r->stage.store(Stage::kWaiting, std::memory_order_relaxed);
  watcher_.retire_after_events(r);
  return next;
}

// Where tasks run as they are pushed, they are over when they have run.
void Core::wait_here(Job* r) {
  try {
    std::exchange(r->event, nullptr)->wait();
  } catch (...) {
    if (!r->failure) r->failure = failure_of(r);
  }
}

void Core::drop_body(RunningTask* r) {
  r->own.reset();
  if (!r->rich) [[likely]]
    return;
  r->own_start = nullptr;
  r->own_cancel.reset();
  r->shared.reset();
}

void Leftovers::take_from(Job* r) {
  if (auto* task = as<RunningTask>(r)) {
    shared = std::move(task->shared);
    start = std::move(task->own_start);
    cancel = std::move(task->own_cancel);
  } else if (auto* head = as<RunningGraph>(r)) {
    graph = std::move(head->graph);
  }
  if (r->failure) failures.push_back(std::move(r->failure));
  if (r->event) events.push_back(std::move(r->event));
}

// What a record held that may belong to the user, and was not dropped before, goes to `leftovers`,
// to be destroyed outside the critical section.
void Core::retire(Slot& slot, Job* r, Leftovers* leftovers) {
  cap_.give_back(r->bytes);
  r->bytes = 0;
  const bool counted = r->counted;
  if (r->rich) {
    if (leftovers) leftovers->take_from(r);
    r->start = nullptr;
    r->cancel = nullptr;
    r->after.clear();
    r->rich = false;
  }
  give_record(slot, r);
  if (counted) tally_.done(slot);
}

// Of the tasks that became ready, the calling thread keeps the best one of its own group, unless
// the queue has a better one, and some small ones beside it; so chains run on one thread. A thread
// that is no worker keeps small ones only. In a critical section.
Job* Core::hand_out(Slot& slot, ReadyList& ready, Group* chain) {
  if (ready.empty()) return nullptr;
  constexpr int kMostKept = 16;  // the rest is for other workers
  const bool worker = chain && slot.group == chain;
  const bool may_keep = chain && !runs_where_pushed() && !(worker && Gate::draining());
  Job* keep = nullptr;
  JobList rest;
  while (Running* const any = ready.take()) {
    if (auto* waiter = as<Waiter>(any)) {
      // The sleeper may give the record back as soon as it sees this: whoever waits in it by then
      // looks once too often.
      waiter->met.store(true, std::memory_order_seq_cst);
      ring(slot, waiter->bell);
      continue;
    }
    Job* r = static_cast<Job*>(any);
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
  if (keep) fetch(keep, keep->kind);
  dispatch_all(slot, rest);
  if (keep) keep->stage.store(Stage::kStarted, std::memory_order_relaxed);
  return keep;
}

void Core::keep_small(Slot& slot, Job* r) {
  r->stage.store(Stage::kStarted, std::memory_order_relaxed);
  slot.kept.add(r);
  ++slot.kept_count;
}

// Runs `first`, what follows from it, and what is kept meanwhile.
void Core::run_kept(Slot& slot, Job* first, Group* chain) {
  for (Job* r = first; r;) {
    r = r->engine->execute(slot, r, chain);
    if (!r && !slot.kept.empty()) {
      r = slot.kept.take();
      --slot.kept_count;
    }
    if (r) ring_all(slot);
  }
}

// Before this thread sleeps inside a task: others may be waiting for what it kept.
void Core::give_back_kept(Slot& slot) {
  if (slot.kept.empty()) return;
  const Critical in(slot);
  while (Job* const r = slot.kept.take()) {
    --slot.kept_count;
    r->stage.store(Stage::kWaiting, std::memory_order_relaxed);
    dispatch(slot, r);
  }
}

// Those that follow each other in the list and belong to one group enter its queue together.
void Core::dispatch_all(Slot& slot, JobList& ready) {
  JobList same;
  Group* group = nullptr;
  auto enter = [&] {
    if (!group || group->add(same)) return;
    while (Job* const r = same.take()) leave_to(slot, r);
  };
  while (Job* const r = ready.take()) {
    Core& core = *r->engine;
    if (core.must_wait_for_events(r)) {
      core.watcher_.run_after_events(r);
    } else if (core.runs_where_pushed()) {
      leave_to(slot, r);
    } else {
      if (r->group != group) enter();
      group = r->group;
      same.add(r);
    }
  }
  enter();
}

void Core::dispatch(Slot& slot, Job* r) {
  JobList one;
  one.add(r);
  dispatch_all(slot, one);
}

// To the calling thread, which will run it as soon as it can: see run_later().
void Core::leave_to(Slot& slot, Job* r) {
  r->stage.store(Stage::kStarted, std::memory_order_relaxed);
  JobList& later = slot.later;
  if (later.empty() || later.last->priority >= r->priority) return later.add(r);
  JobList before = std::exchange(later, {});
  while (Job* const other = before.take()) {
    if (r && r->priority > other->priority) later.add(std::exchange(r, nullptr));
    later.add(other);
  }
}

void Core::run_pushed(Slot& slot, Job* here, int before) {
  if (here) {
    execute(slot, here, nullptr);
    if (slot.later.empty()) slot.state.store(before, std::memory_order_release);
  }
  run_later(slot, before);
}

void Core::run_later(Slot& slot, int before) {
  if (slot.later.empty()) [[likely]]
    return;
  while (Job* const r = slot.later.take()) r->engine->execute(slot, r, nullptr);
  slot.state.store(before, std::memory_order_release);
}

}  // namespace heddle::engine
