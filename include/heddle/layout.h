// Where the elements of a dense tensor lie, when not in C order: what a Layout (base.h) means.
#pragma once
#include <array>
#include <tuple>

#include "heddle/base.h"

namespace heddle {

// One of the loops that meet a tensor's elements as they lie in memory. An axis that is cut into
// blocks has several, and its index is the sum of step * i over them.
struct HEDDLE_API LayoutLoop {
  int axis;
  int64_t extent, step;
  int64_t stride;  // elements of memory from one i to the next
};

// All of them, the outermost first; no memory of the heap.
class LayoutLoops {
 public:
  void push_back(const LayoutLoop& l) { all_[size_t(count_++)] = l; }
  size_t size() const { return size_t(count_); }
  LayoutLoop& operator[](size_t i) { return all_[i]; }
  const LayoutLoop& operator[](size_t i) const { return all_[i]; }
  const LayoutLoop* begin() const { return all_.data(); }
  const LayoutLoop* end() const { return all_.data() + count_; }

  static constexpr size_t kMost =
      Shape::kMaxRank + std::tuple_size_v<decltype(Layout::blocks)>;  // axes and blocks

 private:
  std::array<LayoutLoop, kMost> all_ = {};
  int count_ = 0;
};

// b where the layout is Layout::channels(b), 0 elsewhere.
inline int channel_block(const Layout& l) {
  return l == Layout::channels(l.blocks[0].size) ? l.blocks[0].size : 0;
}
// Whether the shape has the axes of the layout, and extents that divide by its blocks.
HEDDLE_API bool fits(const Shape& s, const Layout& l);
// The loops; l fits s.
HEDDLE_API LayoutLoops loops_of(const Shape& s, const Layout& l);
// Where the element with these indices lies, counted in elements.
HEDDLE_API int64_t offset_of(const Shape& s, const Layout& l, const Shape& index);
// Whether a tensor has the same bytes in both: nChw16c and plain where h * w is 1.
HEDDLE_API bool same_bytes(const Shape& s, const Layout& a, const Layout& b);

}  // namespace heddle
