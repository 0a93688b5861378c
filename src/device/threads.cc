// How many threads may work for this process, and how many do.
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdio>
#include <string>
#include <thread>

#include "base/settings.h"
#include "device/cgroup.h"
#include "heddle/device.h"

namespace heddle {
namespace threads_allowed {

int in_affinity_mask() {
#ifdef __linux__
  // Masks grow beyond cpu_set_t's 1024 processors on large machines.
  for (int room = 1024; room <= (1 << 20); room *= 2) {
    cpu_set_t* set = CPU_ALLOC(room);
    if (!set) break;
    const size_t bytes = CPU_ALLOC_SIZE(room);
    const bool read = sched_getaffinity(0, bytes, set) == 0;
    const int count = read ? CPU_COUNT_S(bytes, set) : 0;
    CPU_FREE(set);
    if (read) return count;
  }
#endif
  return static_cast<int>(std::thread::hardware_concurrency());
}

int by_default() {
  const int64_t asked = setting_int("HEDDLE_THREADS");
  return asked > 0 ? static_cast<int>(std::min<int64_t>(asked, 4096)) : usable_threads();
}

std::atomic<int>& chosen() {
  static std::atomic<int> count{by_default()};
  return count;
}

}  // namespace threads_allowed

int usable_threads() {
  const int mask = threads_allowed::in_affinity_mask();
  const double quota = cgroup::cpu_quota("/proc/self/cgroup", "/sys/fs/cgroup");
  const int allowed = quota > 0 ? static_cast<int>(std::ceil(std::min(quota, 1e6))) : mask;
  return std::max(1, std::min(mask, allowed));
}

int threads() { return threads_allowed::chosen().load(std::memory_order_relaxed); }

void set_threads(int threads) {
  check(threads >= 0 && threads <= 4096, "[set_threads] found {}, expected 0 to 4096", threads);
  threads_allowed::chosen() = threads > 0 ? threads : threads_allowed::by_default();
}

}  // namespace heddle
