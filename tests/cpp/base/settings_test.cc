// Settings: the table, and how values are read.
#include "base/settings.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <set>

#include "heddle/base.h"

namespace heddle {
namespace {

TEST(Settings, TheTableIsShortAndEveryRowIsTold) {
  EXPECT_LE(settings().size(), 12u);
  std::set<std::string_view> names;
  for (const Setting& s : settings()) {
    EXPECT_TRUE(s.name.starts_with("HEDDLE_") || s.name.starts_with("MXNET_")) << s.name;
    EXPECT_FALSE(s.doc.empty()) << s.name;
    EXPECT_TRUE(names.insert(s.name).second) << s.name;
  }
}

TEST(Settings, TheEnvironmentWinsOverTheFallback) {
  unsetenv("HEDDLE_ENGINE");
  EXPECT_EQ(setting("HEDDLE_ENGINE"), "threaded");
  setenv("HEDDLE_ENGINE", "naive", 1);
  EXPECT_EQ(setting("HEDDLE_ENGINE"), "naive");
  setenv("HEDDLE_ENGINE", "", 1);
  EXPECT_EQ(setting("HEDDLE_ENGINE"), "threaded");
  unsetenv("HEDDLE_ENGINE");
}

TEST(Settings, NumbersAndFlagsAreChecked) {
  setenv("HEDDLE_THREADS", "3", 1);
  EXPECT_EQ(setting_int("HEDDLE_THREADS"), 3);
  setenv("HEDDLE_THREADS", "3x", 1);
  EXPECT_THROW(setting_int("HEDDLE_THREADS"), Error);
  unsetenv("HEDDLE_THREADS");
  setenv("HEDDLE_STRICT_READS", "on", 1);
  EXPECT_TRUE(setting_flag("HEDDLE_STRICT_READS"));
  setenv("HEDDLE_STRICT_READS", "0", 1);
  EXPECT_FALSE(setting_flag("HEDDLE_STRICT_READS"));
  setenv("HEDDLE_STRICT_READS", "perhaps", 1);
  EXPECT_THROW(setting_flag("HEDDLE_STRICT_READS"), Error);
  unsetenv("HEDDLE_STRICT_READS");
}

TEST(Settings, ChoicesAreChecked) {
  for (const Setting& s : settings()) {
    if (s.choices.empty()) continue;
    const std::string name(s.name);
    setenv(name.c_str(), "no_such_choice", 1);
    std::string found;
    try {
      setting(name);
    } catch (const Error& e) {
      found = e.what();
    }
    const std::string start = format("[settings] {} is 'no_such_choice', expected ", name);
    EXPECT_TRUE(found.starts_with(start)) << found;
    setenv(name.c_str(), std::string(s.choices.substr(0, s.choices.find(' '))).c_str(), 1);
    EXPECT_EQ(setting(name), s.choices.substr(0, s.choices.find(' ')));
    unsetenv(name.c_str());
  }
  setenv("HEDDLE_ENGINE", "naive threaded", 1);  // a part of the list is no choice
  EXPECT_THROW(setting("HEDDLE_ENGINE"), Error);
  unsetenv("HEDDLE_ENGINE");
  setenv("HEDDLE_THREADS", "-1", 1);
  EXPECT_THROW(setting_int("HEDDLE_THREADS"), Error);
  unsetenv("HEDDLE_THREADS");
}

TEST(Settings, SomeTakeSeveralChoices) {
  setenv("HEDDLE_PASSES", "-fold,-views", 1);
  EXPECT_EQ(setting("HEDDLE_PASSES"), "-fold,-views");
  for (const char* wrong : {"-fold,-view", "fold", "-fold, -views", ",", "-fold,"}) {
    setenv("HEDDLE_PASSES", wrong, 1);
    try {
      setting("HEDDLE_PASSES");
      ADD_FAILURE() << wrong;
    } catch (const Error& e) {
      EXPECT_EQ(
          std::string(e.what()),
          format("[settings] HEDDLE_PASSES is '{}', expected -constants, -delay, -fold, -fuse, "
                 "-pack, -pointwise, -recompute or -views, or some of them, with commas between",
                 wrong));
    }
  }
  unsetenv("HEDDLE_PASSES");
}

TEST(Settings, UnknownNamesThrow) { EXPECT_THROW(setting("HEDDLE_NO_SUCH_THING"), Error); }

}  // namespace
}  // namespace heddle
