// The queue of one variable: who holds it, who waits for it, and what its last write left behind.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "engine/parts/spin_lock.h"
#include "engine/queue/failure.h"
#include "heddle/engine.h"

namespace heddle::engine {

struct Slot;

// What the public classes keep to themselves.
struct Inside {
  static VarState* state(const Var& var) { return var.state_; }
  static Done done_of(Running* task) { return Done(task); }
};
inline VarState* state_of(const Var& var) { return Inside::state(var); }

// One use of one variable by one record. The variable has it in its queue while it waits, linked by
// `next`, then among those that hold it.
struct Request {
  Running* owner = nullptr;
  VarState* var = nullptr;
  Request* next = nullptr;
  Request* prev = nullptr;
  uint64_t order : 48 = 0;  // among the requests on this variable
  Access access = Access::kRead;
  bool next_writes = false;  // does `next`, in the queue?
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

// Lives in a pool: taken by Var::make, given back when no handle and no request is left (see drop()
// and bury()). One line of cache; where several reads hold it, two.
struct alignas(64) VarState {
  static constexpr int kOrphan = -1;  // in `handles`: the last request to go takes it away
  static constexpr uint8_t kSlots = 7;

  SpinLock lock;      // guards all that is not atomic
  uint8_t taken = 0;  // of `slots`
  std::atomic<bool> poisoned{false};
  std::atomic<bool> has_events{false};
  std::atomic<int> handles{0};
  Request* holder = nullptr;  // a write, or one of the reads
  Request* first = nullptr;   // waiting, in the order of their pushes
  Request* last = nullptr;
  union {
    Request* waiters = nullptr;  // threads that wait; nobody waits for them
    VarState* next;              // in the pool, and on the way there
  };
  uint64_t requests : 48 = 0;
  bool exclusive = false;     // held by a write
  bool first_writes = false;  // does `first`? So that it need not be looked at
  std::atomic<uint64_t> version{0};
  std::unique_ptr<Aftermath> aftermath;  // made when first needed
  // More reads that hold the variable. The first of them are not linked through their requests:
  // that would write into the records of tasks that other threads run.
  Request* slots[kSlots];
  Request* others = nullptr;  // beyond the slots, doubly linked

  bool held() const { return holder || taken > 0; }
  bool unused() const { return !held() && !first && !waiters; }
  bool grants(Access a) const { return a == Access::kRead ? !exclusive : !held(); }
  // Would `a` be granted at once, in its turn?
  bool idle_for(Access a) const { return first == nullptr && grants(a); }
  // Hands each request that holds the variable to each().
  template <class Each>
  void each_holder(const Each& each) const {
    if (holder) each(*holder);
    for (uint8_t i = 0; i < taken; ++i) each(*slots[i]);
    if (taken == kSlots)
      for (const Request* q = others; q; q = q->next) each(*q);
  }

  void count_write(uint64_t n = 1) {  // under the lock: no need for one indivisible addition
    version.store(version.load(std::memory_order_relaxed) + n, std::memory_order_release);
  }
  void hold(Request& r) {
    if (!holder) {
      holder = &r;
      exclusive = r.writes();
    } else if (taken < kSlots) {
      slots[taken++] = &r;
    } else {
      hold_beyond_slots(r);
    }
  }
  void drop(Request& r) {
    if (holder == &r) {
      holder = nullptr;
      exclusive = false;
      return;
    }
    for (uint8_t i = 0; i < taken; ++i)
      if (slots[i] == &r)
        return others ? fill_slot(i) : static_cast<void>(slots[i] = slots[--taken]);
    drop_beyond_slots(r);
  }
  void enqueue(Request& r) {
    r.next = nullptr;
    if (last) last->next = &r, last->next_writes = r.writes();
    else first = &r, first_writes = r.writes();
    last = &r;
  }
  // Takes the first waiting request off the queue if its turn has come.
  Request* take_turn() {
    Request* const r = first;
    if (!r || !grants(first_writes ? Access::kUpdate : Access::kRead)) return nullptr;
    first = r->next;
    first_writes = r->next_writes;
    if (first) __builtin_prefetch(first);  // who lets go next will want it
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

 private:
  void hold_beyond_slots(Request& r);
  void drop_beyond_slots(Request& r);
  void fill_slot(uint8_t i);  // with one of the others
};
static_assert(sizeof(VarState) == 128 && offsetof(VarState, slots) == 64);

// Asks for what a use is about to change: several variables then come together.
inline void fetch(const Request& q) {
  fetch_to_write(q.var);
  if (!q.writes()) fetch_to_write(q.var->slots);
}

// Gives back variables that nobody uses, linked by `next`. Outside of critical sections.
void bury(Slot& slot, VarState* dead);

}  // namespace heddle::engine
