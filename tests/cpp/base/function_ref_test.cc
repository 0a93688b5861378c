// References to functions, and the one thrower and the one catcher.
#include "heddle/function_ref.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "heddle/base.h"

namespace heddle {

int twice(int v) { return 2 * v; }

TEST(FunctionRef, CallsWhatItRefersTo) {
  int calls = 0;
  auto count = [&calls](int by) { return calls += by; };
  const FunctionRef<int(int)> f = count;
  EXPECT_EQ(f(2), 2);
  EXPECT_EQ(f(3), 5);
  EXPECT_EQ(calls, 5);
  EXPECT_EQ(FunctionRef<int(int)>(twice)(4), 8);
}

TEST(FunctionRef, CopiesReferToTheSame) {
  auto count = [n = 0]() mutable { return ++n; };
  const FunctionRef<int()> a = count;
  const FunctionRef<int()> b = a;
  a();
  EXPECT_EQ(b(), 2);
}

TEST(FunctionRef, PassesWhatCannotBeCopied) {
  auto open = [](std::unique_ptr<int> p) { return *p; };
  const FunctionRef<int(std::unique_ptr<int>)> f = open;
  EXPECT_EQ(f(std::make_unique<int>(7)), 7);
}

TEST(FunctionRef, EmptyIsFalse) {
  FunctionRef<void()> f;
  EXPECT_FALSE(f);
  auto nothing = [] {};
  f = nothing;
  EXPECT_TRUE(f);
}

TEST(Attempt, GivesTheResultOrTheRescue) {
  const auto rescue = [](std::string_view text) { return "rescued: " + std::string(text); };
  EXPECT_EQ(attempt([] { return std::string("well"); }, rescue), "well");
  EXPECT_EQ(attempt([]() -> std::string { fail("found {}", 3); }, rescue), "rescued: found 3");
}

TEST(Attempt, LetsOtherExceptionsPass) {
  EXPECT_THROW(attempt([] { throw 3; }, [](std::string_view) {}), int);
}

}  // namespace heddle
