// float16 (IEEE binary16) and bfloat16: storage types that compute through float.
#pragma once
#include <bit>
#include <cstdint>

#include "heddle/api.h"

namespace heddle {

namespace half {
// Both conversions are free of branches that depend on the value, so that loops over them
// vectorise.
inline float from_f16(uint16_t h) {
  const uint32_t sign = uint32_t(h & 0x8000u) << 16, body = h & 0x7fffu;
  // Scaling by 2^112 moves the exponent; it also makes half subnormals normal.
  const float scaled = std::bit_cast<float>(body << 13) * std::bit_cast<float>(0x77800000u);
  const uint32_t special = body >= 0x7c00u ? 0x7f800000u : 0u;  // infinity and NaN
  return std::bit_cast<float>(sign | std::bit_cast<uint32_t>(scaled) | special);
}
inline uint16_t to_f16(float f) {
  const uint32_t u = std::bit_cast<uint32_t>(f), sign = (u >> 16) & 0x8000u, a = u & 0x7fffffffu;
  // Adding a number whose last place is the last place of the half result rounds to nearest even.
  const uint32_t e = a < 0x38800000u ? 0x38800000u : a & 0x7f800000u;
  const float magic = std::bit_cast<float>(e + (13u << 23));
  const float clipped = std::bit_cast<float>(a < 0x47800000u ? a : 0x47800000u);
  const uint32_t r = std::bit_cast<uint32_t>(clipped + magic) - std::bit_cast<uint32_t>(magic);
  const uint32_t normal = ((e - 0x38800000u) >> 13) + r;
  const uint32_t finite = normal > 0x7c00u ? 0x7c00u : normal;
  const uint32_t special = a > 0x7f800000u ? 0x7e00u : 0x7c00u;
  return uint16_t(sign | (a >= 0x47800000u ? special : finite));
}
inline float from_bf16(uint16_t h) { return std::bit_cast<float>(uint32_t(h) << 16); }
inline uint16_t to_bf16(float f) {
  const uint32_t u = std::bit_cast<uint32_t>(f);
  const uint32_t rounded = (u + 0x7fffu + ((u >> 16) & 1u)) >> 16;
  return uint16_t((u & 0x7fffffffu) > 0x7f800000u ? (u >> 16) | 0x40u : rounded);
}
}  // namespace half

struct HEDDLE_API float16 {
  uint16_t bits = 0;
  float16() = default;
  float16(float f) : bits(half::to_f16(f)) {}
  operator float() const { return half::from_f16(bits); }
};

struct HEDDLE_API bfloat16 {
  uint16_t bits = 0;
  bfloat16() = default;
  bfloat16(float f) : bits(half::to_bf16(f)) {}
  operator float() const { return half::from_bf16(bits); }
};

}  // namespace heddle
