// Variables.
#include "engine/var_state.h"

namespace heddle {
namespace engine {

// Only the first in the queue need be asked: it is the oldest, and it waits for a write or is one.
bool VarState::met(const Request& waiter) const {
  if (first && first->order < waiter.order) return false;
  if (!waiter.writes()) return !exclusive || holders->order > waiter.order;
  for (const Request* q = holders; q; q = q->next)
    if (q->order < waiter.order) return false;
  return true;
}

void VarState::withdraw(Request& waiter) {
  for (Request** at = &waiters; *at; at = &(*at)->next) {
    if (*at != &waiter) continue;
    *at = waiter.next;
    return;
  }
}

void VarState::change(Access access, const FailureRef& why, const Pending* pending) {
  if (access != Access::kRead) {
    if (why) {
      failure = why;
      poisoned.store(true, std::memory_order_release);
    } else if (poisoned.load(std::memory_order_relaxed)) {
      failure.reset();
      poisoned.store(false, std::memory_order_release);
    }
  }
  if (!pending) return;
  // What came before a write need not be remembered once the write itself is: it waited for them.
  if (access != Access::kRead) events.clear();
  events.push_back(*pending);
  events.back().write = access != Access::kRead;
  has_events.store(true, std::memory_order_release);
}

void VarState::collect_events(Access access, std::vector<Pending>& to) {
  std::erase_if(events, [](const Pending& p) { return p.event->done(); });
  if (events.empty()) has_events.store(false, std::memory_order_release);
  for (const Pending& p : events)
    if (p.write || access != Access::kRead) to.push_back(p);
}

}  // namespace engine

Var Var::make() {
  Var v;
  v.state_ = std::make_shared<engine::VarState>();
  return v;
}

uint64_t Var::version() const {
  return state_ ? state_->version.load(std::memory_order_acquire) : 0;
}

bool Var::poisoned() const { return state_ && state_->poisoned.load(std::memory_order_acquire); }

}  // namespace heddle
