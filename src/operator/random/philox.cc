// Bulk Philox words: whole groups by the vector loop, ragged ends through a buffer.
#include "operator/random/philox.h"

#include <algorithm>

#include "operator/elemwise/scalar.h"

#define HEDDLE_LOOPS "operator/random/philox.inl.h"
#include "operator/simd/each_target.h"

namespace heddle::ops::philox {

void words(uint64_t seed, int64_t begin, int64_t n, uint32_t* out) {
  const auto groups = HEDDLE_PICK(philox_groups);
  uint32_t buffer[64];
  while (n > 0) {
    const int64_t skip = begin % 64, group = begin / 64;
    int64_t done;
    if (skip == 0 && n >= 64) {
      groups(seed, uint64_t(group), n / 64, out);
      done = n / 64 * 64;
    } else {
      groups(seed, uint64_t(group), 1, buffer);
      done = std::min(n, 64 - skip);
      std::copy_n(buffer + skip, done, out);
    }
    begin += done, out += done, n -= done;
  }
}

void uniforms(uint64_t seed, int64_t begin, int64_t n, float* out) {
  uint32_t buffer[1024];
  for (int64_t at = 0; at < n; at += 1024) {
    const int64_t m = std::min<int64_t>(1024, n - at);
    words(seed, begin + at, m, buffer);
    for (int64_t i = 0; i < m; ++i) out[at + i] = to_unit(buffer[i]);
  }
}

void normals(uint64_t seed, int64_t begin, int64_t n, float* out) {
  const auto groups = HEDDLE_PICK(philox_groups);
  const auto transform = HEDDLE_PICK(philox_normals);
  uint32_t buffer[64];
  float made[64];
  while (n > 0) {
    const int64_t skip = begin % 64, done = std::min(n, 64 - skip);
    groups(seed, uint64_t(begin / 64), 1, buffer);
    transform(buffer, done == 64 ? out : made);
    if (done < 64) std::copy_n(made + skip, done, out);
    begin += done, out += done, n -= done;
  }
}

}  // namespace heddle::ops::philox
