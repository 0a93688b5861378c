// The short way for small work: if nobody uses its variables, run it here and now.
#include <mutex>

#include "engine/core.h"
#include "engine/queue/acquire.h"
#include "engine/queue/requests.h"

namespace heddle::engine {

// All of the requests, or none of them.
bool acquire_idle(Running* r) {
  const AllLocked locked(r);
  if (!locked.idle()) return false;
  locked.place_task();
  return true;
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
    r->rich = false;
    r->suspect.store(false, std::memory_order_relaxed);
    order_requests(r, uses);
    if (!acquire_idle(r)) {
      give_record(slot, r);
      return false;
    }
    slot.current = r;
    in.leave_to(Slot::kBody);
  }
  FailureRef failure = why_skip(r);
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
    Ending in(slot);
    if (r->failure) failure = std::move(r->failure);  // lost in a fork
    RunningList ready;
    release_all(slot, r, failure, nullptr, ready);
    if (ready.first) hand_out(slot, ready, nullptr);
    give_record(slot, r);
    in.leave_to(before);
  }
  run_later(slot, before);
  return true;
}

}  // namespace heddle::engine
