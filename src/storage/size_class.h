// Sizes of pooled blocks: multiples of 64 bytes up to 512, then eight sizes per doubling, so that
// rounding adds at most an eighth. From 32 KiB on every size is a whole number of pages.
#pragma once
#include <bit>
#include <cstddef>

namespace heddle::storage {

constexpr size_t kGrain = 64;
constexpr int kLinear = 8;  // classes below 512 bytes
constexpr size_t kLargest = size_t{1} << 47;

// The class of the smallest block that holds `bytes`, 0 < bytes <= kLargest.
constexpr int class_of(size_t bytes) {
  if (bytes <= kGrain * kLinear) return int((bytes - 1) / kGrain);
  const size_t last = bytes - 1;
  const int log = std::bit_width(last) - 1;  // last is in [2^log, 2^(log+1)), log >= 9
  return kLinear + (log - 9) * 8 + int((last >> (log - 3)) & 7);
}

// Bytes of a block of class `c`.
constexpr size_t class_bytes(int c) {
  if (c < kLinear) return kGrain * size_t(c + 1);
  const int log = 9 + (c - kLinear) / 8;
  return (size_t{9} + size_t(c - kLinear) % 8) << (log - 3);
}

constexpr int kClasses = class_of(kLargest) + 1;

}  // namespace heddle::storage
