// Where the elements of a dense tensor lie, when not in C order: what a Layout (base.h) means.
#pragma once
#include <vector>

#include "heddle/base.h"

namespace heddle {

// One of the loops that meet a tensor's elements as they lie in memory. An axis that is cut into
// blocks has several, and its index is the sum of step * i over them.
struct HEDDLE_API LayoutLoop {
  int axis;
  int64_t extent, step;
  int64_t stride;  // elements of memory from one i to the next
};

// b where the layout is Layout::channels(b), 0 elsewhere.
inline int channel_block(const Layout& l) {
  return l == Layout::channels(l.blocks[0].size) ? l.blocks[0].size : 0;
}
// Whether the shape has the axes of the layout, and extents that divide by its blocks.
HEDDLE_API bool fits(const Shape& s, const Layout& l);
// The loops, the outermost first; l fits s.
HEDDLE_API std::vector<LayoutLoop> loops_of(const Shape& s, const Layout& l);
// Where the element with these indices lies, counted in elements.
HEDDLE_API int64_t offset_of(const Shape& s, const Layout& l, const Shape& index);
// Whether a tensor has the same bytes in both: nChw16c and plain where h * w is 1.
HEDDLE_API bool same_bytes(const Shape& s, const Layout& a, const Layout& b);

}  // namespace heddle
