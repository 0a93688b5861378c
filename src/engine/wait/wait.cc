// Waiting: for a variable, for everything, from outside and from inside of tasks.
#include <mutex>

#include "engine/core.h"
#include "engine/graph/graph.h"

namespace heddle::engine {

namespace waiting {

// Is `r`, or a task it runs inside of, one that holds `v` for writing?
bool owns(const Job* r, const VarState* v) {
  for (; r; r = r->outer) {
    bool own = false;
    each_use(r, [&](const VarState& used, Access access) {
      own |= &used == v && access != Access::kRead;
    });
    if (own) return true;
  }
  return false;
}

[[noreturn]] void throw_own(const Job* r) {
  throw Error(format("[engine] task {} waits for what cannot end before it ends itself",
                     origin_of(r).name));
}

}  // namespace waiting

// Bodies that run in a scope split their work over threads of its own: one more that computes would
// be one too many.
bool may_help(const Group* group) {
  return group && the_scope.load(std::memory_order_relaxed) == nullptr;
}

// Runs a ready task on the calling thread, which is outside of tasks and would sleep. True when
// there was one. With `only`, it is that one or none, and nothing that follows from it.
bool Core::help(Slot& slot, const Job* only) {
  const int before = slot.state.load(std::memory_order_relaxed);
  int loan = 0;
  Job* r;
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
  for (int i = 0; i < kLooks; ++i) {
    if (compute_->has_ready() && help(slot, nullptr)) i = 0;
    else if (i % 8 == 1 && tally_.all_done())
      return;  // seldom: it takes the counts from who counts
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
  VarState* const v = state_of(var);
  if (!v) return;
  Slot& slot = this_slot();
  if (slot.current && waiting::owns(slot.current, v)) waiting::throw_own(slot.current);
  FailureRef failure;
  std::vector<Pending> pending;
  Waiter* waiter = nullptr;
  const Job* last_writer = nullptr;  // if all that is waited for is this one
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
      if (!v->first && v->exclusive) last_writer = static_cast<const Job*>(v->holder->owner);
      waiter = take_waiter(slot);
      waiter->engine = this;
      waiter->var = var;
      waiter->met.store(false, std::memory_order_relaxed);
      waiter->events.clear();
      waiter->stage.store(Stage::kStarted, std::memory_order_relaxed);
      now.owner = waiter;
      now.var = v;
      now.next = v->waiters;
      waiter->request = now;
      v->waiters = &waiter->request;
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
    pending.swap(waiter->events);
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
  if (!failure) return;
  bool news = slot.current != nullptr;  // a task is a waiter of its own: it hears of all it meets
  if (!news) {
    const Critical in(slot);
    news = failure->first_time(slot.thread);
  }
  if (news) raise(failure);
}

// Returns when the waiter has been signalled. Throws, with the waiter given back, when that cannot
// happen before the calling task ends.
void Core::sleep_on(Slot& slot, Waiter* waiter) {
  run_later(slot, slot.current ? Slot::kBody : Slot::kOutside);
  if (slot.current) check_nested(slot, waiter);
  auto met = [waiter] { return waiter->met.load(std::memory_order_seq_cst); };
  for (int i = 0; i < 300 && !met(); ++i) pause();
  if (!met()) {
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
      waiter->bell.await(met);
    }
    Critical in(slot);
    if (slot.current && slot.group) slot.group->wake_up();
    in.leave_to(before);
  }
  if (slot.current) {
    const Critical in(slot);
    std::lock_guard lock(nested_);
    for (Job* r = slot.current; r; r = r->outer) r->asleep_on = nullptr;
  }
}

void Core::check_nested(Slot& slot, Waiter* waiter) {
  bool hopeless = false;
  {
    const Critical in(slot);
    // One at a time: of two tasks that come to wait for each other, the second sees the first.
    std::lock_guard lock(nested_);
    for (Job* r = slot.current; r; r = r->outer) r->asleep_on = waiter;
    for (const Job* r = slot.current; r && !hopeless; r = r->outer) hopeless = leads_to(waiter, r);
    if (hopeless) {
      VarState& v = *waiter->request.var;
      std::lock_guard var_lock(v.lock);
      // If it is gone, a graph was done with the variable meanwhile, and the signal is on its way.
      hopeless = v.withdraw(waiter->request);
    }
    if (hopeless)
      for (Job* r = slot.current; r; r = r->outer) r->asleep_on = nullptr;
  }
  if (!hopeless) return;
  Var last = std::move(waiter->var);
  {
    const Critical in(slot);
    give_record(slot, waiter);
  }
  waiting::throw_own(slot.current);
}

void Core::wait_all() {
  Slot& slot = this_slot();
  if (slot.current)
    throw Error(format("[engine] task {} waits for all tasks, and so for itself",
                       origin_of(slot.current).name));
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
