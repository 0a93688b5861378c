// A register of floats at each instruction-set level: kWide of them, with a fused multiply-add
// where the level has one, and the transpose of a square of them. For kernels that keep one image,
// or one row, in each lane. Include it inside a file that each_target.h includes.
#ifdef __x86_64__
#include <immintrin.h>
#endif
#ifdef __ARM_NEON
#include <arm_neon.h>
#endif
namespace heddle::ops::HEDDLE_ISA {

#if HEDDLE_LEVEL == 4
constexpr int kWide = 16;
#elif HEDDLE_LEVEL == 3
constexpr int kWide = 8;
#else
constexpr int kWide = 4;
#endif
// Whether kernels on these registers are faster than products of unrolled windows: on x86-64 only
// where there are more numbers in one than in SSE's.
#if HEDDLE_LEVEL > 2 || defined(__ARM_NEON) || defined(__wasm_simd128__)
constexpr bool kFast = true;
#else
constexpr bool kFast = false;
#endif
// Where programs are compiled for size, loops that serve old machines alone come in one version in
// the place of several.
#ifdef __OPTIMIZE_SIZE__
constexpr bool kCompact = !kFast;
#else
constexpr bool kCompact = false;
#endif
typedef float Vec __attribute__((vector_size(kWide * 4)));
typedef float LooseVec __attribute__((vector_size(kWide * 4), aligned(4), may_alias));

#define HEDDLE_LANES inline __attribute__((always_inline))
HEDDLE_LANES Vec load(const float* p) { return *reinterpret_cast<const LooseVec*>(p); }
HEDDLE_LANES void store(float* p, Vec v) { *reinterpret_cast<LooseVec*>(p) = v; }
// To memory, past the caches: of results that they would not hold, this saves reading what is
// there. `p` is a multiple of the register's size; other threads see it after ordered().
HEDDLE_LANES void store_past(float* p, Vec v) {
#if HEDDLE_LEVEL == 4
  _mm512_stream_ps(p, __m512(v));
#elif HEDDLE_LEVEL == 3
  _mm256_stream_ps(p, __m256(v));
#else
  store(p, v);
#endif
}
HEDDLE_LANES void ordered() {
#ifdef __x86_64__
  _mm_sfence();
#endif
}
HEDDLE_LANES Vec all(float v) { return v - Vec{}; }
HEDDLE_LANES Vec fma(Vec a, Vec b, Vec c) {
#if HEDDLE_LEVEL == 4
  return Vec(_mm512_fmadd_ps(__m512(a), __m512(b), __m512(c)));
#elif HEDDLE_LEVEL == 3
  return Vec(_mm256_fmadd_ps(__m256(a), __m256(b), __m256(c)));
#elif defined(__ARM_NEON) && defined(__ARM_FEATURE_FMA)
  return Vec(vfmaq_f32(float32x4_t(c), float32x4_t(a), float32x4_t(b)));
#else
  return a * b + c;
#endif
}
HEDDLE_LANES float sum(Vec v) {
  float t[kWide];
  store(t, v);
  for (int half = kWide / 2; half > 0; half /= 2)
    for (int i = 0; i < half; ++i) t[i] += t[i + half];
  return t[0];
}

// a[From], b[From], a[From + 1], b[From + 1] ...
template <int From>
HEDDLE_LANES Vec interleave(Vec a, Vec b) {
#if !__has_builtin(__builtin_shufflevector)
  Vec c = {};
  for (int i = 0; i < kWide; ++i) c[i] = i % 2 ? b[From + i / 2] : a[From + i / 2];
  return c;
#elif HEDDLE_LEVEL == 4
  return __builtin_shufflevector(a, b, From, From + 16, From + 1, From + 17, From + 2, From + 18,
                                 From + 3, From + 19, From + 4, From + 20, From + 5, From + 21,
                                 From + 6, From + 22, From + 7, From + 23);
#elif HEDDLE_LEVEL == 3
  return __builtin_shufflevector(a, b, From, From + 8, From + 1, From + 9, From + 2, From + 10,
                                 From + 3, From + 11);
#else
  return __builtin_shufflevector(a, b, From, From + 4, From + 1, From + 5);
#endif
}

// The even and the odd numbers of a and b, one after the other.
HEDDLE_LANES void unzip(Vec a, Vec b, Vec* even, Vec* odd) {
#if !__has_builtin(__builtin_shufflevector)
  for (int i = 0; i < kWide; ++i) {
    const Vec& from = 2 * i < kWide ? a : b;
    (*even)[i] = from[2 * i % kWide], (*odd)[i] = from[2 * i % kWide + 1];
  }
#elif HEDDLE_LEVEL == 4
  *even = __builtin_shufflevector(a, b, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
  *odd = __builtin_shufflevector(a, b, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
#elif HEDDLE_LEVEL == 3
  *even = __builtin_shufflevector(a, b, 0, 2, 4, 6, 8, 10, 12, 14);
  *odd = __builtin_shufflevector(a, b, 1, 3, 5, 7, 9, 11, 13, 15);
#else
  *even = __builtin_shufflevector(a, b, 0, 2, 4, 6);
  *odd = __builtin_shufflevector(a, b, 1, 3, 5, 7);
#endif
}

// Row i becomes column i. Interleaving rows i and i + kWide / 2 rotates the bits of (row, column)
// by one; log2(kWide) rounds exchange row and column.
HEDDLE_LANES void transpose(Vec* r) {
#pragma GCC unroll 4
  for (int round = 1; round < kWide; round *= 2) {
    Vec t[kWide];
#pragma GCC unroll 8
    for (int i = 0; i < kWide / 2; ++i) {
      t[2 * i] = interleave<0>(r[i], r[i + kWide / 2]);
      t[2 * i + 1] = interleave<kWide / 2>(r[i], r[i + kWide / 2]);
    }
#pragma GCC unroll 16
    for (int i = 0; i < kWide; ++i) r[i] = t[i];
  }
}

// Lane i is the sum of r[i], for kWide of them.
HEDDLE_LANES Vec sums(Vec* r) {
#pragma GCC unroll 4
  for (int half = kWide / 2; half > 0; half /= 2)
#pragma GCC unroll 8
    for (int i = 0; i < half; ++i)
      r[i] = interleave<0>(r[i], r[i + half]) + interleave<kWide / 2>(r[i], r[i + half]);
  return r[0];
}
#undef HEDDLE_LANES

}  // namespace heddle::ops::HEDDLE_ISA
