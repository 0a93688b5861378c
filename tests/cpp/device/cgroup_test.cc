// Limits of control groups, read from folders that look like the system's.
#include "device/cgroup.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace heddle::cgroup {

class Cgroup : public testing::Test {
 protected:
  Cgroup()
      : root(std::filesystem::temp_directory_path() /
             ("heddle-cgroup-" + std::to_string(getpid()))) {
    std::filesystem::remove_all(root);
  }
  ~Cgroup() override { std::filesystem::remove_all(root); }
  void write(const std::string& path, const std::string& text) {
    std::filesystem::create_directories((root / path).parent_path());
    std::ofstream(root / path) << text << '\n';
  }
  double cpus() { return cpu_quota((root / "self").string(), root.string()); }
  int64_t memory() { return memory_limit((root / "self").string(), root.string()); }
  std::filesystem::path root;
};

TEST_F(Cgroup, Version2TakesTheTightestOnThePath) {
  write("self", "0::/a/b");
  write("a/b/cpu.max", "max 100000");
  write("a/cpu.max", "250000 100000");
  write("cpu.max", "400000 100000");
  write("a/b/memory.max", "max");
  write("a/memory.max", "1048576");
  EXPECT_DOUBLE_EQ(cpus(), 2.5);
  EXPECT_EQ(memory(), 1048576);
}

TEST_F(Cgroup, Version1) {
  write("self", "3:memory:/m\n2:cpu,cpuacct:/c");
  write("cpu/c/cpu.cfs_quota_us", "150000");
  write("cpu/c/cpu.cfs_period_us", "100000");
  write("memory/m/memory.limit_in_bytes", "9223372036854771712");
  EXPECT_DOUBLE_EQ(cpus(), 1.5);
  EXPECT_EQ(memory(), 0);
  write("cpu/c/cpu.cfs_quota_us", "-1");
  EXPECT_EQ(cpus(), 0);
}

// In a container the path names the host's folders; only the root is there, and it is ours.
TEST_F(Cgroup, APathThatIsNotMountedFallsBackToTheRoot) {
  write("self", "0::/../../host/path");
  write("cpu.max", "100000 100000");
  EXPECT_DOUBLE_EQ(cpus(), 1);
}

TEST_F(Cgroup, NothingLimitsNothing) {
  EXPECT_EQ(cpus(), 0);
  write("self", "0::/");
  EXPECT_EQ(cpus(), 0);
  EXPECT_EQ(memory(), 0);
}

}  // namespace heddle::cgroup
