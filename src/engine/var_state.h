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

struct Slot;

// Two uses of one variable by one task count as one. Who reads what it overwrites, updates it.
inline Access both(Access a, Access b) { return a == b ? a : Access::kUpdate; }

// One use of one variable by one record. Linked into the variable, first as waiting (by `next`
// only), then as holding.
struct Request {
  Running* owner = nullptr;
  VarState* var = nullptr;
  Request* next = nullptr;
  Request* prev = nullptr;
  uint64_t order : 56 = 0;  // among the requests on this variable
  Access access = Access::kRead;
  bool writes() const { return access != Access::kRead; }
};

// Work that a device has not finished, though its task is done on the host.
struct Pending {
  EventRef event;
  const Stream* stream = nullptr;  // where it was recorded: work there comes after it anyway
  bool write = false;
};

// What the last write left behind, where it is more than data.
struct Aftermath {
  FailureRef failure;  // set while poisoned
  std::vector<Pending> events;
};

// One line of cache. Lives in a pool: taken by Var::make, given back when no handle and no request
// is left (see drop() and bury()).
struct alignas(64) VarState {
  static constexpr int kOrphan = -1;  // in `handles`: the last request to go takes it away

  SpinLock lock;           // guards all that is not atomic
  bool exclusive = false;  // held by a write
  std::atomic<bool> poisoned{false};
  std::atomic<bool> has_events{false};
  std::atomic<int> handles{0};
  Request* holders = nullptr;  // doubly linked
  Request* first = nullptr;    // waiting, in the order of their pushes
  Request* last = nullptr;
  union {
    Request* waiters = nullptr;  // threads that wait; nobody waits for them
    VarState* next;              // in the pool, and on the way there
  };
  uint64_t requests = 0;
  std::atomic<uint64_t> version{0};
  std::unique_ptr<Aftermath> aftermath;  // made when first needed

  bool unused() const { return !holders && !first && !waiters; }
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
  bool withdraw(Request& waiter);  // true if it still waited

  // What a completed use leaves: the poison of a failed write, the healing of an overwrite, the
  // event that ends the device's part.
  void settle(Access access, const FailureRef& why, const Pending* pending) {
    if (why || pending || poisoned.load(std::memory_order_relaxed)) [[unlikely]]
      change(access, why, pending);
  }
  void change(Access access, const FailureRef& why, const Pending* pending);
  FailureRef failure() const { return aftermath ? aftermath->failure : nullptr; }
  // Events that `access` must come after; forgets those that are done.
  void collect_events(Access access, std::vector<Pending>& to);
};
static_assert(sizeof(VarState) == 64);

// Gives back variables that nobody uses, linked by `next`. Outside of critical sections.
void bury(Slot& slot, VarState* dead);

}  // namespace heddle::engine
