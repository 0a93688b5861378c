// CachedOp: symbols called on arrays, their plans, and what the tape keeps of them.
#include "heddle/cached_op.h"

#include <gmock/gmock.h>

#include "executor/arrays.h"

namespace heddle::test {

using testing::ElementsAre;
using testing::HasSubstr;

Symbol tanh_of_product() {
  const Symbol x = Symbol::variable("x"), w = Symbol::variable("w");
  return apply("tanh", {apply("elemwise_mul", {x, w}, "product")}, "out");
}

NDArray one(const CachedOp& op, const std::vector<NDArray>& in) {
  std::vector<const NDArray*> pointers;
  for (const NDArray& a : in) pointers.push_back(&a);
  return op(pointers).at(0);
}

TEST(CachedOp, GivesWhatItsOperatorsGive) {
  const CachedOp op(tanh_of_product());
  const NDArray x = row(numbers(5, 1)), w = row(numbers(5, 2));
  EXPECT_EQ(values(one(op, {x, w})), values(call("tanh", {call("elemwise_mul", {x, w})})));
}

TEST(CachedOp, PlansOncePerTypeAndForgetsTheOldest) {
  const CachedOp op(tanh_of_product(), {.most_plans = 2});
  for (int64_t n : {3, 4, 3, 5, 5}) one(op, {row(numbers(n, 1)), row(numbers(n, 2))});
  EXPECT_EQ(op.plans(), 2u);
}

TEST(CachedOp, IsOneEntryOnTheTapeThatCanBeReadTwice) {
  const CachedOp op(tanh_of_product());
  const auto gradients = [&](bool cached) {
    const NDArray x = leaf(row(numbers(5, 1))), w = leaf(row(numbers(5, 2)), GradReq::kAdd);
    NDArray y;
    {
      const Recording on;
      y = cached ? one(op, {x, w}) : call("tanh", {call("elemwise_mul", {x, w})});
    }
    backward(y, true);
    backward(y);
    auto all = values(gradient(x));
    for (float v : values(gradient(w))) all.push_back(v);
    return all;
  };
  EXPECT_EQ(gradients(true), gradients(false));
}

TEST(CachedOp, CanBeDifferentiatedTwice) {
  const CachedOp op(tanh_of_product());
  const auto second = [&](bool cached) {
    const NDArray x = leaf(row(numbers(5, 1))), w = leaf(row(numbers(5, 2)));
    const Recording on;
    const NDArray y = cached ? one(op, {x, w}) : call("tanh", {call("elemwise_mul", {x, w})});
    const NDArray heads[] = {y}, wrt[] = {x};
    const auto first = autograd::grad(heads, wrt, {}, true, true);
    backward(first[0]);
    return values(gradient(w));
  };
  EXPECT_EQ(second(true), second(false));
}

TEST(CachedOp, KeepsNothingAfterBackward) {
  constexpr int64_t kCount = 4096;
  const CachedOp op(tanh_of_product());
  const NDArray x = leaf(array(numbers(kCount, 1), {kCount}));
  const NDArray w = array(numbers(kCount, 2), {kCount});
  const auto live = [] {
    Engine::get().wait_all();
    return Pool::of(Device{}).stats().live;
  };
  const int64_t before = live();
  {
    NDArray y;
    {
      const Recording on;
      y = one(op, {x, w});
    }
    backward(y);
    EXPECT_EQ(live() - before, kCount * 4);  // y
  }
  EXPECT_EQ(live(), before);
}

TEST(CachedOp, SaysWhatDoesNotFit) {
  const CachedOp op(tanh_of_product());
  EXPECT_THAT(error_of([&] { one(op, {row({1, 2}), row({1, 2, 3})}); }), HasSubstr("product"));
  EXPECT_THAT(error_of([&] { one(op, {row({1, 2})}); }), HasSubstr("found 1 inputs, expected 2"));
  const Symbol twice = apply("elemwise_mul", {Symbol::variable("x"), Symbol::variable("x")}, "p");
  EXPECT_THAT(error_of([&] { CachedOp{twice}; }), HasSubstr("several variables called 'x'"));
}

}  // namespace heddle::test
