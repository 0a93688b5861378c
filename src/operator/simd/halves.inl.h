// float16 from float with the processor's own instruction, at the levels that have one. The bits
// are those of half::to_f16. Include it inside a file that each_target.h includes.
#ifdef __x86_64__
#include <immintrin.h>
#endif
namespace heddle::ops::HEDDLE_ISA {

// Converts the first elements of n, as many as fill registers, and returns their number.
inline __attribute__((always_inline)) int64_t to_halves(const float* x, uint16_t* y, int64_t n) {
  int64_t i = 0;
#if HEDDLE_LEVEL >= 3
  const __m256 sign = _mm256_set1_ps(-0.0f);
  const __m256 nan = _mm256_castsi256_ps(_mm256_set1_epi32(0x7fc00000));
  for (; i + 8 <= n; i += 8) {
    const __m256 v = _mm256_loadu_ps(x + i);
    // Of NaN only the sign is kept.
    const __m256 plain = _mm256_or_ps(_mm256_and_ps(v, sign), nan);
    const __m256 w = _mm256_blendv_ps(v, plain, _mm256_cmp_ps(v, v, _CMP_UNORD_Q));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(y + i),
                     _mm256_cvtps_ph(w, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
  }
#else
  (void)x, (void)y, (void)n;
#endif
  return i;
}

}  // namespace heddle::ops::HEDDLE_ISA
