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
#pragma once
#include <atomic>
#include <climits>

#include "engine/parts/system.h"

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
      system::sleep_while(told_, heard);
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
    system::wake(told_, most);
  }
  // False when nobody sleeps who may not have seen what was changed before.
  bool anyone() const { return sleepers_.load(std::memory_order_seq_cst) != 0; }

  // In the child of a fork, where those who slept are not.
  void start_over() { sleepers_.store(0, std::memory_order_relaxed); }

 private:
  std::atomic<int> sleepers_{0};
  std::atomic<int> told_{0};
};

}  // namespace heddle::engine
