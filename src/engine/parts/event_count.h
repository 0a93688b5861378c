// What all sleepers of the engine sleep on: until something that others change is so.
//
// Who waits calls await(so), where `so` looks at what it waits for; who changes that calls notify()
// after the change. No wake-up is lost: a sleeper counts itself before it looks, and looks after
// every notify().
//
//   change, then look for sleepers        count as a sleeper, then look for the change
//
// One of the two sees the other, if the change and the look are guarded by one lock, or are both
// sequentially consistent; or if the sleeper puts the barrier into both threads (`announced`).
//
// std::atomic::wait would do for the sleep, but it yields a few times before it sleeps: where all
// processors are taken, that keeps a thread runnable for whole time slices.
#pragma once
#include <atomic>
#include <climits>

#if defined(__linux__)
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace heddle::engine {

// Plain data: a child process finds it as its parent left it, and calls start_over().
class EventCount {
 public:
  // Sleeps until so(). `announced` runs once, when others can see that there is a sleeper.
  template <class So, class Announced>
  void await(const So& so, const Announced& announced) {
    sleepers_.fetch_add(1, std::memory_order_seq_cst);
    announced();
    for (;;) {
      const int heard = told_.load(std::memory_order_seq_cst);
      if (so()) break;
      sleep_while_told_is(heard);
    }
    sleepers_.fetch_sub(1, std::memory_order_seq_cst);
  }
  template <class So>
  void await(const So& so) {
    await(so, [] {});
  }

  // Who sleeps, or `most` of them, looks again. Costs a load while nobody sleeps. The event count
  // must outlast the call, not what was waited for.
  void notify(int most = INT_MAX) {
    if (!anyone()) return;
    told_.fetch_add(1, std::memory_order_seq_cst);
    wake(most);
  }
  // False when nobody sleeps who may not have seen what was changed before.
  bool anyone() const { return sleepers_.load(std::memory_order_seq_cst) != 0; }

  // In the child of a fork, where those who slept are not.
  void start_over() { sleepers_.store(0, std::memory_order_relaxed); }

 private:
#if defined(__linux__)
  // Returns when the number has changed, or for no reason.
  void sleep_while_told_is(int heard) { futex(FUTEX_WAIT, heard); }
  void wake(int most) { futex(FUTEX_WAKE, most); }
  void futex(int what, int value) {
    syscall(SYS_futex, reinterpret_cast<int*>(&told_), what | FUTEX_PRIVATE_FLAG, value, nullptr,
            nullptr, 0);
  }
#else
  void sleep_while_told_is(int heard) { told_.wait(heard); }
  void wake(int most) { most == 1 ? told_.notify_one() : told_.notify_all(); }
#endif
  std::atomic<int> sleepers_{0};
  std::atomic<int> told_{0};
};

}  // namespace heddle::engine
