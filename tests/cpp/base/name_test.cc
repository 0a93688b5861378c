// Words of records.
#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "heddle/base.h"

namespace heddle {

TEST(Name, ALiteralIsNotCopied) {
  static constexpr char kText[] = "data";
  EXPECT_EQ(Name(kText).data(), kText);
  EXPECT_EQ(Name(kText).size(), 4u);
}

TEST(Name, ATextIsKeptOnceWhoeverAsks) {
  constexpr int kThreads = 4, kTexts = 5000;
  std::vector<std::vector<Name>> found(kThreads);
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < kTexts; ++i) found[size_t(t)].push_back(format("word{}", i));
    });
  for (std::thread& t : threads) t.join();
  for (int i = 0; i < kTexts; ++i) {
    const Name first = found[0][size_t(i)];
    EXPECT_EQ(first, format("word{}", i));
    EXPECT_EQ(first.c_str()[first.size()], 0);
    for (const auto& names : found) EXPECT_EQ(names[size_t(i)].data(), first.data());
  }
}

TEST(Name, JoinsAsTextsDo) {
  EXPECT_EQ("grad_" + Name("data"), "grad_data");
  EXPECT_EQ(Name("data") + "_x", "data_x");
}

}  // namespace heddle
