// Waiting: for a variable, for everything, from outside and from inside of tasks.
#include <mutex>

#include "engine/core.h"
#include "engine/graph.h"
#include "engine/sleep.h"

namespace heddle::engine {

namespace waiting {

// Is `r`, or a task it runs inside of, one that holds `v` for writing?
bool owns(const Running* r, const VarState* v) {
  for (; r; r = r->outer) {
    bool own = false;
    each_use(r, [&](const VarState& used, Access access) {
      own |= &used == v && access != Access::kRead;
    });
    if (own) return true;
  }
  return false;
}

[[noreturn]] void throw_own(const Running* r) {
  throw Error(format("[engine] task {} waits for what cannot end before it ends itself", r->name));
}

}  // namespace waiting

// Bodies that run in a scope split their work over threads of its own: one more that computes would
// be one too many.
bool may_help(const Group* group) {
  return group && the_scope.load(std::memory_order_relaxed) == nullptr;
}

// Runs a ready task on the calling thread, which is outside of tasks and would sleep. True when
// there was one. With `only`, it is that one or none, and nothing that follows from it.
bool Core::help(Slot& slot, const Running* only) {
  const int before = slot.state.load(std::memory_order_relaxed);
  int loan = 0;
  Running* r;
  {
    Critical in(slot);
    r = compute_->lend(only, &loan);
    if (r) in.leave_to(Slot::kBody);
  }
  if (!r) return false;
  run_chain(r, compute_, only == nullptr);
  Critical in(slot);
  compute_->end_loan(loan);
  in.leave_to(before);
  return true;
}

// Who waits for everything may do some of it.
void Core::help_with_all(Slot& slot) {
  constexpr int kLooks = 200;  // some microseconds
  const Asleep asleep;         // a task may want the interpreter
  for (int i = 0; i < kLooks && !tally_.all_done(); ++i) {
    if (compute_->has_ready() && help(slot, nullptr)) i = 0;
    else pause();
  }
}

// Says that a thread of the program sleeps.
class Absent {
 public:
  explicit Absent(const Slot& slot) : counted_(!slot.current) {
    if (counted_) asleep_outside.fetch_add(1, std::memory_order_relaxed);
  }
  ~Absent() {
    if (counted_) asleep_outside.fetch_sub(1, std::memory_order_relaxed);
  }
  Absent(const Absent&) = delete;
  Absent& operator=(const Absent&) = delete;

