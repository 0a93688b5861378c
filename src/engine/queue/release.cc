// Letting go of variables: what a record leaves on them, and whose turn it is next.
#include "engine/queue/release.h"

#include "engine/core.h"
#include "engine/graph/graph.h"

namespace heddle::engine {

void tell_turns(Request* const* turns, int n, ReadyList& ready) {
  for (int i = 0; i < n; ++i) {
    const Request& turn = *turns[i];
    Job* const r = static_cast<Job*>(turn.owner);  // waiters have no turn
    if (auto* head = as<RunningGraph>(r); head && head->has_nodes()) {
      head->run->granted(head->var_of(turn), ready);
      continue;
    }
    r->note_poison(*turn.var);
    if (r->missing.fetch_sub(1, std::memory_order_acq_rel) == 1) ready.add(r);
  }
}

void meet_waiters(VarState& v, ReadyList& ready) {
  for (Request** at = &v.waiters; *at;) {
    Request& waiter = **at;
    if (!v.met(waiter)) {
      at = &waiter.next;
      continue;
    }
    *at = waiter.next;
    auto* const r = static_cast<Waiter*>(waiter.owner);
    r->failure = v.failure();
    if (v.has_events.load(std::memory_order_relaxed)) v.collect_events(waiter.access, r->events);
    ready.add(r);
  }
}

// With the variable's lock held, which it lets go of. Those whose turn has come are told after
// that: their records are asked for meanwhile, and cannot go away before.
void let_go_locked(Slot& slot, Request& request, ReadyList& ready) {
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

void let_go(Slot& slot, Request& request, ReadyList& ready) {
  request.var->lock.lock();
  let_go_locked(slot, request, ready);
}

void release_all(Slot& slot, Job* r, const FailureRef& failure, const Pending* pending,
                 ReadyList& ready) {
  if (failure) [[unlikely]]
    r->engine->log(failure);
  for (int i = 0; i < r->count; ++i) {
    Request& q = r->requests[i];
    q.var->lock.lock();
    q.var->settle(q.access, failure, pending);
    let_go_locked(slot, q, ready);
  }
}

}  // namespace heddle::engine
