// The texts of floating-point numbers, by the C library as by the standard one.
#include "base/numbers.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

namespace heddle::numbers {

template <class T>
std::string written(std::to_chars_result (*f)(char*, char*, T), T v) {
  char text[64];
  return {text, f(text, text + sizeof text, v).ptr};
}

template <class T>
void expect_same(T v) {
  char text[64];
  const std::string standard(text, std::to_chars(text, text + sizeof text, v).ptr);
  EXPECT_EQ(written<T>(write_float, v), standard);
  T back = 0;
  const auto read = read_float(standard.data(), standard.data() + standard.size(), back);
  EXPECT_EQ(read.ec, std::errc()) << standard;
  EXPECT_EQ(read.ptr, standard.data() + standard.size()) << standard;
  EXPECT_TRUE(back == v || (std::isnan(back) && std::isnan(v))) << standard;
}

template <class T, class Bits>
void expect_same_of_many() {
  using Limits = std::numeric_limits<T>;
  for (T v : {T(0), -T(0), T(1), T(0.1), T(-1e-4), T(1e-5), T(100000), T(123456), T(1e22), T(1) / 3,
              Limits::max(), Limits::min(), Limits::denorm_min(), Limits::infinity(),
              -Limits::infinity(), Limits::quiet_NaN()})
    expect_same(v);
  std::mt19937_64 random(1);
  for (int i = 0; i < 2000; ++i) {
    const Bits bits = Bits(random());
    T v;
    std::memcpy(&v, &bits, sizeof v);
    if (!std::isnan(v)) expect_same(v);
    expect_same(T(double(int64_t(random() % 2000000)) / 1000 - 1000));
  }
}

TEST(Numbers, DoublesAreWrittenAndReadAsByTheStandardLibrary) {
  expect_same_of_many<double, uint64_t>();
}
TEST(Numbers, FloatsAreWrittenAndReadAsByTheStandardLibrary) {
  expect_same_of_many<float, uint32_t>();
}

TEST(Numbers, WhatIsNoNumberIsReadAsByTheStandardLibrary) {
  for (std::string text :
       {"",     "-",      "+1",    " 1",     "0x10", ".",         ".5",  "5.",      "1e",  "1e+",
        "1e5x", "-.5e-3", "1e400", "1e-400", "inf",  "-Infinity", "nan", "infinit", "1,5", "e5"}) {
    double standard = 7, ours = 7;
    const auto a = std::from_chars(text.data(), text.data() + text.size(), standard);
    const auto b = read_float(text.data(), text.data() + text.size(), ours);
    EXPECT_EQ(a.ec, b.ec) << text;
    EXPECT_EQ(a.ptr, b.ptr) << text;
    EXPECT_TRUE(standard == ours || std::isnan(ours)) << text;
  }
}

TEST(Numbers, TextsThatDoNotFitAreRefused) {
  char text[4];
  EXPECT_EQ(write_float(text, text + 4, 0.12345).ec, std::errc::value_too_large);
}

}  // namespace heddle::numbers
