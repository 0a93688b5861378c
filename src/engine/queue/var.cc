// Variables.
#include "engine/queue/var_state.h"
#include "engine/workers/gate.h"

namespace heddle {
namespace engine {

// Only the first in the queue need be asked: it is the oldest, and it waits for a write or is one.
bool VarState::met(const Request& waiter) const {
  if (first && first->order < waiter.order) return false;
  if (!waiter.writes() && !exclusive) return true;
  bool older = false;
  each_holder([&](const Request& q) { older |= q.order < waiter.order; });
  return !older;
}

void VarState::hold_beyond_slots(Request& r) {
  r.prev = nullptr;
  r.next = others;
  if (others) others->prev = &r;
  others = &r;
}

void VarState::drop_beyond_slots(Request& r) {
  (r.prev ? r.prev->next : others) = r.next;
  if (r.next) r.next->prev = r.prev;
}

void VarState::fill_slot(uint8_t i) {
  Request& r = *others;
  slots[i] = &r;
  drop_beyond_slots(r);
}

bool VarState::withdraw(Request& waiter) {
  for (Request** at = &waiters; *at; at = &(*at)->next) {
    if (*at != &waiter) continue;
    *at = waiter.next;
    return true;
  }
  return false;
}

void VarState::change(Access access, const FailureRef& why, const Pending* pending) {
  if (access != Access::kRead) {
    if (why) {
      if (!aftermath) aftermath = std::make_unique<Aftermath>();
      aftermath->failure = why;
      poisoned.store(true, std::memory_order_release);
    } else if (poisoned.load(std::memory_order_relaxed)) {
      aftermath->failure.reset();
      poisoned.store(false, std::memory_order_release);
    }
  }
  if (!pending) return;
  if (!aftermath) aftermath = std::make_unique<Aftermath>();
  std::vector<Pending>& events = aftermath->events;
  // What came before a write need not be remembered once the write itself is: it waited for them.
  if (access != Access::kRead) events.clear();
  events.push_back(*pending);
  events.back().write = access != Access::kRead;
  has_events.store(true, std::memory_order_release);
}

void VarState::collect_events(Access access, std::vector<Pending>& to) {
  if (!aftermath) return;
  std::vector<Pending>& events = aftermath->events;
  std::erase_if(events, [](const Pending& p) { return p.event->done(); });
  if (events.empty()) has_events.store(false, std::memory_order_release);
  for (const Pending& p : events)
    if (p.write || access != Access::kRead) to.push_back(p);
}

// --- life ---------------------------------------------------------------------------------------

Pool<VarState>& vars() {
  static Pool<VarState>* const pool = new Pool<VarState>;
  return *pool;
}

void share(VarState* var) { var->handles.fetch_add(1, std::memory_order_relaxed); }

void drop(VarState* var) noexcept {
  if (var->handles.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  Slot& slot = this_slot();
  {
    const Critical in(slot);
    std::lock_guard lock(var->lock);
    if (!var->unused()) return var->handles.store(VarState::kOrphan, std::memory_order_relaxed);
    var->next = nullptr;
  }
  bury(slot, var);
}

// What failed tasks threw goes first: it may be the user's, and use variables itself.
void bury(Slot& slot, VarState* dead) {
  while (VarState* const v = dead) {
    dead = v->next;
    v->aftermath.reset();
    v->poisoned.store(false, std::memory_order_relaxed);
    v->has_events.store(false, std::memory_order_relaxed);
    v->version.store(0, std::memory_order_relaxed);
    const Critical in(slot);
    vars().give(slot.vars, v);
  }
}

VarState* make_var() {
  Slot& slot = this_slot();
  const Critical in(slot);
  VarState* const v = vars().take(slot.vars);
  v->waiters = nullptr;
  v->handles.store(1, std::memory_order_relaxed);
  return v;
}

}  // namespace engine

Var Var::make() {
  Var v;
  v.state_ = engine::make_var();
  return v;
}

uint64_t Var::version() const {
  return state_ ? state_->version.load(std::memory_order_acquire) : 0;
}

bool Var::poisoned() const { return state_ && state_->poisoned.load(std::memory_order_acquire); }

}  // namespace heddle
