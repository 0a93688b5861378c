// Arrays: making them, views that share memory, transfers, and what a failed task leaves behind.
#include "heddle/ndarray.h"

#include <gtest/gtest.h>

#include <cmath>
#include <mutex>
#include <thread>
#include <vector>

namespace heddle {
namespace {

NDArray floats(std::vector<float> v, Shape shape) {
  return NDArray::from_host(v.data(), shape, Dtype::kFloat32);
}
template <class T = float>
std::vector<T> values(const NDArray& a) {
  std::vector<T> v(size_t(a.size()));
  a.copy_to(v.data());
  return v;
}
std::string error_of(const std::function<void()>& f) {
  try {
    f();
  } catch (const Error& e) {
    return e.what();
  }
  return "";
}
// A task that should write all of `a` and fails.
void fail_write(const NDArray& a) {
  Engine::get().push(Task{.name = "failing",
                          .run = [](RunContext&) { throw Error("[failing] broke"); },
                          .uses = {{a.var(), Access::kOverwrite}}});
}

TEST(NDArray, NoneIsNothing) {
  NDArray none;
  EXPECT_FALSE(none);
  EXPECT_FALSE(none.shape().has_rank());
  float f;
  EXPECT_THROW(none.copy_to(&f), Error);
  EXPECT_THROW(none.copy_from(&f), Error);
  EXPECT_THROW(none.slice(0, 0), Error);
  EXPECT_THROW(none.reshape({1}), Error);
  EXPECT_THROW(copy(none, floats({1}, {1})), Error);
}

TEST(NDArray, MemoryComesAtFirstUse) {
  setenv("HEDDLE_POOL", "1", 1);
  const Device d{Device::kCpu, 14};
  const int64_t before = Pool::of(d).stats().live;
  {
    NDArray a({1000, 1000}, d);
    EXPECT_EQ(Pool::of(d).stats().live, before);
    const std::vector<float> v(1000000, 3);
    a.copy_from(v.data());
    EXPECT_EQ(Pool::of(d).stats().live, before + 4000000);
    EXPECT_EQ(values(a), v);
  }
  Engine::get().wait_all();
  EXPECT_EQ(Pool::of(d).stats().live, before);
}

TEST(NDArray, ViewsShareMemoryAndVariable) {
  NDArray a = floats({0, 1, 2, 3, 4, 5}, {3, 2});
  const NDArray rows = a.slice(1, 3), row = a.at(1), flat = a.reshape({6});
  EXPECT_EQ(rows.shape(), (Shape{2, 2}));
  EXPECT_EQ(row.shape(), (Shape{2}));
  EXPECT_EQ(values(rows), (std::vector<float>{2, 3, 4, 5}));
  EXPECT_EQ(values(row), (std::vector<float>{2, 3}));
  EXPECT_EQ(values(flat.slice(4, 6)), (std::vector<float>{4, 5}));
  EXPECT_EQ(flat.at(5).shape(), (Shape{1}));
  EXPECT_TRUE(rows.shares_memory(a) && row.shares_memory(flat));
  EXPECT_EQ(rows.var(), a.var());
  EXPECT_TRUE(a.whole() && flat.whole());
  EXPECT_FALSE(rows.whole());
  EXPECT_EQ(a.write_access(), Access::kOverwrite);
  EXPECT_EQ(rows.write_access(), Access::kUpdate);
  const float nine[] = {9, 9};
  row.copy_from(nine);
  EXPECT_EQ(values(a), (std::vector<float>{0, 1, 9, 9, 4, 5}));
  EXPECT_EQ(values(rows.slice(0, 0)), std::vector<float>());
}

TEST(NDArray, ViewsOutsideTheArrayThrow) {
  const NDArray a = floats({0, 1, 2, 3, 4, 5}, {3, 2});
  EXPECT_NE(error_of([&] { a.slice(1, 4); }).find("[1, 4)"), std::string::npos);
  EXPECT_THROW(a.slice(-1, 2), Error);
  EXPECT_THROW(a.slice(2, 1), Error);
  EXPECT_THROW(a.at(3), Error);
  EXPECT_THROW(a.at(-1), Error);
  EXPECT_NE(error_of([&] { a.reshape({4, 2}); }).find("(4,2)"), std::string::npos);
  EXPECT_THROW(a.reshape(Shape{-1, 2}), Error);
  EXPECT_THROW(a.view({3}, Dtype::kFloat64, 8), Error);
  EXPECT_THROW(a.view({1}, Dtype::kFloat32, 2), Error);
  EXPECT_THROW(a.view({1}, Dtype::kFloat32, -4), Error);
  EXPECT_THROW(a.view({1}, Dtype::kFloat32, int64_t(1) << 62), Error);
  EXPECT_EQ(a.view({1}, Dtype::kFloat64, 16).size(), 1);
}

TEST(NDArray, ShapesThatCannotBeThrow) {
  EXPECT_THROW(NDArray(Shape{}, Device{}), Error);
  EXPECT_THROW(NDArray(Shape{2, -1}, Device{}), Error);
  EXPECT_THROW(NDArray(Shape{int64_t(1) << 40, int64_t(1) << 40}, Device{}), Error);
  EXPECT_THROW(NDArray(Shape{int64_t(1) << 62}, Device{}), Error);
  // The extents of an empty array may be as large as they like, as long as they can be multiplied.
  EXPECT_EQ(NDArray(Shape{0, 1000}, Device{}).bytes(), 0);
}

TEST(NDArray, AMissingCardIsAnErrorAtOnce) {
  setenv("HEDDLE_CUDA_LIBRARY", "/nowhere/libheddle_cuda.so", 1);
  const Device card{Device::kCuda, 0};
  EXPECT_NE(error_of([&] { NDArray({2}, card); }).find("[gpu]"), std::string::npos);
  const float one = 1;
  EXPECT_THROW(NDArray::from_host(&one, {1}, Dtype::kFloat32, card), Error);
  unsetenv("HEDDLE_CUDA_LIBRARY");
}

TEST(NDArray, EmptyArraysAndScalars) {
  const NDArray empty({0, 3}, Device{});
  EXPECT_TRUE(empty);
  empty.copy_from(nullptr);
  EXPECT_EQ(values(empty), std::vector<float>());
  EXPECT_TRUE(empty.whole());
  copy(empty, NDArray({3, 0}, Device{}));
  Shape scalar;
  scalar.set_rank(0);
  const float seven = 7;
  const NDArray s = NDArray::from_host(&seven, scalar, Dtype::kFloat32);
  EXPECT_EQ(s.size(), 1);
  EXPECT_EQ(values(s), std::vector<float>{7});
  EXPECT_THROW(s.at(0), Error);
  EXPECT_EQ(s.reshape({1, 1}).shape(), (Shape{1, 1}));
}

TEST(NDArray, WrappedMemoryIsNotCopiedAndItsOwnerLetGo) {
  auto owner = std::make_shared<std::vector<float>>(4, 1.f);
  std::weak_ptr<std::vector<float>> alive = owner;
  {
    float* data = owner->data();
    NDArray a = NDArray::wrap(data, {4}, Dtype::kFloat32, Device{}, std::move(owner));
    data[2] = 5;
    EXPECT_EQ(values(a), (std::vector<float>{1, 1, 5, 1}));
    const float zero[] = {0, 0, 0, 0};
    a.copy_from(zero);
    a.wait_to_read();
    EXPECT_EQ(data[0], 0);
    EXPECT_FALSE(alive.expired());
  }
  Engine::get().wait_all();
  EXPECT_TRUE(alive.expired());
  float mine[] = {1, 2};
  { NDArray a = NDArray::wrap(mine, {2}, Dtype::kFloat32, Device{}, nullptr); }
  EXPECT_EQ(mine[1], 2);
  EXPECT_THROW(NDArray::wrap(nullptr, {2}, Dtype::kFloat32, Device{}, nullptr), Error);
}

TEST(NDArray, CopiesOfAHandleShareTheTapeViewsDoNot) {
  NDArray a = floats({1, 2}, {2});
  a.tape = std::shared_ptr<TapeEntry>(reinterpret_cast<TapeEntry*>(&a), [](TapeEntry*) {});
  const NDArray same = a;
  EXPECT_EQ(same.tape, a.tape);
  EXPECT_EQ(a.slice(0, 1).tape, nullptr);
  EXPECT_EQ(a.reshape({1, 2}).tape, nullptr);
  EXPECT_EQ(a.detach().tape, nullptr);
  EXPECT_TRUE(a.detach().shares_memory(a));
}

TEST(NDArray, CopyFromKeepsItsPlaceAmongTasks) {
  if (Engine::get().name() == std::string("naive")) GTEST_SKIP() << "its pushes wait";
  NDArray a = floats({0, 0}, {2});
  std::vector<float> seen;
  std::mutex gate;
  gate.lock();
  Engine::get().push(Task{.name = "slow reader",
                          .start =
                              [&](RunContext&, Done done) {
                                // Not done when this returns: the reader holds the variable.
                                std::thread([&, done = std::move(done)]() mutable {
                                  std::lock_guard wait(gate);
                                  const auto* p = a.blob().as<float>();
                                  seen.assign(p, p + 2);
                                  done();
                                }).detach();
                              },
                          .uses = {{a.var(), Access::kRead}}});
  std::vector<float> mine = {1, 2};
  a.copy_from(mine.data());  // returns although the reader is not done
  mine = {8, 9};
  gate.unlock();
  EXPECT_EQ(values(a), (std::vector<float>{1, 2}));
  EXPECT_EQ(seen, (std::vector<float>{0, 0}));
}

TEST(NDArray, AFailedArrayThrowsOnceThenReadsAsNothing) {
  NDArray a = floats({1, 2}, {2});
  fail_write(a);
  EXPECT_NE(error_of([&] { values(a); }).find("broke"), std::string::npos);
  for (float v : values(a)) EXPECT_TRUE(std::isnan(v));
  // A slice is not enough to heal it; all of it is.
  const float two[] = {4, 5};
  a.slice(0, 1).copy_from(two);
  for (float v : values(a)) EXPECT_TRUE(std::isnan(v));
  a.copy_from(two);
  EXPECT_EQ(values(a), (std::vector<float>{4, 5}));
}

TEST(NDArray, AFailedArrayOfIntegersReadsAsZero) {
  const int32_t ones[] = {1, 1};
  NDArray a = NDArray::from_host(ones, {2}, Dtype::kInt32);
  fail_write(a);
  EXPECT_THROW(a.wait_to_read(), Error);
  EXPECT_EQ(values<int32_t>(a), (std::vector<int32_t>{0, 0}));
  const uint16_t half[] = {1, 1};
  NDArray h = NDArray::from_host(half, {2}, Dtype::kFloat16);
  fail_write(h);
  EXPECT_THROW(h.wait_to_read(), Error);
  EXPECT_TRUE(std::isnan(float(values<float16>(h)[1])));
}

TEST(NDArray, StrictReadsAlwaysThrow) {
  NDArray a = floats({1}, {1});
  fail_write(a);
  EXPECT_THROW(values(a), Error);
  setenv("HEDDLE_STRICT_READS", "1", 1);
  EXPECT_THROW(values(a), Error);
  unsetenv("HEDDLE_STRICT_READS");
  EXPECT_TRUE(std::isnan(values(a)[0]));
}

}  // namespace
}  // namespace heddle
