// What the control group of this process allows, versions 1 and 2.
#pragma once
#include <cstdint>
#include <string>

namespace heddle::cgroup {

// Processors' worth of time, the least along the path to the root; 0 when nothing limits it.
// `membership` is a file like /proc/self/cgroup, `root` the folder of the mounted hierarchies.
double cpu_quota(const std::string& membership, const std::string& root);

// Bytes, likewise; 0 when nothing limits them.
int64_t memory_limit(const std::string& membership, const std::string& root);

}  // namespace heddle::cgroup
