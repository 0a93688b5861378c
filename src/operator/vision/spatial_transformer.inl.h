// Bilinear samples of a plane at each instruction-set level. The two cells of a row around a sample
// lie side by side and are read, and added to, as one. No operation is fused: same bits at every
// level.
#include "operator/simd/lanes.inl.h"
namespace heddle::ops::HEDDLE_ISA::sampler {

#define HEDDLE_INLINE inline __attribute__((always_inline))
using spatial_transformer::Extent;
using spatial_transformer::kOutside;
using spatial_transformer::kTile;
using spatial_transformer::Points;

// Weight and slope of column q where the cells around a sample are c and c + 1.
template <class A>
HEDDLE_INLINE void column(int32_t q, int32_t c, int32_t width, bool near, A part, A* weight,
                          A* slope) {
  const bool left = near & (q == c) & (q < width), right = near & (q == c + 1) & (q < width);
  *weight = left ? 1 - part : right ? part : kOutside<A>;
  *slope = left ? A(-1) : right ? A(1) : A(0);
}

// y, x: places in cells, from 0, of a tile of samples. Those after `count` count as outside.
template <class A>
void find(const A* y, const A* x, int64_t count, Extent e, Points<A>* p) {
  const int32_t held = std::max(e.width, 2);  // a pair needs two columns
  for (int32_t i = 0; i < kTile; ++i) {
    const bool near =
        (i < count) & (y[i] >= -1) & (x[i] >= -1) & (y[i] < A(e.height)) & (x[i] < A(e.width));
    const A low_y = std::floor(near ? y[i] : A(0)), low_x = std::floor(near ? x[i] : A(0));
    const A part_y = near ? y[i] - low_y : A(0), part_x = near ? x[i] - low_x : A(0);
    // What is far from the plane has cells of its own, so that sums do not wait for each other.
    const int32_t row = near ? int32_t(low_y) : i & 15, c = near ? int32_t(low_x) : i >> 4;
    const int32_t pair = std::clamp(c, 0, held - 2);
    p->above[i] = std::clamp(row, 0, e.height - 1) * held + pair;
    p->below[i] = std::clamp(row + 1, 0, e.height - 1) * held + pair;
    p->y0[i] = (near & (row >= 0)) ? 1 - part_y : kOutside<A>;
    p->y1[i] = (near & (row + 1 < e.height)) ? part_y : kOutside<A>;
    column(pair, c, e.width, near, part_x, p->x0 + i, p->slope0 + i);
    column(pair + 1, c, e.width, near, part_x, p->x1 + i, p->slope1 + i);
  }
}

// Vectors of A, and of integers as wide; one number where there is no faster way to read pairs.
template <class A>
struct Lanes {
  static constexpr int kCount = 1;
  using Type = A;
};
template <>
struct Lanes<float> {
  static constexpr int kCount = kWide;
  using Type = Vec;
};

HEDDLE_INLINE float load_of(const float* p, float) { return *p; }
HEDDLE_INLINE double load_of(const double* p, double) { return *p; }
HEDDLE_INLINE Vec load_of(const float* p, Vec) { return load(p); }
HEDDLE_INLINE void store_to(float* p, Vec v) { store(p, v); }
HEDDLE_INLINE void store_to(double* p, double v) { *p = v; }

// v, or zero where the weight says that it is outside: v may be infinite, or no number.
HEDDLE_INLINE double inside(double weight, double v) { return std::signbit(weight) ? 0 : v; }
HEDDLE_INLINE Vec inside(Vec weight, Vec v) {
  typedef int32_t Bits __attribute__((vector_size(kWide * 4)));
  return Vec(Bits(v) & ~(Bits(weight) >> 31));
}

HEDDLE_INLINE void pairs(const double* plane, const int32_t* cell, double* left, double* right) {
  *left = plane[*cell], *right = plane[*cell + 1];
}
HEDDLE_INLINE void pairs(const float* plane, const int32_t* cell, Vec* left, Vec* right) {
  typedef double Pairs __attribute__((vector_size(kWide * 4)));
  const auto at = [&](int i) __attribute__((always_inline)) {
    double pair;
    __builtin_memcpy(&pair, plane + cell[i], sizeof(pair));
    return pair;
  };
#if HEDDLE_LEVEL == 4
  const Vec a = Vec(Pairs{at(0), at(1), at(2), at(3), at(4), at(5), at(6), at(7)});
  const Vec b = Vec(Pairs{at(8), at(9), at(10), at(11), at(12), at(13), at(14), at(15)});
#elif HEDDLE_LEVEL == 3
  const Vec a = Vec(Pairs{at(0), at(1), at(2), at(3)}), b = Vec(Pairs{at(4), at(5), at(6), at(7)});
#else
  const Vec a = Vec(Pairs{at(0), at(1)}), b = Vec(Pairs{at(2), at(3)});
#endif
  unzip(a, b, left, right);
}

// The four cells around samples i, i + 1 ...: zero where they are outside.
template <class A, class V>
HEDDLE_INLINE void cells(const A* plane, const Points<A>& p, int64_t i, V* v) {
  const V x0 = load_of(p.x0 + i, V{}), x1 = load_of(p.x1 + i, V{});
  const V y0 = load_of(p.y0 + i, V{}), y1 = load_of(p.y1 + i, V{});
  pairs(plane, p.above + i, v, v + 1), pairs(plane, p.below + i, v + 2, v + 3);
  v[0] = inside(y0, inside(x0, v[0])), v[1] = inside(y0, inside(x1, v[1]));
  v[2] = inside(y1, inside(x0, v[2])), v[3] = inside(y1, inside(x1, v[3]));
}

// to[i] = the plane at sample i of a tile.
template <class A>
void values(const A* plane, const Points<A>& p, A* to) {
  using V = typename Lanes<A>::Type;
  for (int64_t i = 0; i < kTile; i += Lanes<A>::kCount) {
    V v[4];
    cells(plane, p, i, v);
    const V x0 = load_of(p.x0 + i, V{}), x1 = load_of(p.x1 + i, V{});
    store_to(to + i, load_of(p.y0 + i, V{}) * (x0 * v[0] + x1 * v[1]) +
                         load_of(p.y1 + i, V{}) * (x0 * v[2] + x1 * v[3]));
  }
}

// Adds dy times the slopes of the plane along y and x.
template <class A>
void slopes(const A* plane, const Points<A>& p, const A* dy, A* by_y, A* by_x) {
  using V = typename Lanes<A>::Type;
  for (int64_t i = 0; i < kTile; i += Lanes<A>::kCount) {
    V v[4];
    cells(plane, p, i, v);
    const V x0 = load_of(p.x0 + i, V{}), x1 = load_of(p.x1 + i, V{}), head = load_of(dy + i, V{});
    const V s0 = load_of(p.slope0 + i, V{}), s1 = load_of(p.slope1 + i, V{});
    store_to(by_y + i,
             load_of(by_y + i, V{}) + head * ((x0 * v[2] + x1 * v[3]) - (x0 * v[0] + x1 * v[1])));
    store_to(by_x + i,
             load_of(by_x + i, V{}) + head * (load_of(p.y0 + i, V{}) * (s0 * v[0] + s1 * v[1]) +
                                              load_of(p.y1 + i, V{}) * (s0 * v[2] + s1 * v[3])));
  }
}

// sum += what dy of a tile's samples hands to the cells of a plane.
template <class A>
void add(const Points<A>& p, const A* dy, A* sum) {
  using V = typename Lanes<A>::Type;
  typedef A Pair __attribute__((vector_size(2 * sizeof(A))));
  A part[4][kTile];
  for (int64_t i = 0; i < kTile; i += Lanes<A>::kCount) {
    const V x0 = load_of(p.x0 + i, V{}), x1 = load_of(p.x1 + i, V{}), head = load_of(dy + i, V{});
    const V y0 = load_of(p.y0 + i, V{}), y1 = load_of(p.y1 + i, V{});
    store_to(part[0] + i, inside(y0, inside(x0, x0 * y0 * head)));
    store_to(part[1] + i, inside(y0, inside(x1, x1 * y0 * head)));
    store_to(part[2] + i, inside(y1, inside(x0, x0 * y1 * head)));
    store_to(part[3] + i, inside(y1, inside(x1, x1 * y1 * head)));
  }
  const auto to = [&](int32_t cell, A left, A right) __attribute__((always_inline)) {
    Pair held;
    __builtin_memcpy(&held, sum + cell, sizeof(held));
    held += Pair{left, right};
    __builtin_memcpy(sum + cell, &held, sizeof(held));
  };
  for (int64_t i = 0; i < kTile; ++i) {
    to(p.above[i], part[0][i], part[1][i]);
    to(p.below[i], part[2][i], part[3][i]);
  }
}

#undef HEDDLE_INLINE
}  // namespace heddle::ops::HEDDLE_ISA::sampler
