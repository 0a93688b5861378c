// What the operators on numbers of 8 bits agree on: ranges, and the number that a level stands for.
//
// A tensor q of 8 bits comes with two numbers, the ends of its range; the end that is further from
// zero is its reach. An element then means q * reach / 127.5 (int8) or q * reach / 255.5 (uint8).
// Products of 8 bits are int32, whose range is given so that q * reach / (2^31 - 1) is q times the
// product of reach / 127 (or 255) of both.
#pragma once
#include <algorithm>
#include <cmath>
#include <limits>

#include "heddle/op.h"

namespace heddle::ops::quantized {

constexpr int64_t kGrain = 65536;
constexpr float kInt8Levels = 127.5f, kUint8Levels = 255.5f;
constexpr float kInt32Levels = float(std::numeric_limits<int32_t>::max());

struct Range {
  float low, high;
  float reach() const { return std::max(std::abs(low), std::abs(high)); }
};
inline Range range_of(const Blob& low, const Blob& high) {
  return {*low.as<float>(), *high.as<float>()};
}
inline void write(OpContext& ctx, Outputs out, Range r) {
  if (ctx.wants(1)) *out[1].as<float>() = r.low;
  if (ctx.wants(2)) *out[2].as<float>() = r.high;
}

inline float levels_of(Dtype d) { return d == Dtype::kUint8 ? kUint8Levels : kInt8Levels; }
// The number that one step of a tensor stands for; as a factor of a product, it is a little larger.
inline float step_of(Dtype d, Range r) { return r.reach() / levels_of(d); }
inline float factor_step_of(Dtype d, Range r) {
  return r.reach() / (d == Dtype::kUint8 ? 255.f : 127.f);
}
// The range of int32 products of factors with these steps.
inline Range range_of_products(float step) { return {-step * kInt32Levels, step * kInt32Levels}; }

inline void check_8_bits(std::string_view who, std::string_view name, Dtype d) {
  check(d == Dtype::kInt8 || d == Dtype::kUint8 || d == Dtype::kUnknown,
        "[{}] {} has dtype {}, expected int8 or uint8", who, name, d);
}
// fn(T{}) with T int8_t or uint8_t.
template <class Fn>
void with_8_bits(Dtype d, Fn&& fn) {
  if (d == Dtype::kUint8) fn(uint8_t{});
  else fn(int8_t{});
}

// The nearest whole number that Q holds; ties go to even ones, NaN to the lowest.
template <class Q>
Q nearest(float v) {
  constexpr float kLow = std::numeric_limits<Q>::lowest(),
                  kHigh = float(std::numeric_limits<Q>::max());
  if constexpr (sizeof(Q) == 1) {
    constexpr float kWhole = 12582912;  // 1.5 * 2^23: where floats are whole numbers
    v = v > kLow ? v : kLow;
    v = v < kHigh ? v : kHigh;
    return Q(int32_t((v + kWhole) - kWhole));
  }
  v = std::nearbyint(v);  // kHigh of int32 is one that it does not hold
  return v > kLow ? (v < kHigh ? Q(v) : std::numeric_limits<Q>::max()) : Q(kLow);
}
// to[i] = the nearest of from(i), where `to` has 8 bits.
template <class From>
void store(const OpContext& ctx, const Blob& to, From&& from) {
  with_8_bits(to.dtype, [&](auto type) {
    using Q = decltype(type);
    Q* q = to.as<Q>();
    ctx.parallel_for(to.size(), kGrain, [&](int64_t begin, int64_t end) {
      constexpr int64_t kTile = 512;
      float tile[kTile];  // bytes might lie anywhere, also over what from() reads its numbers by
      for (int64_t at = begin; at < end; at += kTile) {
        const int64_t n = std::min(kTile, end - at);
        for (int64_t i = 0; i < n; ++i) tile[i] = from(at + i);
        for (int64_t i = 0; i < n; ++i) q[at + i] = nearest<Q>(tile[i]);
      }
    });
  });
}

// The inputs from `first` on, and all outputs but the first, are ends of ranges: one float32.
inline void infer_ranges(InferContext& c, int first) {
  for (int i = first; i < c.inputs(); ++i) c.set_in(i, {1});
  for (int i = 1; i < c.outputs(); ++i) c.set_out(i, {1});
}
inline void infer_range_dtypes(InferContext& c, int first) {
  for (int i = first; i < c.inputs(); ++i) c.set_in_dtype(i, Dtype::kFloat32);
  for (int i = 1; i < c.outputs(); ++i) c.set_out_dtype(i, Dtype::kFloat32);
}

// What an operator gives: numbers, and the ends of their range.
inline std::vector<Output> with_range() { return {{"output"}, {"min_output"}, {"max_output"}}; }

}  // namespace heddle::ops::quantized
