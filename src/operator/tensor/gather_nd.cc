// Picking and writing elements by coordinates: gather_nd, scatter_nd; rows by a mask: boolean_mask.
#include <algorithm>
#include <cstring>

#include "operator/scratch_needs.h"
#include "operator/tensor/rows.h"
#include "operator/tensor/view.h"

namespace heddle::ops::gather_nd {

using rows::Layout;

// The first `count` axes of a tensor as rows, the others as their elements.
Layout leading(const Shape& x, int count) {
  Layout l;
  l.rows = x.size(0, count), l.length = x.size(count);
  return l;
}

// Row numbers from coordinates (M, ...): one per column. Negative ones count from the end.
int64_t* places(std::string_view op, OpContext& ctx, const Blob& indices, const Shape& x) {
  const int64_t depth = indices.shape[0], n = depth ? indices.size() / depth : 0;
  int64_t* at = rows::read_indices(ctx, indices);
  for (int64_t i = 0; i < n; ++i) {
    int64_t row = 0;
    for (int64_t d = 0; d < depth; ++d) {
      const int64_t extent = x[int(d)], found = at[d * n + i];
      const int64_t k = found < 0 ? found + extent : found;
      check(k >= 0 && k < extent,
            "IndexError: [{}] indices holds {} for axis {}, expected {} to {}", op, found, d,
            -extent, extent - 1);
      row = row * extent + k;
    }
    at[i] = row;  // this column has been read
  }
  return at;
}
int64_t count(const Blob& indices) {
  return indices.shape[0] ? indices.size() / indices.shape[0] : 0;
}
int depth(const Blob& indices) { return int(indices.shape[0]); }

Shape gathered(std::string_view op, const Shape& x, const Shape& at) {
  check(at.rank() >= 1 && at[0] >= 1 && at[0] <= x.rank(),
        "[{}] indices has shape {}, expected 1 to {} rows", op, at, x.rank());
  Shape y = Shape::of(at.begin() + 1, at.end());
  for (int d = int(at[0]); d < x.rank(); ++d) y.append(x[d]);
  if (y.rank() == 0) y.append(1);
  return y;
}

void infer_gather(InferContext& c) {
  if (c.in(0).known() && c.in(1).known()) c.set_out(0, gathered("gather_nd", c.in(0), c.in(1)));
}
void infer_first_dtype(InferContext& c) {
  c.set_out_dtype(0, c.in_dtype(0));
  c.set_in_dtype(0, c.out_dtype(0));
}
void gather(OpContext& ctx, Inputs in, Outputs out) {
  const int64_t* at = places("gather_nd", ctx, in[1], in[0].shape);
  rows::gather(ctx, leading(in[0].shape, depth(in[1])), in[0], at, count(in[1]), out[0]);
}
void gather_backward(OpContext& ctx, Inputs in, Outputs out) {  // dy, indices
  if (ctx.wants(0)) {
    const int64_t* at = places("gather_nd", ctx, in[1], out[0].shape);
    rows::scatter_add(ctx, leading(out[0].shape, depth(in[1])), in[0], at, count(in[1]), out[0]);
  }
  if (ctx.wants(1)) view::zero(ctx, out[1]);
}

// --- scatter_nd, _scatter_set_nd ---------------------------------------------------------------
struct ShapeParam {
  Shape shape;
  void fields(auto&& f) { f("shape", shape, "Of the result.").required(); }
};
void infer_scatter(const ShapeParam& p, InferContext& c) {
  c.set_out(0, p.shape);
  if (c.in(1).known()) c.set_in(0, gathered("scatter_nd", p.shape, c.in(1)));
}
void scatter(const ShapeParam& p, OpContext& ctx, Inputs in, Outputs out) {
  const int64_t* at = places("scatter_nd", ctx, in[1], p.shape);
  view::zero(ctx, out[0]);
  rows::scatter_write(ctx, leading(p.shape, depth(in[1])), in[0], at, count(in[1]), out[0]);
}
void scatter_backward(const ShapeParam& p, OpContext& ctx, Inputs in, Outputs out) {  // dy, indices
  if (ctx.wants(0)) {
    const int64_t* at = places("scatter_nd", ctx, in[1], p.shape);
    rows::gather(ctx, leading(p.shape, depth(in[1])), in[0], at, count(in[1]), out[0]);
  }
  if (ctx.wants(1)) view::zero(ctx, out[1]);
}
void infer_set(const ShapeParam& p, InferContext& c) {
  c.set_in(0, p.shape), c.set_out(0, p.shape);
  if (c.in(2).known()) c.set_in(1, gathered("_scatter_set_nd", p.shape, c.in(2)));
}
void infer_set_dtype(InferContext& c) {
  infer_first_dtype(c);
  c.set_in_dtype(1, c.in_dtype(0));
}
void set(const ShapeParam& p, OpContext& ctx, Inputs in, Outputs out) {
  const int64_t* at = places("_scatter_set_nd", ctx, in[2], p.shape);
  view::copy_all(ctx, in[0], out[0]);
  rows::scatter_write(ctx, leading(p.shape, depth(in[2])), in[1], at, count(in[2]), out[0]);
}
// dy, indices. An element that was written twice belongs to the later value.
void set_backward(const ShapeParam& p, OpContext& ctx, Inputs in, Outputs out) {
  const Layout layout = leading(p.shape, depth(in[1]));
  const int64_t n = count(in[1]);
  int64_t* at = places("_scatter_set_nd", ctx, in[1], p.shape);
  if (ctx.wants(0)) {
    view::copy_all(ctx, in[0], out[0]);
    const int64_t bytes = layout.length * dtype_size(out[0].dtype);
    for (int64_t i = 0; i < n; ++i)
      std::memset(static_cast<char*>(out[0].data) + at[i] * bytes, 0, size_t(bytes));
  }
  if (ctx.wants(1)) {
    int64_t* last = ctx.scratch_of<int64_t>(std::max<int64_t>(1, layout.rows));
    for (int64_t i = 0; i < n; ++i) last[at[i]] = i;
    for (int64_t i = 0; i < n; ++i)
      if (last[at[i]] != i) at[i] = -1;  // reads as zeros
    rows::gather(ctx, layout, in[0], at, n, out[1]);
  }
  if (ctx.wants(2)) view::zero(ctx, out[2]);
}

// --- boolean_mask ------------------------------------------------------------------------------
struct MaskParam {
  int axis = 0;
  void fields(auto&& f) { f("axis", axis, "The axis that the mask lies along."); }
};
void infer_mask(const MaskParam& p, InferContext& c) {
  const Shape& x = c.in(0);
  if (!x.has_rank()) return;
  const int axis = normalize_axis("_contrib_boolean_mask", p.axis, x.rank());
  c.set_in(1, {x[axis]});
  Shape y = x;
  y[axis] = -1;
  c.set_out(0, y);
}
// The numbers of the rows that are kept; how many of them goes to `n`.
int64_t* kept(OpContext& ctx, const Blob& mask, int64_t* n) {
  auto* at = ctx.scratch_of<int64_t>(std::max<int64_t>(1, mask.size()));
  *n = 0;
  with_dtype(mask.dtype, "_contrib_boolean_mask", [&](auto t) {
    using T = decltype(t);
    const T* m = static_cast<const T*>(mask.data);
    for (int64_t i = 0; i < mask.size(); ++i)
      if (m[i] != T(0)) at[(*n)++] = i;
  });
  return at;
}
void mask(const MaskParam& p, OpContext& ctx, Inputs in, Outputs) {
  const int axis = normalize_axis("_contrib_boolean_mask", p.axis, in[0].shape.rank());
  int64_t n;
  const int64_t* at = kept(ctx, in[1], &n);
  Shape y = in[0].shape;
  y[axis] = n;
  const Blob to = ctx.allocate(0, y);
  rows::gather(ctx, Layout(in[0].shape, axis), in[0], at, n, to);
}
void mask_backward(const MaskParam& p, OpContext& ctx, Inputs in, Outputs out) {  // dy, mask
  if (ctx.wants(0)) {
    int64_t n;
    const int64_t* at = kept(ctx, in[1], &n);
    const int axis = normalize_axis("_contrib_boolean_mask", p.axis, out[0].shape.rank());
    view::zero(ctx, out[0]);
    rows::scatter_write(ctx, Layout(out[0].shape, axis), in[0], at, n, out[0]);
  }
  if (ctx.wants(1)) view::zero(ctx, out[1]);
}

void define(OpTable& ops) {
  ops.define(
      {.name = "gather_nd",
       .doc = "Elements or layers of data at coordinates: row d of indices counts along axis d.",
       .inputs = {{"data"}, {"indices"}},
       .infer = infer_gather,
       .infer_dtype = infer_first_dtype,
       .cpu = gather,
       .backward = {.reads = {dy(), x(1)}, .run = gather_backward, .linear = Linear::kYes}});
  ops.define(
      {.name = "scatter_nd",
       .doc = "Zeros with data written at coordinates; of two at one place, the later stays.",
       .params = schema<ShapeParam>(),
       .inputs = {{"data"}, {"indices"}},
       .infer = infer_scatter,
       .infer_dtype = infer_first_dtype,
       .cpu = scatter,
       .backward = {.reads = {dy(), x(1)}, .run = scatter_backward}});
  ops.define({.name = "_scatter_set_nd",
              .doc = "lhs with rhs written at coordinates.",
              .params = schema<ShapeParam>(),
              .inputs = {{"lhs"}, {"rhs"}, {"indices"}},
              .infer = infer_set,
              .infer_dtype = infer_set_dtype,
              .inplace = {{0, 0}},
              .cpu = set,
              .backward = {.reads = {dy(), x(2)}, .run = set_backward}});
  ops.define({.name = "_contrib_boolean_mask",
              .doc = "The layers of data along an axis where index is not zero.",
              .params = schema<MaskParam>(),
              .inputs = {{"data"}, {"index"}},
              .infer = infer_mask,
              .infer_dtype = infer_first_dtype,
              .cpu = mask,
              .backward = {.reads = {dy(), x(1)}, .run = mask_backward},
              .dynamic_shape = true});
  ops.scratch("gather_nd", copies_scratch<8>);
  ops.scratch("scatter_nd", copies_scratch<8>);
  ops.scratch("_scatter_set_nd", copies_scratch<8>);
  ops.scratch("_contrib_boolean_mask", copies_scratch<8>);
  ops.scratch("_backward_gather_nd", copies_scratch<8>);
  ops.scratch("_backward_scatter_nd", copies_scratch<8>);
  ops.scratch("_backward__scatter_set_nd", copies_scratch<8>);
  ops.scratch("_backward__contrib_boolean_mask", copies_scratch<8>);
}

}  // namespace heddle::ops::gather_nd
