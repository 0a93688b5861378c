// What the operators on images and boxes share: planes, gradients summed into them, and bilinear
// corners.
#pragma once
#include <algorithm>
#include <cmath>

#include "heddle/op.h"

namespace heddle::ops::vision {

template <class T>
using Wide = std::conditional_t<(sizeof(T) < 4), float, T>;  // halves are summed in float32

// A number out of a tensor as a whole one. What is no place in any image, NaN among it, stays none,
// and so near that sums and differences of two are numbers still.
template <class A>
int64_t whole(A v) {
  constexpr int64_t kFar = int64_t{1} << 40;
  if (v >= A(kFar)) return kFar;
  return v >= A(-kFar) ? int64_t(v) : -kFar;
}

// As many of `size` elements as make a piece worth a thread.
inline int64_t grain_of(int64_t work_of_one) {
  return std::max<int64_t>(1, 16384 / std::max<int64_t>(1, work_of_one));
}

// Writes the last two axes of dx, plane by plane: body(plane, sum) adds to the cells of `sum`,
// which start at zero. One plane is one thread's, so the order of a sum is fixed.
template <class T, class Body>
void sum_planes(const OpContext& ctx, const Blob& dx, int64_t work_of_one, Body&& body) {
  const int64_t cells = dx.shape[-1] * dx.shape[-2];
  const int64_t planes = dx.shape.size(0, dx.shape.rank() - 2);
  using A = Wide<T>;
  ctx.parallel_for(planes, grain_of(cells + work_of_one), [&](int64_t begin, int64_t end) {
    for (int64_t p = begin; p < end; ++p) {
      ScratchScope scope;
      T* to = dx.as<T>() + p * cells;
      A* sum;
      if constexpr (std::is_same_v<A, T>) sum = to;
      else sum = static_cast<A*>(thread_scratch(size_t(cells) * sizeof(A)));
      std::fill_n(sum, cells, A(0));
      body(p, sum);
      if constexpr (!std::is_same_v<A, T>)
        for (int64_t i = 0; i < cells; ++i) to[i] = T(sum[i]);
    }
  });
}

// What that takes, with two lines of a plane beside it: halves are summed in float32.
inline ScratchNeed planes_scratch(const Situation& s) {
  const Shape& x = s.out[0].shape;
  const int64_t width = std::max(x[-1], s.in[0].shape.rank() > 0 ? s.in[0].shape[-1] : 0);
  return {.piece = (dtype_size(s.out[0].dtype) < 4 ? 4 * x[-1] * x[-2] : 0) + 16 * width + 128};
}

inline void write_zeros(const Blob& b) { std::fill_n(static_cast<char*>(b.data), b.bytes(), '\0'); }

// The cells around a point of a plane, their weights, and how these change with the point.
template <class A>
struct Corners {
  int64_t cell[4];  // -1: outside, where everything is zero
  A weight[4], by_y[4], by_x[4];

  template <class T>
  A value(const T* plane) const {
    A sum = 0;
    for (int k = 0; k < 4; ++k)
      if (cell[k] >= 0) sum += weight[k] * A(plane[cell[k]]);
    return sum;
  }
  template <class T>
  A slope_y(const T* plane) const {
    A sum = 0;
    for (int k = 0; k < 4; ++k)
      if (cell[k] >= 0) sum += by_y[k] * A(plane[cell[k]]);
    return sum;
  }
  template <class T>
  A slope_x(const T* plane) const {
    A sum = 0;
    for (int k = 0; k < 4; ++k)
      if (cell[k] >= 0) sum += by_x[k] * A(plane[cell[k]]);
    return sum;
  }
  void add(A* plane, A value) const {
    for (int k = 0; k < 4; ++k)
      if (cell[k] >= 0) plane[cell[k]] += weight[k] * value;
  }
};

// Around (y, x), where (0, 0) is the middle of the first cell.
template <class A>
Corners<A> corners(A y, A x, int64_t height, int64_t width) {
  Corners<A> c;
  std::fill_n(c.cell, 4, int64_t(-1));
  if (!(y >= -1 && x >= -1 && y < A(height) && x < A(width))) return c;
  const A low_y = std::floor(y), low_x = std::floor(x), ly = y - low_y, lx = x - low_x;
  for (int k = 0; k < 4; ++k) {
    const int i = k / 2, j = k % 2;
    const int64_t row = int64_t(low_y) + i, column = int64_t(low_x) + j;
    if (row >= 0 && column >= 0 && row < height && column < width) c.cell[k] = row * width + column;
    const A wy = i ? ly : 1 - ly, wx = j ? lx : 1 - lx;
    c.weight[k] = wy * wx, c.by_y[k] = i ? wx : -wx, c.by_x[k] = j ? wy : -wy;
  }
  return c;
}

}  // namespace heddle::ops::vision
