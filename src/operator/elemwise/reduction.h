// Reductions over axes: the driver, and what other families ask of it.
//
// Work is split at places that depend on shapes only and partial results are merged in order, so
// neither the number of threads nor the instruction-set level changes a bit. Floats accumulate in
// float over short stretches and in double across them; integers in int64.
#pragma once
#include "heddle/op.h"
#include "operator/elemwise/map.h"

namespace heddle::ops::ew {

// The innermost loops of one reduction for elements of type T: reduction.inl.h.
template <class T>
struct ReduceLoops {
  // Reduces n neighbours, with 16 partial results.
  T (*row)(const T* x, int64_t n);
  // acc[i] = step(acc[i], x[r * stride + i]) for r in [0, rows) and i in [0, n).
  void (*columns)(const T* x, int64_t rows, int64_t stride, T* acc, int64_t n);
  T init;  // the reduction of nothing
};
// Across partial results.
template <class A>
struct Merge {
  A (*merge)(A a, A b);
  A init;
  A (*finish)(A acc, int64_t n);  // of n elements; null: nothing to do
};

struct Reduction {
  ReduceLoops<float> f32[3];
  ReduceLoops<double> f64[3];
  ReduceLoops<int64_t> i64[3];
  Merge<double> real;
  Merge<int64_t> whole;
  const Reduction* again;  // reduces partial results: sums of squares are summed. Null: itself
};

// Reduces x to y. `kept` is the shape of x with 1 for every reduced axis; y has its elements.
void reduce(OpContext& ctx, const Reduction& r, const Blob& x, const Shape& kept, const Blob& y);

// What that takes of scratch memory, and what it takes in double.
ScratchNeed reduce_scratch(const Shape& x, const Shape& kept);

// The same, computing in double whatever x holds: for results that float32 or int64 would overflow
// or lose on the way.
void reduce_wide(OpContext& ctx, const Reduction& r, const Blob& x, const Shape& kept,
                 const Blob& y);

// A sum or a mean of x. Sums of float32 that overflow in a short stretch may still be numbers as a
// whole, or as a mean.
void sum_up(OpContext& ctx, const Reduction& r, const Blob& x, const Shape& kept, const Blob& y);

// Sums x over the axes along which y was repeated to give it: the gradient of broadcasting.
void sum_to(OpContext& ctx, const Blob& x, const Blob& y);
ScratchNeed sum_to_scratch(const Shape& x, const Shape& y);

// The mean of x over the axes where `kept` is 1.
void mean(OpContext& ctx, const Blob& x, const Shape& kept, const Blob& y);

// --- what the operators share --------------------------------------------------------------------
struct ReduceParam {
  Shape axis;
  bool keepdims = false;
  bool exclude = false;
  void fields(auto&& f) {
    f("axis", axis, "The axes to reduce; all when None or ().");
    f("keepdims", keepdims, "Leave reduced axes in the result with size 1.");
    f("exclude", exclude, "Reduce the axes that are not in `axis`.");
  }
};

// x with 1 for every reduced axis. Throws naming `op` when an axis is out of range or given twice.
Shape kept_shape(std::string_view op, const Shape& x, const Shape& axis, bool exclude);
// The result's shape: without the reduced axes unless keepdims; (1) rather than ().
Shape reduced_shape(std::string_view op, const Shape& x, const Shape& axis, bool exclude,
                    bool keepdims);

}  // namespace heddle::ops::ew
