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

// Asks for a line of cache that is about to be written: several such lines then come together, not
// one after the other.
inline void fetch_to_write(const void* line) {
#if defined(__x86_64__) || defined(__i386__)
  asm volatile("prefetchw %0" : : "m"(*static_cast<const char*>(line)));
#else
  __builtin_prefetch(line, 1);
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
