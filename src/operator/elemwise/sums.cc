// Sums and means, of the operators and of those who ask for them: the sum that undoes broadcasting.
#include <cmath>

#include "operator/elemwise/make_reduction.h"

namespace heddle::ops::ew {

// y's shape, seen with as many axes as x has.
Shape seen_from(const Shape& x, const Shape& y) {
  Shape kept = x;
  for (int d = 1; d <= x.rank(); ++d) kept[-d] = d <= y.rank() ? y[-d] : 1;
  return kept;
}

void sum_to(OpContext& ctx, const Blob& x, const Blob& y) {
  reduce(ctx, kSum, x, seen_from(x.shape, y.shape), y);
}
ScratchNeed sum_to_scratch(const Shape& x, const Shape& y) {
  return reduce_scratch(x, seen_from(x, y));
}

void sum_up(OpContext& ctx, const Reduction& r, const Blob& x, const Shape& kept, const Blob& y) {
  reduce(ctx, r, x, kept, y);
  if (!is_float(x.dtype) || x.dtype == Dtype::kFloat64 || !is_float(y.dtype)) return;
  bool finite = true;
  with_float(y.dtype, "sum", [&](auto type) {
    const auto* v = y.as<decltype(type)>();
    for (int64_t i = 0; i < y.size(); ++i) finite = finite && std::isfinite(float(v[i]));
  });
  if (!finite) reduce_wide(ctx, r, x, kept, y);
}

void mean(OpContext& ctx, const Blob& x, const Shape& kept, const Blob& y) {
  sum_up(ctx, kMean, x, kept, y);
}

}  // namespace heddle::ops::ew
