// The short way for small work: if nobody uses its variables, run it here and now.
#include <mutex>

#include "engine/core.h"
#include "engine/queue/acquire.h"
#include "engine/queue/release.h"
#include "engine/queue/requests.h"

namespace heddle::engine {

bool Core::run_if_idle(std::span<const BorrowedUse> uses, const char* name, void (*body)(void*),
                       void* arg) {
  constexpr size_t kMost = 64;  // more is no small work
  if (uses.size() > kMost) return false;
  for (const BorrowedUse& use : uses)
    check(bool(*use.var), "[engine] task {} uses a variable that is none", name);
  Slot& slot = this_slot();
  const int before = slot.state.load(std::memory_order_relaxed);
  RunningTask* r;
  bool idle;
  {
    Critical in(slot, Critical::Try{});
    if (!in.entered()) return false;  // a fork is under way
    r = take_task(slot);
    r->engine = this;  // all before others can see it on its variables
    r->name = name;
    r->place = current_place();
    r->lane = Lane::kCompute;
    r->device = {};
    r->counted = false;
    r->outer = slot.current;
    r->stage.store(Stage::kStarted, std::memory_order_relaxed);
    r->suspect.store(false, std::memory_order_relaxed);
    order_requests(r, uses);
    if (profile::on()) [[unlikely]]
      profile::not_pushed(r);
    {
      const AllLocked locked(r);
      idle = locked.idle();
      if (idle) locked.place_task();
    }
    if (!idle) {
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
      failure = make_failure(std::current_exception(), origin_of(r));
    }
  }
  slot.current = r->outer;
  {
    Ending in(slot);
    if (r->failure) failure = std::move(r->failure);  // lost in a fork
    ReadyList ready;
    release_all(slot, r, failure, nullptr, ready);
    if (ready.first) hand_out(slot, ready, nullptr);
    give_record(slot, r);
    in.leave_to(before);
  }
  run_later(slot, before);
  return true;
}

}  // namespace heddle::engine
