// AtomicFile: a file is whole or not there, whenever its writer is killed.
#include "base/atomic_file.h"

#include <dirent.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <random>
#include <set>
#include <string>

#include "heddle/base.h"

using heddle::AtomicFile;

class AtomicFileTest : public testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    char name[] = "/tmp/heddle-atomic-XXXXXX";
    ASSERT_TRUE(mkdtemp(name));
    folder_ = name;
    path_ = folder_ + "/saved";
  }
  void TearDown() override {
    for (const std::string& name : names()) ::unlink((folder_ + "/" + name).c_str());
    ::rmdir(folder_.c_str());
  }
  void save(const std::string& contents) {
    AtomicFile file(path_, GetParam());
    file.write(contents.data(), contents.size());
    file.commit();
  }
  std::string read() {
    std::ifstream file(path_, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  std::set<std::string> names() {
    std::set<std::string> found;
    DIR* d = ::opendir(folder_.c_str());
    while (const dirent* e = ::readdir(d))
      if (e->d_name[0] != '.' || e->d_name[1] == 'h') found.insert(e->d_name);
    ::closedir(d);
    return found;
  }
  std::string folder_, path_;
};

TEST_P(AtomicFileTest, ReplacesAndKeepsPermissions) {
  save("one");
  EXPECT_EQ(read(), "one");
  ASSERT_EQ(::chmod(path_.c_str(), 0640), 0);
  save(std::string(1 << 20, 'x'));
  EXPECT_EQ(read().size(), 1u << 20);
  struct stat have = {};
  ASSERT_EQ(::stat(path_.c_str(), &have), 0);
  EXPECT_EQ(have.st_mode & 0777, 0640u);
  EXPECT_EQ(names(), std::set<std::string>{"saved"});
}

TEST_P(AtomicFileTest, LeavesNothingWithoutCommit) {
  save("one");
  {
    AtomicFile file(path_, GetParam());
    file.write("two", 3);
  }
  EXPECT_EQ(read(), "one");
  EXPECT_EQ(names(), std::set<std::string>{"saved"});
}

TEST_P(AtomicFileTest, FollowsLinksAndWritesToPipes) {
  save("one");
  const std::string link = folder_ + "/link";
  ASSERT_EQ(::symlink(path_.c_str(), link.c_str()), 0);
  AtomicFile file(link, GetParam());
  file.write("two", 3);
  file.commit();
  EXPECT_EQ(read(), "two");
  struct stat have = {};
  ASSERT_EQ(::lstat(link.c_str(), &have), 0);
  EXPECT_TRUE(S_ISLNK(have.st_mode));
  AtomicFile null("/dev/null", GetParam());
  null.write("x", 1);
  null.commit();
}

TEST_P(AtomicFileTest, SaysWhatWentWrong) {
  try {
    AtomicFile file(folder_ + "/none/saved", GetParam());
    FAIL();
  } catch (const heddle::Error& e) {
    EXPECT_NE(std::string(e.what()).find("/none/saved"), std::string::npos) << e.what();
  }
}

// Another save that is still going on keeps its file.
TEST_P(AtomicFileTest, LeavesWhatOthersAreWriting) {
  AtomicFile slow(path_, GetParam());
  slow.write("slow", 4);
  AtomicFile other(folder_ + "/other", GetParam());
  other.commit();
  slow.commit();
  EXPECT_EQ(read(), "slow");
}

TEST_P(AtomicFileTest, KilledTwoHundredTimes) {
  std::mt19937 random(7);
  size_t most = 0;
  for (int round = 0; round < 200; ++round) {
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {  // saves until it is killed
      const std::string contents(300000, char('a' + round % 26));
      for (;;) save(contents);
    }
    ::usleep(500 + random() % 4000);
    ASSERT_EQ(::kill(child, SIGKILL), 0);
    ASSERT_EQ(::waitpid(child, nullptr, 0), child);
    const std::string found = read();
    if (!found.empty()) {
      ASSERT_EQ(found.size(), 300000u);
      ASSERT_EQ(found.find_first_not_of(found[0]), std::string::npos);
    }
    most = std::max(most, names().size());
  }
  EXPECT_LE(most, 2u);  // the file, and what the last one killed has left
  save("end");
  EXPECT_EQ(names(), std::set<std::string>{"saved"});
}

INSTANTIATE_TEST_SUITE_P(Ways, AtomicFileTest, testing::Values(true, false),
                         [](const auto& way) { return way.param ? "nameless" : "named"; });
