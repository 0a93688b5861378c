// Softmax along one axis, shared by softmax, log_softmax, SoftmaxActivation, SoftmaxOutput ...
#pragma once
#include "heddle/op.h"

namespace heddle::ops::softmax {

// A tensor seen as (outer, axis, inner).
struct Extents {
  int64_t outer = 1, axis = 1, inner = 1;
};
inline Extents extents_of(const Shape& s, int axis) {
  return {s.size(0, axis), s[axis], s.size(axis + 1)};
}

// y = softmax(scale * x), or its logarithm. `lengths`, one per (outer, inner), may be null: beyond
// a length y is zero. x and y may be the same memory. T is a floating type.
template <class T>
void forward(const OpContext& ctx, const T* x, T* y, Extents e, double scale, bool log,
             const int64_t* lengths = nullptr);

// dx = scale * y * (dy - sum(dy * y)), or for the logarithm scale * (dy - exp(y) * sum(dy)).
template <class T>
void backward(const OpContext& ctx, const T* dy, const T* y, T* dx, Extents e, double scale,
              bool log, const int64_t* lengths = nullptr);

// shifts[i] = log(sum(exp(row i of x))), each row of n elements side by side.
template <class T>
void log_sums(const OpContext& ctx, const T* x, int64_t rows, int64_t n, double* shifts);

}  // namespace heddle::ops::softmax
