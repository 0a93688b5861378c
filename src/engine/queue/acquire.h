// Taking requests: how a record, whatever it stands for, gets into the queues of its variables.
#pragma once
#include "engine/task/running.h"

namespace heddle::engine {

// Holds the locks of all variables of a record, taken in the order of addresses. What is placed
// under it is placed on all of them at once: so pushes have one total order that every variable
// agrees with. Whoever completes another task sees the record when the locks are let go of.
class AllLocked {
 public:
  explicit AllLocked(Job* r) : r_(r), begin_(r->requests), end_(r->requests + r->count) {
    for (Request* q = begin_; q != end_; ++q) fetch(*q);
    for (Request* q = begin_; q != end_; ++q) q->var->lock.lock();
  }
  ~AllLocked() {
    for (Request* q = begin_; q != end_; ++q) q->var->lock.unlock();
  }
  AllLocked(const AllLocked&) = delete;
  AllLocked& operator=(const AllLocked&) = delete;

  // Nobody uses the variables in a way that these requests would wait for, and no device does.
  bool idle() const {
    for (Request* q = begin_; q != end_; ++q)
      if (!q->var->idle_for(q->access) || q->var->has_events.load(std::memory_order_relaxed))
        return false;
    return true;
  }

  // Queues each request, or lets it hold its variable at once if it is its turn, and hands it to
  // placed(request, holds). Returns how many have to wait.
  template <class Placed>
  int place(const Placed& placed) const {
    int waits = 0;
    for (Request* q = begin_; q != end_; ++q) {
      VarState& v = *q->var;
      q->order = v.requests++;
      const bool holds = v.idle_for(q->access);
      if (holds) v.hold(*q);
      else v.enqueue(*q), ++waits;
      placed(*q, holds);
    }
    return waits;
  }
  // Of one task: it writes each variable once.
  int place_task() const {
    return place([this](Request& q, bool holds) {
      if (q.writes()) q.var->count_write();
      if (holds) r_->note_poison(*q.var);
    });
  }

 private:
  Job* const r_;
  Request* const begin_;
  Request* const end_;
};

}  // namespace heddle::engine
