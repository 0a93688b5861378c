// The innermost loops of reductions, once per instruction-set level. F::step takes a partial result
// and an element, F::merge two partial results.
namespace heddle::ops::HEDDLE_ISA {

// 16 partial results at every level, merged pairwise: the order of operations is always the same.
template <class F, class T>
T reduce_row(const T* x, int64_t n) {
  simd::ran(HEDDLE_LEVEL);
  T lane[16];
  for (int j = 0; j < 16; ++j) lane[j] = F::template init<T>();
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) {
#pragma omp simd
    for (int j = 0; j < 16; ++j) lane[j] = F::step(lane[j], x[i + j]);
  }
  for (int j = 0; i + j < n; ++j) lane[j] = F::step(lane[j], x[i + j]);
  for (int width = 8; width > 0; width /= 2)
    for (int j = 0; j < width; ++j) lane[j] = F::merge(lane[j], lane[j + width]);
  return lane[0];
}

template <class F, class T>
void reduce_columns(const T* x, int64_t rows, int64_t stride, T* acc, int64_t n) {
  simd::ran(HEDDLE_LEVEL);
  int64_t r = 0;
  for (; r + 4 <= rows; r += 4, x += 4 * stride) {  // in the order of rows, all the same
    const T *b = x + stride, *c = b + stride, *d = c + stride;
#pragma omp simd
    for (int64_t i = 0; i < n; ++i)
      acc[i] = F::step(F::step(F::step(F::step(acc[i], x[i]), b[i]), c[i]), d[i]);
  }
  for (; r < rows; ++r, x += stride) {
#pragma omp simd
    for (int64_t i = 0; i < n; ++i) acc[i] = F::step(acc[i], x[i]);
  }
}

}  // namespace heddle::ops::HEDDLE_ISA
