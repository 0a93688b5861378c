// The queue of one variable: who holds it, who waits for it, and what its last write left behind.
#pragma once
#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "engine/failure.h"
#include "engine/spin_lock.h"
#include "heddle/engine.h"

namespace heddle::engine {

// Two uses of one variable by one task count as one. Who reads what it overwrites, updates it.
inline Access both(Access a, Access b) { return a == b ? a : Access::kUpdate; }

// One use of one variable by one record. Linked into the variable, first as waiting (by `next`
// only), then as holding.
struct Request {
  Running* owner = nullptr;
  VarState* var = nullptr;
  Request* next = nullptr;
  Request* prev = nullptr;
  Access access = Access::kRead;
  uint64_t order = 0;  // among the requests on this variable
  bool writes() const { return access != Access::kRead; }
};

// Work that a device has not finished, though its task is done on the host.
struct Pending {
  EventRef event;
  const Stream* stream = nullptr;  // where it was recorded: work there comes after it anyway
  bool write = false;
};

struct VarState {
  SpinLock lock;           // guards all that is not atomic
  bool exclusive = false;  // held by a write
  std::atomic<bool> poisoned{false};
  std::atomic<bool> has_events{false};
  Request* holders = nullptr;  // doubly linked
  Request* first = nullptr;    // waiting, in the order of their pushes
  Request* last = nullptr;
  Request* waiters = nullptr;  // threads that wait; nobody waits for them
  uint64_t requests = 0;
  std::atomic<uint64_t> version{0};
  FailureRef failure;  // set while poisoned
  std::vector<Pending> events;

  bool grants(Access a) const { return a == Access::kRead ? !exclusive : holders == nullptr; }
  // Would `a` be granted at once, in its turn?
  bool idle_for(Access a) const { return first == nullptr && grants(a); }

  void count_write(uint64_t n = 1) {  // under the lock: no need for one indivisible addition
    version.store(version.load(std::memory_order_relaxed) + n, std::memory_order_release);
  }
  void hold(Request& r) {
    r.prev = nullptr;
    r.next = holders;
    if (holders) holders->prev = &r;
    holders = &r;
    exclusive = r.writes();
  }
  void drop(Request& r) {
    (r.prev ? r.prev->next : holders) = r.next;
    if (r.next) r.next->prev = r.prev;
    exclusive = false;  // a write was alone; among reads it was false
  }
  void enqueue(Request& r) {
    r.next = nullptr;
    (last ? last->next : first) = &r;
    last = &r;
  }
  // Takes the first waiting request off the queue if its turn has come.
  Request* take_turn() {
    Request* const r = first;
    if (!r || !grants(r->access)) return nullptr;
    first = r->next;
    if (!first) last = nullptr;
    return r;
  }
  // A waiting thread's request is met when all earlier requests are over: the writes among them,
  // or, where it is for writing, the reads too.
  bool met(const Request& waiter) const;
  void withdraw(Request& waiter);  // if it still waits

  // What a completed use leaves: the poison of a failed write, the healing of an overwrite, the
  // event that ends the device's part.
  void settle(Access access, const FailureRef& why, const Pending* pending) {
    if (why || pending || poisoned.load(std::memory_order_relaxed)) [[unlikely]]
      change(access, why, pending);
  }
  void change(Access access, const FailureRef& why, const Pending* pending);
  // Events that `access` must come after; forgets those that are done.
  void collect_events(Access access, std::vector<Pending>& to);
};

}  // namespace heddle::engine
