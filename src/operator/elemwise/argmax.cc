// argmax, argmin, argmax_channel: where the largest or smallest element stands. The first of
// equals; a NaN counts as found. The place has the dtype of the data where that is wide, else
// float32: in float16 the place 2999 would read 3000, in uint8 299 would read 43.
#include <algorithm>

#include "operator/elemwise/convert.h"
#include "operator/elemwise/reduction.h"
#include "operator/tensor/rows.h"

namespace heddle::ops::argmax {
using namespace ew;

struct Param {
  std::optional<int64_t> axis;
  bool keepdims = false;
  void fields(auto&& f) {
    f("axis", axis, "The axis to search; None: all elements in order.");
    f("keepdims", keepdims, "Leave the axis in the result with size 1.");
  }
};

Dtype dtype_of_place(Dtype data) {
  if (data == Dtype::kUnknown || data == Dtype::kFloat64 || data == Dtype::kInt32 ||
      data == Dtype::kInt64)
    return data;
  return Dtype::kFloat32;
}
void infer_dtype(InferContext& c) {
  if (c.in_dtype(0) != Dtype::kUnknown) c.set_out_dtype(0, dtype_of_place(c.in_dtype(0)));
}

void infer(const Param& p, InferContext& c) {
  const Shape axis = p.axis ? Shape{*p.axis} : Shape{};
  if (const Shape& x = c.in(0); x.known())
    rows::check_holds(c.op().name, dtype_of_place(c.in_dtype(0)),
                      p.axis ? x[normalize_axis(c.op().name, *p.axis, x.rank())] : x.size());
  c.set_out(0, reduced_shape(c.op().name, c.in(0), axis, false, p.keepdims));
}

template <bool kLargest, class C>
bool better(C x, C best) {
  return (kLargest ? x > best : x < best) || (x != x && best == best);
}

// Where the best of n neighbours stands. Reads through a buffer of kTile elements when it must.
template <bool kLargest, class C>
int64_t find_in_row(const char* x, int64_t n, int64_t size, Load<C> load) {
  C buffer[kTile], best{};
  int64_t found = 0;
  for (int64_t at = 0; at < n; at += kTile) {
    const int64_t m = std::min(kTile, n - at);
    load(x + at * size, buffer, m);
    for (int64_t i = 0; i < m; ++i)
      if (at + i == 0 || better<kLargest>(buffer[i], best)) best = buffer[i], found = at + i;
  }
  return found;
}

// The same for m <= kTile neighbouring columns of n rows.
template <bool kLargest, class C>
void find_in_columns(const char* x, int64_t n, int64_t stride, int64_t size, int64_t m,
                     Load<C> load, double* found) {
  C buffer[kTile], best[kTile];
  load(x, best, m);
  std::fill_n(found, m, 0.0);
  for (int64_t r = 1; r < n; ++r) {
    load(x + r * stride * size, buffer, m);
    for (int64_t i = 0; i < m; ++i)
      if (better<kLargest>(buffer[i], best[i])) best[i] = buffer[i], found[i] = double(r);
  }
}

template <bool kLargest, class C>
void find(const OpContext& ctx, const Blob& x, const Blob& y, int64_t outer, int64_t n,
          int64_t inner) {
  const Load<C> load = load_of<C>(x.dtype);
  const Store<double> store = store_of<double>(y.dtype);
  const int64_t size = dtype_size(x.dtype), out_size = dtype_size(y.dtype);
  const auto* from = static_cast<const char*>(x.data);
  auto* to = static_cast<char*>(y.data);
  const int64_t grain = std::max<int64_t>(1, kGrain / std::max<int64_t>(1, n * inner));
  ctx.parallel_for(outer, grain, [&](int64_t begin, int64_t end) {
    double found[kTile];
    for (int64_t o = begin; o < end; ++o)
      for (int64_t column = 0; column < inner; column += kTile) {
        const int64_t m = std::min(kTile, inner - column);
        const char* at = from + (o * n * inner + column) * size;
        if (inner == 1) found[0] = double(find_in_row<kLargest, C>(at, n, size, load));
        else find_in_columns<kLargest, C>(at, n, inner, size, m, load, found);
        store(found, to + (o * inner + column) * out_size, m);
      }
  });
}

template <bool kLargest>
void search(OpContext& ctx, std::string_view op, std::optional<int64_t> axis, const Blob& x,
            const Blob& y) {
  const int d = axis ? normalize_axis(op, *axis, x.shape.rank()) : 0;
  const int64_t outer = axis ? x.shape.size(0, d) : 1, inner = axis ? x.shape.size(d + 1) : 1;
  const int64_t n = axis ? x.shape[d] : x.size();
  check(n > 0, "[{}] data has shape {}, expected at least one element to choose from", op, x.shape);
  if (x.dtype == Dtype::kFloat64) find<kLargest, double>(ctx, x, y, outer, n, inner);
  else if (is_float(x.dtype)) find<kLargest, float>(ctx, x, y, outer, n, inner);
  else find<kLargest, int64_t>(ctx, x, y, outer, n, inner);
}

void largest(const Param& p, OpContext& ctx, Inputs in, Outputs out) {
  search<true>(ctx, "argmax", p.axis, in[0], out[0]);
}
void smallest(const Param& p, OpContext& ctx, Inputs in, Outputs out) {
  search<false>(ctx, "argmin", p.axis, in[0], out[0]);
}

void infer_channel(InferContext& c) {
  c.set_out(0, reduced_shape("argmax_channel", c.in(0), Shape{1}, false, false));
}
void channel(OpContext& ctx, Inputs in, Outputs out) {
  search<true>(ctx, "argmax_channel", 1, in[0], out[0]);
}

void define(OpTable& ops) {
  ops.define({.name = "argmax",
              .doc = "Where the largest element stands, as float32; int32, int64 and float64 data "
                     "keep their dtype.",
              .params = schema<Param>(),
              .infer = infer,
              .infer_dtype = infer_dtype,
              .cpu = largest,
              .backward = {.zero = true}});
  ops.define({.name = "argmin",
              .doc = "Where the smallest element stands, as float32; int32, int64 and float64 data "
                     "keep their dtype.",
              .params = schema<Param>(),
              .infer = infer,
              .infer_dtype = infer_dtype,
              .cpu = smallest,
              .backward = {.zero = true}});
  ops.define({.name = "argmax_channel",
              .doc = "argmax over axis 1.",
              .infer = infer_channel,
              .infer_dtype = infer_dtype,
              .cpu = channel});
}

}  // namespace heddle::ops::argmax
