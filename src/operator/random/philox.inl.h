// Loops that make Philox words, once per instruction-set level.
namespace heddle::ops::HEDDLE_ISA {

// Whole groups of 64 words; the first has number `group`.
inline void philox_groups(uint64_t seed, uint64_t group, int64_t groups, uint32_t* out) {
  simd::ran(HEDDLE_LEVEL);
  for (int64_t g = 0; g < groups; ++g, out += 64) {
    const uint64_t first = (group + uint64_t(g)) * 16;
#pragma omp simd
    for (int j = 0; j < 16; ++j) {
      const philox::Block b = philox::block(seed, first + uint64_t(j));
      out[j] = b.word[0], out[16 + j] = b.word[1], out[32 + j] = b.word[2], out[48 + j] = b.word[3];
    }
  }
}

// Box and Muller: the first 32 words of a group give radii, the others angles; each pair gives two
// numbers.
inline void philox_normals(const uint32_t* words, float* out) {
#pragma omp simd
  for (int j = 0; j < 32; ++j) {
    const float u = float(words[j] | 1u) * 0x1p-32f;
    const float radius = ew::sqrt(-2.0f * ew::log(u));
    const float turn = philox::to_unit(words[32 + j]) * 4.0f;  // in quarters
    const float whole = ew::floor(turn + 0.5f), a = (turn - whole) * 1.57079632679f, s = a * a;
    const int quarter = int(whole);
    float sine = -1.9515295891e-4f;
    sine = sine * s + 8.3321608736e-3f;
    sine = sine * s - 1.6666654611e-1f;
    sine = sine * s * a + a;
    float cosine = 2.443315711809948e-5f;
    cosine = cosine * s - 1.388731625493765e-3f;
    cosine = cosine * s + 4.166664568298827e-2f;
    cosine = cosine * (s * s) - 0.5f * s + 1.0f;
    const float x = quarter & 1 ? sine : cosine, y = quarter & 1 ? cosine : sine;
    out[j] = (quarter + 1) & 2 ? -radius * x : radius * x;
    out[32 + j] = quarter & 2 ? -radius * y : radius * y;
  }
}

}  // namespace heddle::ops::HEDDLE_ISA
