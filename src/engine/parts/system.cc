// What the engine asks of the operating system.
#include "engine/parts/system.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#ifdef __linux__
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <sys/syscall.h>
#endif

namespace heddle::engine::system {

// std::atomic::wait would do for the sleep, but it yields a few times before: where all processors
// are taken, that keeps a thread runnable for whole time slices.
#ifdef __linux__
void futex(std::atomic<int>& word, int what, int value) {
  syscall(SYS_futex, reinterpret_cast<int*>(&word), what | FUTEX_PRIVATE_FLAG, value, nullptr,
          nullptr, 0);
}
void sleep_while(std::atomic<int>& word, int value) { futex(word, FUTEX_WAIT, value); }
void wake(std::atomic<int>& word, int most) { futex(word, FUTEX_WAKE, most); }
bool is_main_thread() { return syscall(SYS_gettid) == getpid(); }
#else
void sleep_while(std::atomic<int>& word, int value) { word.wait(value); }
void wake(std::atomic<int>& word, int most) { most == 1 ? word.notify_one() : word.notify_all(); }
bool is_main_thread() { return false; }
#endif

// ThreadSanitizer does not see barriers of the kernel.
#if defined(__linux__) && defined(SYS_membarrier) && !defined(__SANITIZE_THREAD__)
bool set_up_barriers() {
  return syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0;
}
void barrier_on_all_threads() { syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0); }
#else
bool set_up_barriers() { return false; }
void barrier_on_all_threads() {}
#endif

std::thread start_thread(std::function<void()> body) {
  struct Quiet {
    sigset_t before;
    Quiet() {
      sigset_t all;
      sigfillset(&all);
      pthread_sigmask(SIG_SETMASK, &all, &before);
    }
    ~Quiet() { pthread_sigmask(SIG_SETMASK, &before, nullptr); }
  } const quiet;
  return std::thread(std::move(body));
}

}  // namespace heddle::engine::system
