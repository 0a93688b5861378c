// One word again and again, at each instruction-set level.
namespace heddle::ops::HEDDLE_ISA {

template <class Word>
void fill_words(Word word, Word* to, int64_t n) {
  simd::ran(HEDDLE_LEVEL);
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) to[i] = word;
}

}  // namespace heddle::ops::HEDDLE_ISA
