// A lock for sections of a few instructions, and the pause between two looks at it.
#pragma once
#include <atomic>
#include <thread>

namespace heddle::engine {

inline void pause() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#endif
}

// Spins, and yields when the holder seems to have lost its processor. Plain data: a child process
// finds it as its parent left it (see gate.h).
class SpinLock {
 public:
  void lock() {
    while (held_.exchange(true, std::memory_order_acquire)) wait();
  }
  void unlock() { held_.store(false, std::memory_order_release); }

 private:
  void wait() {
    for (int i = 0; held_.load(std::memory_order_relaxed); ++i) {
      if (i < 100) pause();
      else std::this_thread::yield();
    }
  }
  std::atomic<bool> held_{false};
};

}  // namespace heddle::engine
