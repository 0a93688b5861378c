// Philox 4x32-10: random numbers as a function of (seed, position). Nothing is carried from one
// number to the next, so neither the number of threads nor the instruction set changes a result.
// Use: ctx.seed as the seed, the index of the element as the position.
#pragma once
#include <cstdint>

namespace heddle::ops::philox {

struct Block {
  uint32_t word[4];
};

// The block at a 128-bit counter (hi, lo) under a 64-bit key.
inline __attribute__((always_inline)) Block block(uint64_t key, uint64_t lo, uint64_t hi = 0) {
  uint32_t c0 = uint32_t(lo), c1 = uint32_t(lo >> 32), c2 = uint32_t(hi), c3 = uint32_t(hi >> 32);
  uint32_t k0 = uint32_t(key), k1 = uint32_t(key >> 32);
  for (int round = 0; round < 10; ++round) {
    const uint64_t p0 = uint64_t(0xD2511F53u) * c0, p1 = uint64_t(0xCD9E8D57u) * c2;
    const uint32_t n0 = uint32_t(p1 >> 32) ^ c1 ^ k0, n2 = uint32_t(p0 >> 32) ^ c3 ^ k1;
    c1 = uint32_t(p1), c3 = uint32_t(p0), c0 = n0, c2 = n2;
    k0 += 0x9E3779B9u, k1 += 0xBB67AE85u;
  }
  return {{c0, c1, c2, c3}};
}

// [0, 1) with 24 bits, and (0, 1] for logarithms.
inline __attribute__((always_inline)) float to_unit(uint32_t word) {
  return float(word >> 8) * 0x1p-24f;
}
inline __attribute__((always_inline)) float to_unit_open0(uint32_t word) {
  return float((word >> 8) + 1) * 0x1p-24f;
}

// One word per position. Positions come in groups of 64: 16 blocks side by side, which is how a
// vector loop makes them.
inline uint32_t word(uint64_t seed, int64_t position) {
  const uint64_t group = uint64_t(position) / 64, in_group = uint64_t(position) % 64;
  return block(seed, group * 16 + in_group % 16).word[in_group / 16];
}

// Words of the positions [begin, begin + n). Vectorised; same bits as word().
void words(uint64_t seed, int64_t begin, int64_t n, uint32_t* out);
// The same as numbers in [0, 1).
void uniforms(uint64_t seed, int64_t begin, int64_t n, float* out);
// Normally distributed numbers of mean 0 and deviation 1, up to 6.6 deviations out.
void normals(uint64_t seed, int64_t begin, int64_t n, float* out);

// As many numbers as one element needs (rejection sampling): its own sequence, apart from word()'s.
class Sequence {
 public:
  Sequence(uint64_t seed, int64_t element) : seed_(seed), element_(uint64_t(element)) {}
  uint32_t next() {
    if (used_ == 4) block_ = block(seed_, element_, ++turn_), used_ = 0;
    return block_.word[used_++];
  }
  // 53 bits, in (0, 1): safe for logarithms.
  double uniform() {
    const uint64_t a = next() >> 5, b = next() >> 6;
    return (double(a * 67108864 + b) + 0.5) * 0x1p-53;
  }

 private:
  uint64_t seed_, element_, turn_ = 0;
  Block block_{};
  int used_ = 4;
};

}  // namespace heddle::ops::philox
