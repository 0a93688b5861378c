// Operators that repeat a tensor along axes of extent 1, and those that undo it.
#include <algorithm>
#include <cstring>

#include "operator/elemwise/binary.h"
#include "operator/elemwise/loops.h"
#include "operator/elemwise/reduction.h"
#include "operator/scratch_needs.h"

namespace heddle::ops::broadcast {
using namespace ew;

// --- broadcast_to, broadcast_axis ---------------------------------------------------------------
struct ToParam {
  Shape shape;
  void fields(auto&& f) { f("shape", shape, "The result's shape; 0 keeps an axis as it is."); }
};
void infer_to(const ToParam& p, InferContext& c) {
  const Shape& x = c.in(0);
  if (!x.has_rank()) return;
  check(p.shape.rank() == x.rank(), "[broadcast_to] shape is {}, expected {} axes as data {} has",
        p.shape, x.rank(), x);
  Shape y = x;
  for (int d = 0; d < x.rank(); ++d) {
    if (p.shape[d] <= 0 || x[d] < 0) continue;
    check(x[d] == 1 || x[d] == p.shape[d], "[broadcast_to] data {} cannot be broadcast to {}", x,
          p.shape);
    y[d] = p.shape[d];
  }
  c.set_out(0, y);
}

struct AxisParam {
  Shape axis = Shape::unknown(0), size = Shape::unknown(0);
  void fields(auto&& f) {
    f("axis", axis, "Axes of extent 1 to repeat.");
    f("size", size, "Their new extents.");
  }
};
void infer_axis(const AxisParam& p, InferContext& c) {
  const Shape& x = c.in(0);
  if (!x.has_rank()) return;
  check(p.axis.rank() == p.size.rank(),
        "[broadcast_axis] size is {}, expected one for each of axis {}", p.size, p.axis);
  Shape y = x;
  for (int i = 0; i < p.axis.rank(); ++i) {
    const int d = normalize_axis("broadcast_axis", p.axis[i], x.rank());
    if (x[d] < 0) continue;
    check(x[d] == 1, "[broadcast_axis] axis {} of data {} has extent {}, expected 1", d, x, x[d]);
    y[d] = p.size[i];
  }
  c.set_out(0, y);
}

// --- broadcast_like -----------------------------------------------------------------------------
struct LikeParam {
  std::optional<std::vector<int64_t>> lhs_axes, rhs_axes;
  void fields(auto&& f) {
    f("lhs_axes", lhs_axes, "Axes of lhs to repeat; all when None.");
    f("rhs_axes", rhs_axes, "The axes of rhs that give their extents.");
  }
};
void infer_like(const LikeParam& p, InferContext& c) {
  const Shape &x = c.in(0), &like = c.in(1);
  if (!x.has_rank() || !like.has_rank()) return;
  Shape y = x;
  if (p.lhs_axes || p.rhs_axes) {
    check(p.lhs_axes && p.rhs_axes && p.lhs_axes->size() == p.rhs_axes->size(),
          "[broadcast_like] lhs_axes and rhs_axes must both be given and have one length");
    check(!p.lhs_axes->empty(), "[broadcast_like] lhs_axes is empty, expected an axis or None");
    for (size_t i = 0; i < p.lhs_axes->size(); ++i)
      y[normalize_axis("broadcast_like", (*p.lhs_axes)[i], x.rank())] =
          like[normalize_axis("broadcast_like", (*p.rhs_axes)[i], like.rank())];
  } else {
    check(x.rank() == like.rank(),
          "[broadcast_like] lhs has shape {}, expected {} axes as rhs {} has", x, like.rank(),
          like);
    y = like;
  }
  for (int d = 0; d < x.rank(); ++d)
    check(x[d] == y[d] || x[d] == 1 || x[d] < 0 || y[d] < 0,
          "[broadcast_like] lhs {} cannot be broadcast to {}", x, y);
  c.set_out(0, y);
}

void infer_dtype_of_first(InferContext& c) {
  c.set_out_dtype(0, c.in_dtype(0));
  c.set_in_dtype(0, c.out_dtype(0));
}

template <class P>
void repeat(const P&, OpContext& ctx, Inputs in, Outputs out) {
  copy_broadcast(ctx, in[0], out[0]);
}
// in: dy; out: the gradient of data, then zero for what only gave its shape.
template <class P>
void sum_back(const P&, OpContext& ctx, Inputs in, Outputs out) {
  if (ctx.wants(0)) sum_to(ctx, in[0], out[0]);
  if (out.size() > 1 && ctx.wants(1)) std::memset(out[1].data, 0, size_t(out[1].bytes()));
}

ScratchNeed sum_back_scratch(const Situation& s) {
  return s.wants(0) ? sum_to_scratch(s.in[0].shape, s.out[0].shape) : ScratchNeed{};
}

// --- _sum_like, _expand_like: both directions as operators, for gradients of gradients -----------
void infer_first_like_second(InferContext& c) { c.set_out(0, c.in(1)); }
void sum_like(OpContext& ctx, Inputs in, Outputs out) { sum_to(ctx, in[0], out[0]); }
// in: dy; out: the gradient of data, and zero for `like`.
void sum_like_gradient(OpContext& ctx, Inputs in, Outputs out) {
  if (ctx.wants(0)) copy_broadcast(ctx, in[0], out[0]);
  if (ctx.wants(1)) std::memset(out[1].data, 0, size_t(out[1].bytes()));
}

struct ExpandParam : ReduceParam {
  bool average = false;
  void fields(auto&& f) {
    ReduceParam::fields(f);
    f("average", average, "Divide by the number of elements that each one stands for.");
  }
};
// A reduction's result as data sees it, and how many elements each of its own stands for.
Blob kept_view(const ExpandParam& p, const Blob& small, const Shape& whole) {
  Blob b = small;
  b.shape = kept_shape("_expand_like", whole, p.axis, p.exclude);
  return b;
}
double times(const Blob& small, const Blob& whole) {
  return double(whole.size()) / double(std::max<int64_t>(small.size(), 1));
}
void expand_like(const ExpandParam& p, OpContext& ctx, Inputs in, Outputs out) {
  const Blob x = kept_view(p, in[0], out[0].shape);
  if (!p.average) return copy_broadcast(ctx, x, out[0]);
  map(ctx, kLoops<Div>, {x, times(x, out[0])}, out[0]);
}
void expand_like_gradient(const ExpandParam& p, OpContext& ctx, Inputs in, Outputs out) {
  if (ctx.wants(1)) std::memset(out[1].data, 0, size_t(out[1].bytes()));
  if (!ctx.wants(0)) return;
  sum_to(ctx, in[0], kept_view(p, out[0], in[0].shape));
  if (p.average) map(ctx, kLoops<Div>, {out[0], times(out[0], in[0])}, out[0]);
}

ScratchNeed expand_like_scratch(const ExpandParam& p, const Situation& s) {
  if (!s.wants(0)) return {};
  return sum_to_scratch(s.in[0].shape, kept_view(p, s.out[0], s.in[0].shape).shape);
}

using Values = std::vector<GradContext::Value>;
// Adding zeros repeats as NumPy does: `like` may have fewer axes than data, which broadcast_like
// refuses.
Values build_sum_like(GradContext& g) {
  return {g.call("broadcast_add", {g.dy(), g.call("zeros_like", {g.x(0)})}), {}};
}
Values build_expand_like(GradContext& g) {
  Kwargs kw = g.kwargs();
  const bool average = kw["average"] == "True";
  kw.erase("average");
  return {g.call(average ? "mean" : "sum", {g.dy()}, kw), {}};
}
Values build_broadcast(GradContext& g) {
  Values grads(size_t(g.inputs()));
  grads[0] = g.call("_sum_like", {g.dy(), g.call("zeros_like", {g.x(0)})});
  return grads;
}

void define(OpTable& ops) {
  ops.define({.name = "broadcast_to",
              .doc = "Repeats axes of extent 1 up to the given shape.",
              .params = schema<ToParam>(),
              .infer = infer_to,
              .cpu = repeat<ToParam>,
              .backward = {.reads = {dy()},
                           .run = sum_back<ToParam>,
                           .scratch = sum_back_scratch,
                           .build = build_broadcast}});
  ops.define({.name = "broadcast_axis",
              .aliases = {"broadcast_axes"},
              .doc = "Repeats the given axes, which have extent 1.",
              .params = schema<AxisParam>(),
              .infer = infer_axis,
              .cpu = repeat<AxisParam>,
              .backward = {.reads = {dy()},
                           .run = sum_back<AxisParam>,
                           .scratch = sum_back_scratch,
                           .build = build_broadcast}});
  ops.define({.name = "broadcast_like",
              .doc = "Repeats axes of lhs to the extents that rhs has.",
              .params = schema<LikeParam>(),
              .inputs = {{"lhs"}, {.name = "rhs", .shape_only = true}},
              .infer = infer_like,
              .infer_dtype = infer_dtype_of_first,
              .cpu = repeat<LikeParam>,
              .backward = {.reads = {dy()},
                           .run = sum_back<LikeParam>,
                           .scratch = sum_back_scratch,
                           .build = build_broadcast}});
  ops.define({.name = "_sum_like",
              .doc = "Sums data over the axes along which `like` would be repeated to its shape.",
              .inputs = {{"data"}, {.name = "like", .shape_only = true}},
              .infer = infer_first_like_second,
              .cpu = sum_like,
              .scratch = sum_back_scratch,
              .backward = {.reads = {dy()}, .run = sum_like_gradient, .build = build_sum_like}});
  ops.define({.name = "_expand_like",
              .doc = "Repeats a reduction's result over the axes that were reduced from `like`.",
              .params = schema<ExpandParam>(),
              .inputs = {{"data"}, {.name = "like", .shape_only = true}},
              .infer = infer_first_like_second,
              .cpu = expand_like,
              .backward = {.reads = {dy()},
                           .run = expand_like_gradient,
                           .scratch = expand_like_scratch,
                           .build = build_expand_like}});
}

}  // namespace heddle::ops::broadcast
