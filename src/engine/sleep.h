// Sleeping until a number changes, and waking who sleeps on it.
//
// std::atomic::wait would do, but it yields a few times before it sleeps: where all processors are
// taken, that keeps a thread runnable for whole time slices.
#pragma once
#include <atomic>

#if defined(__linux__)
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <climits>
#endif

namespace heddle::engine {

#if defined(__linux__)
inline void futex(const std::atomic<int>& word, int what, int value) {
  syscall(SYS_futex, reinterpret_cast<const int*>(&word), what | FUTEX_PRIVATE_FLAG, value, nullptr,
          nullptr, 0);
}
// Returns when `word` is not `value`, or for no reason: look again.
inline void sleep_while(const std::atomic<int>& word, int value) { futex(word, FUTEX_WAIT, value); }
inline void wake_one(const std::atomic<int>& word) { futex(word, FUTEX_WAKE, 1); }
inline void wake_all(const std::atomic<int>& word) { futex(word, FUTEX_WAKE, INT_MAX); }
#else
inline void sleep_while(const std::atomic<int>& word, int value) { word.wait(value); }
inline void wake_one(std::atomic<int>& word) { word.notify_one(); }
inline void wake_all(std::atomic<int>& word) { word.notify_all(); }
#endif

}  // namespace heddle::engine
