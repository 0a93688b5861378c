// Loops that make Philox words, once per instruction-set level.
namespace heddle::HEDDLE_ISA {

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

}  // namespace heddle::HEDDLE_ISA
