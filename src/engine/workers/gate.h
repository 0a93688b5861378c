// Who is inside the engine: lets fork() happen while no thread is half-way through a change.
//
// Every thread that uses the engine has a Slot that says where it is: outside, in a critical
// section (locks held, lists half linked; short, runs no code of the user), or in a task's body. A
// fork may happen when nobody else is in a critical section; a fork that was announced
// (before_fork) also waits for bodies to end.
#pragma once
#include <atomic>
#include <cstdint>
#include <iterator>

#include "engine/parts/event_count.h"
#include "engine/parts/pool.h"
#include "engine/task/list.h"

namespace heddle::engine {

struct RunningGraph;
struct RunningTask;
struct VarState;
struct Waiter;
class Group;
namespace profile {
struct Chunk;
}

struct alignas(64) Slot {
  enum : int { kOutside = 0, kCritical = 1, kBody = 2 };
  std::atomic<int> state{kOutside};
  std::atomic<bool> taken{false};
  int index = 0;             // dense: picks a shard of counters
  uint64_t thread = 0;       // never used twice in a process
  Job* current = nullptr;    // the innermost task on this thread
  Shelf<RunningTask> tasks;  // to use again
  Shelf<VarState> vars;
  VarState* dead = nullptr;  // variables to bury once this critical section is over
  JobList later;             // ready tasks that this thread will run, where tasks run at once
  Group* group = nullptr;    // whose worker this thread is
  JobList kept;              // small ready tasks that this thread runs next
  int kept_count = 0;
  EventCount* bells[4];  // to ring when what this thread runs is over: see ring()
  int bell_count = 0;
  bool rings_later = false;
  uint32_t pushes = 0;
  profile::Chunk* chunk = nullptr;  // where the profiler writes what this thread does
  Shelf<RunningGraph> graphs;       // these, too
  Shelf<Waiter> waiters;
  Slot* next = nullptr;  // of all slots
};

// Around a sleep: lets go of the interpreter's lock (Engine::set_sleep_hooks).
class Asleep {
 public:
  Asleep();
  ~Asleep();
  Asleep(const Asleep&) = delete;
  Asleep& operator=(const Asleep&) = delete;

 private:
  void* held_;
};

namespace detail {
extern constinit std::atomic<void* (*)()> sleep_begins;
extern constinit std::atomic<void (*)(void*)> sleep_ends;
extern constinit thread_local Slot* my_slot;
Slot& take_slot();
}  // namespace detail
// Of the calling thread, for as long as it lives.
inline Slot& this_slot() {
  Slot* s = detail::my_slot;
  return s ? *s : detail::take_slot();
}

// Notifies, but from within a run of tasks only at its end: who is woken may push the next task,
// and the worker that takes it should find this thread's place in the arena free.
inline void ring(Slot& slot, EventCount& bell) {
  if (!slot.rings_later || slot.bell_count == std::ssize(slot.bells)) return bell.notify();
  slot.bells[slot.bell_count++] = &bell;
}
inline void ring_all(Slot& slot) {
  while (slot.bell_count > 0) slot.bells[--slot.bell_count]->notify();
}

class Gate {
 public:
  // Before fork() was announced: stops new work, waits for the bodies of other threads to end.
  static void drain();
  static void reopen();
  // Around an unannounced fork(): waits for critical sections only, which need nobody's help.
  static void shut();
  static void unshut();
  // Once, before the first slot is used by a second thread; and in a child.
  static void set_up();
  // In the child, where only the calling thread exists.
  static void start_over();
  static Slot* all_slots();

  // Where the kernel can run a full barrier on all threads at once, a thread that announces
  // something often needs none, if who looks for it calls make_visible() first.
  static bool relies_on_kernel() { return relies_on_kernel_; }
  static void make_visible();

  static bool draining() { return closed_.load(std::memory_order_relaxed) & 1; }
  static bool drained_by_me();

 private:
  friend class Critical;
  // Makes `state` visible to a forking thread before this one looks at closed_. Where the kernel
  // can make all threads do so at the moment of a fork (membarrier), nothing needs be done here.
  static void announce(std::atomic<int>& state, int value) {
    if (relies_on_kernel_) {
      state.store(value, std::memory_order_relaxed);
      std::atomic_signal_fence(std::memory_order_seq_cst);
    } else {
      state.exchange(value, std::memory_order_seq_cst);
    }
  }
  static bool admits(int before) {
    const int c = closed_.load(std::memory_order_seq_cst);
    if (c == 0) return true;
    // A body is let in, so that it can end; so is the forking thread itself.
    return c == 1 && (before != Slot::kOutside || drained_by_me());
  }
  static void wait_until_open();
  static bool relies_on_kernel_;
  static std::atomic<int> closed_;  // bit 0: draining; the rest counts unannounced forks
  static EventCount opened_;
};

// A critical section. May be entered again inside itself.
class Critical {
 public:
  explicit Critical(Slot& slot) : slot_(slot), before_(slot.state.load(std::memory_order_relaxed)) {
    after_ = before_;
    while (!enter()) Gate::wait_until_open();
  }
  // Does not wait for a fork to pass; entered() tells.
  struct Try {};
  Critical(Slot& slot, Try)
      : slot_(slot), before_(slot.state.load(std::memory_order_relaxed)), after_(before_) {
    entered_ = enter();
  }
  ~Critical() {
    // Tasks that this section left to this thread are in nobody else's hands: no fork before them.
    if (entered_)
      slot_.state.store(slot_.later.empty() ? after_ : after_ | Slot::kBody,
                        std::memory_order_release);
  }
  Critical(const Critical&) = delete;
  Critical& operator=(const Critical&) = delete;
  bool entered() const { return entered_; }
  // Where the thread is after this section: an unbroken step from "took a task" to "runs it".
  void leave_to(int state) { after_ = state | (before_ & Slot::kCritical); }

 private:
  bool enter() {
    if (before_ & Slot::kCritical) return entered_ = true;
    Gate::announce(slot_.state, before_ | Slot::kCritical);
    if (Gate::admits(before_)) [[likely]]
      return entered_ = true;
    slot_.state.store(before_, std::memory_order_release);
    return false;
  }
  Slot& slot_;
  const int before_;
  int after_;
  bool entered_ = false;
};

}  // namespace heddle::engine
