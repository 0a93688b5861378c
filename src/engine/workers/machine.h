// What the machine offers.
#pragma once
#include <unistd.h>

#include <algorithm>
#include <cstdint>

#include "device/cgroup.h"

namespace heddle::engine {

// Bytes of memory this process may use.
inline int64_t memory_of_machine() {
  const int64_t all = int64_t{sysconf(_SC_PHYS_PAGES)} * sysconf(_SC_PAGESIZE);
  const int64_t limit = cgroup::memory_limit("/proc/self/cgroup", "/sys/fs/cgroup");
  return limit > 0 ? std::min(limit, all) : all;
}

}  // namespace heddle::engine
