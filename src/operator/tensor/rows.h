// Rows picked by number: reading indices of any dtype, gathering rows, adding to rows.
#pragma once
#include <cstdint>
#include <string_view>

#include "heddle/op.h"

namespace heddle::ops::rows {

// The indices as integers, rounded toward zero, in scratch memory; NaN reads as 0.
int64_t* read_indices(OpContext& ctx, const Blob& indices);
// What that takes for input kIndices, and what sums of halves take in an output that rows are added
// to.
template <size_t kIndices>
ScratchNeed indices_scratch(const Situation& s) {
  ScratchNeed need;
  need.take(8 * s.in[kIndices].size());
  return need;
}
template <size_t kIndices, size_t kOut = 0>
ScratchNeed adding_scratch(const Situation& s) {
  ScratchNeed need = indices_scratch<kIndices>(s);
  if (dtype_size(s.out[kOut].dtype) < 4 && s.wants(kOut)) need.take(4 * s.out[kOut].size());
  return need;
}

// Throws Error unless `d` holds every index below `extent` as it is. Of unknown ones there is
// nothing to say yet.
void check_holds(std::string_view op, Dtype d, int64_t extent);

// A tensor as (before, rows, length): index r of `rows` stands for `length` elements, `before`
// times.
struct Layout {
  int64_t before = 1, rows = 0, length = 1;
  Layout() = default;
  Layout(const Shape& x, int axis)
      : before(x.size(0, axis)), rows(x[axis]), length(x.size(axis + 1)) {}
};

// to[b][i] = from[b][at[i]] for n indices; a negative one gives zeros.
void gather(const OpContext& ctx, const Layout& from_layout, const Blob& from, const int64_t* at,
            int64_t n, const Blob& to);
// to[b][at[i]] += from[b][i]; `to` is cleared first. Negative indices are left out. Contributions
// to a row are added in order of i, whatever the number of threads.
void scatter_add(OpContext& ctx, const Layout& to_layout, const Blob& from, const int64_t* at,
                 int64_t n, const Blob& to);
// to[b][at[i]] = from[b][i], the last one winning; what no index names is left as it is.
void scatter_write(const OpContext& ctx, const Layout& to_layout, const Blob& from,
                   const int64_t* at, int64_t n, const Blob& to);

}  // namespace heddle::ops::rows
