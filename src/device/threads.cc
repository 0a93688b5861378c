// How many threads may work for this process, and how many do.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdio>

#include "base/settings.h"
#include "device/cgroup.h"
#include "device/system.h"
#include "heddle/device.h"

namespace heddle {
namespace threads_allowed {

int by_default() {
  const int64_t asked = setting_int("HEDDLE_THREADS");
  return asked > 0 ? static_cast<int>(std::min<int64_t>(asked, 4096)) : usable_threads();
}

// 0: nobody has asked yet. Not a local static with its first value: the child of a fork would wait
// for ever for a thread of its parent that was finding that.
constinit std::atomic<int> count{0};

}  // namespace threads_allowed

int usable_threads() {
  const int mask = system::processors_of_this_process();
  const double quota = cgroup::cpu_quota("/proc/self/cgroup", "/sys/fs/cgroup");
  const int allowed = quota > 0 ? static_cast<int>(std::ceil(std::min(quota, 1e6))) : mask;
  return std::max(1, std::min(mask, allowed));
}

int threads() {
  const int chosen = threads_allowed::count.load(std::memory_order_relaxed);
  if (chosen > 0) return chosen;
  int found = 0;
  const int usual = threads_allowed::by_default();
  return threads_allowed::count.compare_exchange_strong(found, usual) ? usual : found;
}

void set_threads(int threads) {
  check(threads >= 0 && threads <= 4096, "[set_threads] found {}, expected 0 to 4096", threads);
  threads_allowed::count = threads > 0 ? threads : threads_allowed::by_default();
}

}  // namespace heddle