 private:
  const bool counted_;
};

void Core::wait_for(const Var& var, Access access) {
  VarState* const v = var.state();
  if (!v) return;
  Slot& slot = this_slot();
  if (slot.current && waiting::owns(slot.current, v)) waiting::throw_own(slot.current);
  FailureRef failure;
  std::vector<Pending> pending;
  Running* waiter = nullptr;
  const Running* last_writer = nullptr;  // if all that is waited for is this one
  profile::Wait seen(slot);
  {
    const Critical in(slot);
    std::lock_guard lock(v->lock);
    Request now;
    now.access = access;
    now.order = v->requests;
    if (v->met(now)) {
      failure = v->failure();
      if (v->has_events.load(std::memory_order_relaxed)) v->collect_events(access, pending);
    } else {
      if (profile::on()) [[unlikely]]
        seen.for_tasks(*v, access);
      if (!v->first && v->exclusive) last_writer = v->holders->owner;
      waiter = take_record(slot);
      waiter->kind = Kind::kWaiter;
      waiter->engine = this;
      waiter->name = "wait";
      waiter->var = var;
      waiter->outer = nullptr;
      waiter->bytes = 0;
      waiter->counted = false;
      waiter->signal.store(kAwake, std::memory_order_relaxed);
      waiter->after.clear();
      waiter->set_count(1);
      waiter->stage.store(Stage::kStarted, std::memory_order_relaxed);
      now.owner = waiter;
      now.var = v;
      now.next = v->waiters;
      waiter->requests[0] = now;
      v->waiters = &waiter->requests[0];
      ++v->requests;
    }
  }
  if (waiter) {
    if (last_writer && may_help(compute_) && !slot.current && compute_->has_ready()) {
      const Asleep asleep;
      help(slot, last_writer);
    }
    sleep_on(slot, waiter);
    failure = std::move(waiter->failure);
    pending.swap(waiter->after);
    Var last = std::move(waiter->var);
    const Critical in(slot);
    give_record(slot, waiter);
  }
  if (!pending.empty()) {
    if (profile::on()) [[unlikely]]
      seen.for_device();
    const Asleep asleep;
    for (const Pending& p : pending) p.event->wait();
  }
  // A task is a waiter of its own: it hears of every failure it meets.
  if (failure && (slot.current || failure->first_time(slot.thread))) raise(failure);
}

// Returns when the waiter has been signalled. Throws, with the waiter given back, when that cannot
// happen before the calling task ends.
void Core::sleep_on(Slot& slot, Running* waiter) {
  run_later(slot, slot.current ? Slot::kBody : Slot::kOutside);
  if (slot.current) check_nested(slot, waiter);
  std::atomic<int>& signal = waiter->signal;
  for (int i = 0; i < 300 && signal.load(std::memory_order_acquire) != kSignalled; ++i) pause();
  if (signal.load(std::memory_order_acquire) != kSignalled) {
    const int before = slot.state.load(std::memory_order_relaxed);
    give_back_kept(slot);
    if (slot.current && slot.group) {
      const Critical in(slot);
      slot.group->fall_asleep();
    }
    // A fork need not wait for a task that sleeps: in the child, it is lost.
    slot.state.store(Slot::kOutside, std::memory_order_release);
    {
      const Asleep asleep;
      const Absent absent(slot);
      int awake = kAwake;
      signal.compare_exchange_strong(awake, kAsleep, std::memory_order_seq_cst);
      while (signal.load(std::memory_order_acquire) != kSignalled) sleep_while(signal, kAsleep);
    }
    Critical in(slot);
    if (slot.current && slot.group) slot.group->wake_up();
    in.leave_to(before);
  }
  if (slot.current) {
    const Critical in(slot);
    std::lock_guard lock(nested_);
    for (Running* r = slot.current; r; r = r->outer) r->asleep_on = nullptr;
  }
}

void Core::check_nested(Slot& slot, Running* waiter) {
  bool hopeless = false;
  {
    const Critical in(slot);
    // One at a time: of two tasks that come to wait for each other, the second sees the first.
    std::lock_guard lock(nested_);
    for (Running* r = slot.current; r; r = r->outer) r->asleep_on = waiter;
    for (const Running* r = slot.current; r && !hopeless; r = r->outer)
      hopeless = leads_to(waiter, r);
    if (hopeless) {
      for (Running* r = slot.current; r; r = r->outer) r->asleep_on = nullptr;
      VarState& v = *waiter->requests[0].var;
      std::lock_guard var_lock(v.lock);
      v.withdraw(waiter->requests[0]);
    }
  }
  if (!hopeless) return;
  Var last = std::move(waiter->var);
  {
    const Critical in(slot);
    give_record(slot, waiter);
  }
  waiting::throw_own(slot.current);
}

// Follows what `waiter` waits for: the requests before it on its variable, the variables that their
// tasks are still missing, the waits that running ones sleep in. True when that meets `task`.
//
// A record is looked at only while a lock is held that it needs in order to end: that of a variable
// it has a request on. What lies behind it is remembered as variables and places in their queues:
// variables are never freed, only used again, and then the place is not found.
bool Core::leads_to(const Running* waiter, const Running* task) {
  struct Step {
    VarState* var;
    const Running* who;  // everything before this one's request
    uint64_t order;
  };
  std::vector<Step> steps;
  auto go_behind = [&](const Running* r) {
    for (int i = 0; i < r->count; ++i)
      steps.push_back({r->requests[i].var, r, r->requests[i].order});
  };
  go_behind(waiter);
  std::vector<const Running*> seen;
  bool found = false;
  auto visit = [&](const Running* r) {
    if (found) return;
    const bool mine =
        r == task || (r->kind == Kind::kGraph && task->kind == Kind::kNode && task->run == r->run);
    if (mine) {
      found = true;
      return;
    }
    for (const Running* s : seen)
      if (s == r) return;
    seen.push_back(r);
    if (r->asleep_on) go_behind(r->asleep_on);
    const bool graph = r->kind == Kind::kGraph;
    if (graph || (r->kind == Kind::kTask && r->stage.load() == Stage::kWaiting)) go_behind(r);
    if (graph && r->run->nodes)
      for (size_t i = 0; i < r->run->graph.nodes.size(); ++i)
        if (const Running* w = r->run->nodes[i].asleep_on) go_behind(w);
  };
  while (!steps.empty() && !found) {
    const Step step = std::move(steps.back());
    steps.pop_back();
    VarState& v = *step.var;
    std::lock_guard lock(v.lock);
    const Request* mine = step.who->kind == Kind::kWaiter ? v.waiters : v.first;
    while (mine && (mine->owner != step.who || mine->order != step.order)) mine = mine->next;
    if (!mine) continue;  // it was granted
    auto visit_older = [&](const Request* q) {
      for (; q; q = q->next)
        if (q->order < mine->order) visit(q->owner);
    };
    visit_older(v.holders);
    visit_older(v.first);
  }
  return found;
}

void Core::wait_all() {
  Slot& slot = this_slot();
  if (slot.current)
    throw Error(
        format("[engine] task {} waits for all tasks, and so for itself", slot.current->name));
  run_later(slot, slot.current ? Slot::kBody : Slot::kOutside);
  {
    profile::Wait seen(slot);
    if (profile::on()) [[unlikely]]
      seen.for_all(tally_.on_their_way());
    const Absent absent(slot);
    if (may_help(compute_) && !tally_.all_done()) help_with_all(slot);
    tally_.wait_until(0);
  }
  int more = 0;
  FailureRef failure;
  {
    const Critical in(slot);
    failure = failures_.next_for(slot.thread, &more);
  }
  if (failure) raise(failure, more);
}

}  // namespace heddle::engine
