// Numbers to 8 bits and back, and the least and largest of them, at each instruction-set level.
namespace heddle::ops::HEDDLE_ISA {

// q[i] = the nearest of x[i] unit scale + shift. Q has 8 bits, may lie anywhere but not over x.
template <class T, class Q>
void to_8_bits(const T* x, Q* q, int64_t n, float unit, float scale, float shift) {
  simd::ran(HEDDLE_LEVEL);
  constexpr float kLow = std::numeric_limits<Q>::lowest(), kHigh = std::numeric_limits<Q>::max();
  constexpr float kWhole = 12582912;  // 1.5 * 2^23: where floats are whole numbers
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) {
    float v = float(x[i]) * unit * scale + shift;
    v = v > kLow ? v : kLow;  // NaN becomes the lowest
    v = v < kHigh ? v : kHigh;
    q[i] = Q(int32_t((v + kWhole) - kWhole));
  }
}

template <class Q>
void from_8_bits(const Q* q, float* x, int64_t n, float scale) {
  simd::ran(HEDDLE_LEVEL);
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) x[i] = scale * float(q[i]);
}

// The least and largest; NaN does not count.
template <class T>
void least_and_largest(const T* x, int64_t n, float* least, float* largest) {
  simd::ran(HEDDLE_LEVEL);
  constexpr int kWays = 16;
  constexpr float kFar = std::numeric_limits<float>::infinity();
  float low[kWays], high[kWays];
  for (int j = 0; j < kWays; ++j) low[j] = kFar, high[j] = -kFar;
  const int64_t whole = n / kWays * kWays;
  for (int64_t i = 0; i < whole; i += kWays)
#pragma omp simd
    for (int j = 0; j < kWays; ++j) {
      const float v = float(x[i + j]);
      low[j] = v < low[j] ? v : low[j];
      high[j] = v > high[j] ? v : high[j];
    }
  for (int64_t i = whole; i < n; ++i) {
    const float v = float(x[i]);
    low[0] = v < low[0] ? v : low[0];
    high[0] = v > high[0] ? v : high[0];
  }
  for (int j = 1; j < kWays; ++j) {
    low[0] = low[j] < low[0] ? low[j] : low[0];
    high[0] = high[j] > high[0] ? high[j] : high[0];
  }
  *least = low[0], *largest = high[0];
}

}  // namespace heddle::ops::HEDDLE_ISA
