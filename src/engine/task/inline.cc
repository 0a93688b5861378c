// The short way for small work: if nobody uses its variables, run it here and now.
#include <mutex>

#include "engine/core.h"
#include "engine/queue/requests.h"

namespace heddle::engine {

// All of the requests, or none of them.
bool acquire_idle(Running* r) {
  Request* const begin = r->requests;
  Request* const end = begin + r->count;
  bool idle = true;
  Request* locked = begin;
  for (; locked != end && idle; ++locked) {
    VarState& v = *locked->var;
    v.lock.lock();
    idle = v.idle_for(locked->access) && !v.has_events.load(std::memory_order_relaxed);
  }
  if (idle) {
    for (Request* q = begin; q != end; ++q) {
      q->order = q->var->requests++;
      if (q->writes()) q->var->count_write();
      q->var->hold(*q);
    }
  }
  for (Request* q = begin; q != locked; ++q) q->var->lock.unlock();
  return idle;
}

FailureRef poison_of(const Running* r) {
  FailureRef why;
  for (int i = 0; i < r->count; ++i) {
    VarState& v = *r->requests[i].var;
    if (r->requests[i].access == Access::kOverwrite || !v.poisoned.load(std::memory_order_acquire))
      continue;
    std::lock_guard lock(v.lock);
    why = first_of(why, v.failure());
  }
  return why;
}

bool Core::run_if_idle(std::span<const BorrowedUse> uses, const char* name, void (*body)(void*),
                       void* arg) {
  constexpr size_t kMost = 64;  // more is no small work
  if (uses.size() > kMost) return false;
  for (const BorrowedUse& use : uses)
    check(bool(*use.var), "[engine] task {} uses a variable that is none", name);
  Slot& slot = this_slot();
  const int before = slot.state.load(std::memory_order_relaxed);
  Running* r;
  FailureRef failure;
  {
    Critical in(slot, Critical::Try{});
    if (!in.entered()) return false;  // a fork is under way
    r = take_record(slot);
    r->kind = Kind::kInline;  // all before others can see it on its variables
    r->engine = this;
    r->name = name;
    r->place = Place{};
    r->counted = false;
    r->outer = slot.current;
    r->stage.store(Stage::kStarted, std::memory_order_relaxed);
    order_requests(uses, r);
    if (!acquire_idle(r)) {
      give_record(slot, r);
      return false;
    }
    failure = poison_of(r);
    slot.current = r;
    in.leave_to(Slot::kBody);
  }
  if (!failure) {
    const profile::Body seen(slot, r);
    try {
      body(arg);
    } catch (...) {
      failure = make_failure(std::current_exception(), name, current_place());
    }
  }
  slot.current = r->outer;
  {
    Critical in(slot);
    if (r->failure) failure = std::move(r->failure);  // lost in a fork
    if (failure) log(failure);
    RunningList ready;
    for (int i = 0; i < r->count; ++i) release(slot, r->requests[i], failure, nullptr, ready);
    if (ready.first) hand_out(slot, ready, nullptr);
    give_record(slot, r);
    in.leave_to(before);
  }
  if (slot.dead) [[unlikely]]
    bury_dead(slot);
  run_later(slot, before);
  return true;
}

}  // namespace heddle::engine
