// Strided looks at dense tensors, and copying from one to another: most operators that only move
// elements are one such copy.
#pragma once
#include <cstdint>

#include "heddle/op.h"

namespace heddle::ops::view {

// Extents, and how many elements a step along each axis moves (0: repeated, negative: backwards).
struct View {
  static constexpr int kMaxAxes = 2 * Shape::kMaxRank + 1;  // the last one: halves of elements
  int rank = 0;
  int64_t extent[kMaxAxes] = {}, stride[kMaxAxes] = {};
  int64_t offset = 0;

  View() = default;
  explicit View(const Shape& dense);
  View& push(int64_t axis_extent, int64_t axis_stride);
  // Along `axis`: `count` elements begin, begin + step, ...
  View& slice(int axis, int64_t begin, int64_t count, int64_t step = 1);
  View& swap(int a, int b);
  // The axes in a new order.
  View permuted(const int* order) const;
  int64_t size() const;
};

// Copies element by element; both views have the same extents and both blobs the same dtype.
void copy(const OpContext& ctx, const Blob& from, const View& a, const Blob& to, const View& b);
// The same bytes under another shape. Nothing to do when both are the same memory.
void copy_all(const OpContext& ctx, const Blob& from, const Blob& to);
void zero(const OpContext& ctx, const Blob& to);
// Views of parts of `whole` that begin at these elements of its axis `axis`; none where a part is
// not one piece of memory, or `whole` is not in C order.
Views parts_along(Views::Of of, const Blob& whole, int axis, std::vector<int64_t> begins);
// The same elements under another shape.
Views same_elements(const Situation& s);
// to[i] = sum over j of from[kept(i) + summed(j)], where `to` is dense in the order of `kept`.
// Halves are summed in float, integers in int64.
void sum(const OpContext& ctx, const Blob& from, const View& kept, const View& summed,
         const Blob& to);

}  // namespace heddle::ops::view
