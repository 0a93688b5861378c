// Reads the limits of control groups.
#include "device/cgroup.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>

#include "heddle/function_ref.h"

namespace heddle::cgroup {

std::string first_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

// Calls `each` with the folder of this process for one controller, then with every folder above it
// up to the root: the tightest of them holds. Inside a container the path may name the host's
// folders, which are not mounted; then only the root exists, and it is ours.
void walk_up(std::string path, const std::string& root,
             FunctionRef<void(const std::string&)> each) {
  for (;;) {
    each(root + (path == "/" ? "" : path));
    if (path.empty() || path == "/") return;
    const size_t slash = path.rfind('/');
    path = slash == std::string::npos || slash == 0 ? "/" : path.substr(0, slash);
  }
}

// Lines of /proc/self/cgroup: "0::/a/b" (version 2) or "4:cpu,cpuacct:/a/b" (version 1).
void for_each_group(const std::string& membership, const std::string& controller,
                    FunctionRef<void(const std::string& path, bool v2)> each) {
  std::ifstream file(membership);
  for (std::string line; std::getline(file, line);) {
    const size_t first = line.find(':');
    const size_t second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string names = "," + line.substr(first + 1, second - first - 1) + ",";
    if (names == ",,") each(line.substr(second + 1), true);
    else if (names.find("," + controller + ",") != std::string::npos)
      each(line.substr(second + 1), false);
  }
}

double cpu_quota(const std::string& membership, const std::string& root) {
  double least = 0;
  auto take = [&](double quota, double period) {
    if (quota > 0 && period > 0)
      least = least > 0 ? std::min(least, quota / period) : quota / period;
  };
  auto read_v2 = [&](const std::string& folder) {  // "200000 100000" or "max 100000"
    const std::string line = first_line(folder + "/cpu.max");
    const size_t space = line.find(' ');
    if (line.empty() || line.starts_with("max")) return;
    const double period =
        space == std::string::npos ? 100000 : std::strtod(line.c_str() + space, nullptr);
    take(std::strtod(line.c_str(), nullptr), period);
  };
  auto read_v1 = [&](const std::string& folder) {  // -1: no limit
    take(std::strtod(first_line(folder + "/cpu.cfs_quota_us").c_str(), nullptr),
         std::strtod(first_line(folder + "/cpu.cfs_period_us").c_str(), nullptr));
  };
  for_each_group(membership, "cpu", [&](const std::string& path, bool v2) {
    if (v2) {
      walk_up(path, root, read_v2);
      walk_up(path, root + "/unified", read_v2);
    } else {
      walk_up(path, root + "/cpu", read_v1);
      walk_up(path, root + "/cpu,cpuacct", read_v1);
    }
  });
  return least;
}

int64_t memory_limit(const std::string& membership, const std::string& root) {
  int64_t least = 0;
  auto read = [&](const std::string& file) {
    const std::string line = first_line(file);
    if (line.empty() || line.starts_with("max")) return;
    const int64_t bytes = std::strtoll(line.c_str(), nullptr, 10);
    const bool limited = bytes > 0 && bytes < (int64_t{1} << 60);  // v1 says a huge number for none
    if (limited) least = least > 0 ? std::min(least, bytes) : bytes;
  };
  for_each_group(membership, "memory", [&](const std::string& path, bool v2) {
    walk_up(path, v2 ? root : root + "/memory", [&](const std::string& folder) {
      read(folder + (v2 ? "/memory.max" : "/memory.limit_in_bytes"));
    });
  });
  return least;
}

}  // namespace heddle::cgroup
