// copy(): all pairs of dtypes, views of one array, and an asynchronous device.
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "device/fake_device.h"
#include "heddle/ndarray.h"
#include "ndarray/convert.h"

namespace heddle {
namespace {

constexpr Dtype kAll[] = {Dtype::kFloat32,  Dtype::kFloat64, Dtype::kFloat16,
                          Dtype::kBfloat16, Dtype::kUint8,   Dtype::kInt8,
                          Dtype::kInt32,    Dtype::kInt64,   Dtype::kBool};

// Element i as a double, by the definition of the dtype.
double read(const void* p, Dtype d, int64_t i) {
  double v = 0;
  with_dtype(d, "test", [&]<class T>(T) { v = double(static_cast<const T*>(p)[i]); });
  return v;
}
void write(void* p, Dtype d, int64_t i, double v) {
  with_dtype(d, "test", [&]<class T>(T) { static_cast<T*>(p)[i] = T(v); });
}

TEST(Convert, EveryPairOfDtypes) {
  const double numbers[] = {0, 1, 2, 3, 7, 100, 127};
  const int n = std::size(numbers);
  for (Dtype from : kAll) {
    for (Dtype to : kAll) {
      alignas(8) char src[64] = {}, dst[64] = {};
      for (int i = 0; i < n; ++i) write(src, from, i, numbers[i]);
      convert(dst, to, src, from, n);
      for (int i = 0; i < n; ++i) {
        const double v = read(src, from, i);
        EXPECT_EQ(read(dst, to, i), to == Dtype::kBool ? double(v != 0) : v)
            << dtype_name(from) << " to " << dtype_name(to);
      }
    }
  }
}

TEST(Convert, FractionsGoTowardsZeroAndHalvesRound) {
  const float f[] = {1.9f, -1.9f, 0.4f, -0.0f, 2049.f, NAN, 1e10f};
  int32_t i[3];
  convert(i, Dtype::kInt32, f, Dtype::kFloat32, 3);
  EXPECT_EQ(i[0], 1);
  EXPECT_EQ(i[1], -1);
  EXPECT_EQ(i[2], 0);
  bool b[6];
  convert(b, Dtype::kBool, f, Dtype::kFloat32, 6);
  EXPECT_TRUE(b[0] && b[1] && b[2] && b[5]);
  EXPECT_FALSE(b[3]);
  float16 h[7];
  convert(h, Dtype::kFloat16, f, Dtype::kFloat32, 7);
  EXPECT_EQ(float(h[4]), 2048);
  EXPECT_TRUE(std::isnan(float(h[5])) && std::isinf(float(h[6])));
  const float wide[] = {300, -1};
  uint8_t u[2];
  convert(u, Dtype::kUint8, wide, Dtype::kFloat32, 2);
  EXPECT_EQ(u[0], 44);
  EXPECT_EQ(u[1], 255);
}

TEST(Convert, LongRangesAreSplitAndWhole) {
  const int64_t n = 300001;
  std::vector<int32_t> src(n);
  for (int64_t i = 0; i < n; ++i) src[i] = int32_t(i);
  std::vector<double> dst(n);
  convert(dst.data(), Dtype::kFloat64, src.data(), Dtype::kInt32, n);
  for (int64_t i = 0; i < n; ++i) ASSERT_EQ(dst[i], double(i));
}

NDArray ramp(int64_t n, Device device = {}, Dtype dtype = Dtype::kFloat32) {
  std::vector<char> host(size_t(n * dtype_size(dtype)));
  for (int64_t i = 0; i < n; ++i) write(host.data(), dtype, i, double(i));
  return NDArray::from_host(host.data(), {n}, dtype, device);
}
void expect_ramp(const NDArray& a) {
  std::vector<char> host(size_t(a.bytes()));
  a.copy_to(host.data());
  for (int64_t i = 0; i < a.size(); ++i) ASSERT_EQ(read(host.data(), a.dtype(), i), double(i));
}

TEST(Copy, ConvertsBetweenArrays) {
  for (int64_t n : {5, 100000}) {
    const NDArray src = ramp(n), dst({n}, Device{}, Dtype::kInt64);
    copy(src, dst);
    expect_ramp(dst);
    EXPECT_GE(dst.var().version(), 1u);
  }
}

TEST(Copy, RefusesOtherSizes) {
  EXPECT_THROW(copy(ramp(4), ramp(5)), Error);
  const NDArray square({2, 2}, Device{});
  copy(ramp(4), square);  // another shape of the same size will do
  expect_ramp(square.reshape({4}));
}

TEST(Copy, WithinOneArray) {
  const NDArray a = ramp(10);
  copy(a, a);
  expect_ramp(a);
  copy(a.slice(0, 5), a.slice(5, 10));
  expect_ramp(a.slice(5, 10));
  copy(a.slice(0, 9), a.slice(1, 10));  // overlapping
  const NDArray moved({9}, Device{});
  copy(a.slice(1, 10), moved);
  expect_ramp(moved.slice(0, 5));
}

TEST(Copy, AFailedSourceFailsTheDestination) {
  const NDArray src = ramp(3), dst = ramp(3);
  Engine::get().push(Task{.name = "failing",
                          .run = [](RunContext&) { throw Error("first cause"); },
                          .uses = {{src.var(), Access::kOverwrite}}});
  copy(src, dst);
  std::vector<float> v(3);
  try {
    dst.copy_to(v.data());
    FAIL();
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("first cause"), std::string::npos);
  }
  dst.copy_to(v.data());
  EXPECT_TRUE(std::isnan(v[0]));
  copy(ramp(3), dst);
  expect_ramp(dst);
}

// --- an asynchronous device
// -----------------------------------------------------------------------

struct Asynchronous : ::testing::Test {
  fake::FakeDevice& device = fake::FakeDevice::install();
  const Device zero{Device::kFake, 0}, one{Device::kFake, 1};
};

TEST_F(Asynchronous, ThereAndBack) {
  for (Dtype dtype : {Dtype::kFloat32, Dtype::kInt8}) {
    const NDArray host = ramp(100), there({100}, zero, dtype), beyond({100}, one, Dtype::kFloat64);
    copy(host, there);
    copy(there, beyond);
    const NDArray back({100}, Device{}, Dtype::kInt32);
    copy(beyond, back);
    expect_ramp(back);
    expect_ramp(there);
  }
  Engine::get().wait_all();
}

TEST_F(Asynchronous, MemoryIsKeptUntilTheDeviceIsThrough) {
  device.gate().close();
  const NDArray out({1000}, Device{});
  {
    // Both go out of scope while the device has not begun.
    const NDArray host = ramp(1000);
    NDArray there({1000}, zero);
    copy(host, there);
    copy(there, out);
  }
  // Whoever allocates now must not get their blocks.
  std::vector<NDArray> others;
  for (int i = 0; i < 20; ++i) {
    others.push_back(NDArray({1000}, Device{}));
    const std::vector<float> junk(1000, -1);
    others.back().copy_from(junk.data());
  }
  device.gate().open();
  expect_ramp(out);
}

TEST_F(Asynchronous, CopyFromIsDoneWithTheCallersMemory) {
  device.gate().close();
  NDArray there({3}, zero);
  std::vector<float> mine = {0, 1, 2};
  there.copy_from(mine.data());
  mine = {7, 7, 7};
  device.gate().open();
  expect_ramp(there);
}

TEST_F(Asynchronous, DeviceMemoryComesBack) {
  Engine::get().wait_all();
  const int64_t before = Pool::of(zero).stats().live;
  {
    NDArray there({1000}, zero);
    copy(ramp(1000), there);
    there.wait_to_read();
    EXPECT_EQ(Pool::of(zero).stats().live, before + 4000);
  }
  Engine::get().wait_all();
  EXPECT_EQ(Pool::of(zero).stats().live, before);
}

}  // namespace
}  // namespace heddle
