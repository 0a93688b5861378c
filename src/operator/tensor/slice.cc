// Taking a box out of a tensor, and writing one into it.
#include <algorithm>
#include <utility>

#include "operator/tensor/view.h"

namespace heddle::ops::slice {

using view::View;

// Per axis: where the box begins, how many elements it has, how far they are apart.
struct Box {
  int rank = 0;
  int64_t begin[Shape::kMaxRank] = {}, count[Shape::kMaxRank] = {}, step[Shape::kMaxRank] = {};

  static Box whole(const Shape& x) {
    Box b;
    for (int64_t extent : x) b.begin[b.rank] = 0, b.count[b.rank] = extent, b.step[b.rank++] = 1;
    return b;
  }
  Shape shape() const { return Shape::of(count, count + rank); }
  View view(const Shape& x) const {
    View v(x);
    for (int d = 0; d < rank; ++d) v.slice(d, begin[d], count[d], step[d]);
    return v;
  }
};

void take_box(OpContext& ctx, const Box& box, const Blob& x, const Blob& y) {
  view::copy(ctx, x, box.view(x.shape), y, View(y.shape));
}
void put_box(OpContext& ctx, const Box& box, const Blob& y, const Blob& x) {
  view::copy(ctx, y, View(box.shape()), x, box.view(x.shape));
}

// Whole layers of the first axis that has more than one.
Views views_of(const Box& box, const Blob& x) {
  int axis = 0;
  while (axis + 1 < box.rank && x.shape[axis] == 1) ++axis;
  for (int d = 0; d < box.rank; ++d)
    if (box.step[d] != 1 || (d > axis && box.count[d] != x.shape[d])) return {};
  if (box.rank == 0 || box.shape().size() == 0) return {};
  return view::parts_along(Views::kInput, x, axis, {box.begin[axis]});
}

// --- parameters and the boxes they describe ----------------------------------------------------
struct SliceParam {
  std::vector<std::optional<int64_t>> begin, end, step;
  void fields(auto&& f) {
    f("begin", begin, "Per axis, where to begin; None is the first, or last with a negative step.")
        .required();
    f("end", end, "Per axis, where to stop; None is the end.").required();
    f("step", step, "Per axis, how far to go; None is 1.");
  }
};
// As Python's slices: out of range is cut off.
Box box_of(std::string_view op, const SliceParam& p, const Shape& x) {
  Box box = Box::whole(x);
  check(p.begin.size() == p.end.size(), "[{}] begin has {} numbers, end has {}", op, p.begin.size(),
        p.end.size());
  check(p.step.empty() || p.step.size() == p.begin.size(), "[{}] step has {} numbers, begin has {}",
        op, p.step.size(), p.begin.size());
  check(p.begin.size() <= size_t(x.rank()), "[{}] begin has {} numbers, data has {} axes", op,
        p.begin.size(), x.rank());
  for (size_t d = 0; d < p.begin.size(); ++d) {
    const int64_t n = x[int(d)], far = std::max<int64_t>(n, 1);
    const int64_t given = p.step.empty() ? 1 : p.step[d].value_or(1);
    check(given != 0, "[{}] step is 0", op);
    const int64_t step = std::clamp(given, -far, far);  // a longer one leaves the axis as well
    const int64_t low = step > 0 ? 0 : -1, high = step > 0 ? n : n - 1;
    auto place = [&](const std::optional<int64_t>& v, int64_t none) {
      return v ? std::clamp(*v < 0 ? *v + n : *v, low, high) : none;
    };
    const int64_t b = place(p.begin[d], step > 0 ? low : high);
    const int64_t e = place(p.end[d], step > 0 ? high : low);
    box.begin[d] = b, box.step[d] = step;
    box.count[d] =
        std::max<int64_t>(0, step > 0 ? (e - b + step - 1) / step : (b - e - step - 1) / -step);
  }
  return box;
}

struct AxisParam {
  int axis = 0;
  int64_t begin = 0;
  std::optional<int64_t> end;
  void fields(auto&& f) {
    f("axis", axis, "The axis to cut.").required();
    f("begin", begin, "Where to begin; negative counts from the end.").required();
    f("end", end, "Where to stop; negative counts from the end, None is the end.").required();
  }
};
Box box_of(std::string_view op, const AxisParam& p, const Shape& x) {
  Box box = Box::whole(x);
  const int axis = normalize_axis(op, p.axis, x.rank());
  const int64_t n = x[axis], b = p.begin < 0 ? p.begin + n : p.begin;
  const int64_t e = !p.end ? n : *p.end < 0 ? *p.end + n : *p.end;
  if (n == 0) return box;  // there is nothing to cut, wherever it begins
  check(0 <= b && b <= e && e <= n, "[{}] begin {} and end {} do not lie on an axis of extent {}",
        op, p.begin, p.end ? *p.end : n, n);
  box.begin[axis] = b, box.count[axis] = e - b;
  return box;
}

struct LikeParam {
  std::vector<int64_t> axes;
  void fields(auto&& f) { f("axes", axes, "The axes to cut; () cuts all."); }
};
Box box_like(const LikeParam& p, const Shape& x, const Shape& like) {
  Box box = Box::whole(x);
  auto cut = [&](int axis) {
    check(like[axis] <= x[axis], "[slice_like] data has shape {}, smaller than shape_like's {}", x,
          like);
    box.count[axis] = like[axis];
  };
  if (p.axes.empty())
    check(x.rank() == like.rank(), "[slice_like] data has {} axes, shape_like has {}", x.rank(),
          like.rank());
  for (int d = 0; p.axes.empty() && d < x.rank(); ++d) cut(d);
  for (int64_t a : p.axes) {
    const int axis = normalize_axis("slice_like", a, x.rank());
    check(axis < like.rank(), "[slice_like] axis {} is beyond shape_like's {} axes", axis,
          like.rank());
    cut(axis);
  }
  return box;
}

// --- slice, slice_axis -------------------------------------------------------------------------
template <class P>
Views views(const P& p, const Situation& s) {
  if (!s.out[0].stored.plain()) return {};
  return views_of(box_of("slice", p, s.in[0].shape), s.in[0]);
}
template <class P>
void infer(const P& p, InferContext& c) {
  if (c.in(0).known()) c.set_out(0, box_of(c.op().name, p, c.in(0)).shape());
}
template <class P>
void forward(const P& p, OpContext& ctx, Inputs in, Outputs out) {
  take_box(ctx, box_of("slice", p, in[0].shape), in[0], out[0]);
}
template <class P>
void backward(const P& p, OpContext& ctx, Inputs in, Outputs out) {
  view::zero(ctx, out[0]);
  put_box(ctx, box_of("slice", p, out[0].shape), in[0], out[0]);
}

// --- slice_like --------------------------------------------------------------------------------
void infer_like(const LikeParam& p, InferContext& c) {
  if (c.in(0).known() && c.in(1).known()) c.set_out(0, box_like(p, c.in(0), c.in(1)).shape());
}
void infer_like_dtype(InferContext& c) {
  c.set_out_dtype(0, c.in_dtype(0));
  c.set_in_dtype(0, c.out_dtype(0));
}
void like(const LikeParam& p, OpContext& ctx, Inputs in, Outputs out) {
  take_box(ctx, box_like(p, in[0].shape, in[1].shape), in[0], out[0]);
}
void like_backward(const LikeParam&, OpContext& ctx, Inputs in, Outputs out) {
  if (ctx.wants(0)) {
    Box box = Box::whole(out[0].shape);
    std::copy(in[0].shape.begin(), in[0].shape.end(), box.count);
    view::zero(ctx, out[0]);
    put_box(ctx, box, in[0], out[0]);
  }
  if (ctx.wants(1)) view::zero(ctx, out[1]);
}

// --- _slice_assign, _slice_assign_scalar -------------------------------------------------------
struct ScalarParam : SliceParam {
  double scalar = 0;
  void fields(auto&& f) {
    f("scalar", scalar, "What to write.");
    SliceParam::fields(f);
  }
};
void infer_assign(const SliceParam& p, InferContext& c) {
  c.set_out(0, c.in(0));
  c.set_in(0, c.out(0));
  if (c.in(0).known()) c.set_in(1, box_of(c.op().name, p, c.in(0)).shape());
}
void assign(const SliceParam& p, OpContext& ctx, Inputs in, Outputs out) {
  view::copy_all(ctx, in[0], out[0]);
  put_box(ctx, box_of("_slice_assign", p, out[0].shape), in[1], out[0]);
}
void assign_scalar(const ScalarParam& p, OpContext& ctx, Inputs in, Outputs out) {
  view::copy_all(ctx, in[0], out[0]);
  const Box box = box_of("_slice_assign_scalar", p, out[0].shape);
  Blob one{ctx.scratch(8), {1}, out[0].dtype, out[0].device};
  with_dtype(one.dtype, "_slice_assign_scalar", [&](auto t) {
    *static_cast<decltype(t)*>(one.data) = static_cast<decltype(t)>(p.scalar);
  });
  View repeated;
  for (int64_t n : box.shape()) repeated.push(n, 0);
  view::copy(ctx, one, repeated, out[0], box.view(out[0].shape));
}
std::vector<GradContext::Value> build_assign(GradContext& g) {
  Kwargs scalar = g.kwargs();
  scalar.insert_or_assign("scalar", std::string("0"));
  return {g.call("_slice_assign_scalar", {g.dy()}, scalar), g.call("slice", {g.dy()}, g.kwargs())};
}
std::vector<GradContext::Value> build_assign_scalar(GradContext& g) {
  Kwargs scalar = g.kwargs();
  scalar.insert_or_assign("scalar", std::string("0"));
  return {g.call("_slice_assign_scalar", {g.dy()}, scalar)};
}

// --- Crop --------------------------------------------------------------------------------------
struct CropParam {
  int64_t num_args = 1;
  Shape offset{0, 0}, h_w{0, 0};
  bool center_crop = false;
  void fields(auto&& f) {
    f("num_args", num_args, "1, or 2: crop to the rows and columns of the second input.")
        .required()
        .range(1, 2);
    f("offset", offset, "The first row and column.");
    f("h_w", h_w, "Rows and columns of the result, with one input.");
    f("center_crop", center_crop, "Take the middle instead.");
  }
};
Box crop_box(const CropParam& p, const Shape& x, int64_t rows, int64_t columns) {
  Box box = Box::whole(x);
  const int64_t size[] = {rows, columns};
  for (int k = 0; k < 2; ++k) {
    const int64_t n = x[2 + k];
    const int64_t begin = p.center_crop ? (n - size[k]) / 2 : p.offset[k];
    check(size[k] > 0 && size[k] <= n && begin >= 0 && begin <= n - size[k],
          "[Crop] data has shape {}, cannot take {} from {} on along axis {}", x, size[k], begin,
          2 + k);
    box.begin[2 + k] = begin, box.count[2 + k] = size[k];
  }
  return box;
}
void infer_crop(const CropParam& p, InferContext& c) {
  check(p.offset.rank() == 2 && p.h_w.rank() == 2, "[Crop] offset and h_w are pairs");
  const Shape& x = c.in(0);
  if (!x.known() || (p.num_args == 2 && !c.in(1).known())) return;
  check(x.rank() == 4, "[Crop] data has shape {}, expected four axes", x);
  if (p.num_args == 1) return c.set_out(0, crop_box(p, x, p.h_w[0], p.h_w[1]).shape());
  check(c.in(1).rank() == 4, "[Crop] arg1 has shape {}, expected four axes", c.in(1));
  c.set_out(0, crop_box(p, x, c.in(1)[2], c.in(1)[3]).shape());
}
void crop(const CropParam& p, OpContext& ctx, Inputs in, Outputs out) {
  take_box(ctx, crop_box(p, in[0].shape, out[0].shape[2], out[0].shape[3]), in[0], out[0]);
}
void crop_backward(const CropParam& p, OpContext& ctx, Inputs in, Outputs out) {
  if (ctx.wants(0)) {
    view::zero(ctx, out[0]);
    put_box(ctx, crop_box(p, out[0].shape, in[0].shape[2], in[0].shape[3]), in[0], out[0]);
  }
  if (out.size() > 1 && ctx.wants(1)) view::zero(ctx, out[1]);
}

void define(OpTable& ops) {
  ops.define({.name = "slice",
              .aliases = {"crop"},
              .doc = "A box of the tensor, with a step along each axis.",
              .params = schema<SliceParam>(),
              .infer = infer<SliceParam>,
              .cpu = forward<SliceParam>,
              .views = views<SliceParam>,
              .backward = {.reads = {dy()}, .run = backward<SliceParam>, .linear = Linear::kYes}});
  ops.define({.name = "slice_axis",
              .doc = "A stretch of one axis.",
              .params = schema<AxisParam>(),
              .infer = infer<AxisParam>,
              .cpu = forward<AxisParam>,
              .views = views<AxisParam>,
              .backward = {.reads = {dy()}, .run = backward<AxisParam>, .linear = Linear::kYes}});
  ops.define({.name = "slice_like",
              .doc = "The first elements along some axes, as many as shape_like has.",
              .params = schema<LikeParam>(),
              .inputs = {{"data"}, {.name = "shape_like", .shape_only = true}},
              .infer = infer_like,
              .infer_dtype = infer_like_dtype,
              .cpu = like,
              .backward = {.reads = {dy()}, .run = like_backward, .linear = Linear::kYes}});
  ops.define({.name = "_slice_assign",
              .aliases = {"_crop_assign"},
              .doc = "lhs with a box of it replaced by rhs.",
              .params = schema<SliceParam>(),
              .inputs = {{"lhs"}, {"rhs"}},
              .infer = infer_assign,
              .inplace = {{0, 0}},
              .cpu = assign,
              .backward = {.build = build_assign}});
  ops.define({.name = "_slice_assign_scalar",
              .aliases = {"_crop_assign_scalar"},
              .doc = "data with every element of a box replaced by a number.",
              .params = schema<ScalarParam>(),
              .inplace = {{0, 0}},
              .cpu = assign_scalar,
              .backward = {.build = build_assign_scalar}});
  ops.define({.name = "Crop",
              .doc = "Rows and columns of a batch of images (NCHW).",
              .params = schema<CropParam>(),
              .inputs = {{"arg0"},
                         {.name = "arg1",
                          .doc = "(n, c, rows, columns)",
                          .shape_only = true,
                          .when = when("num_args", 2)}},
              .variadic = "num_args",
              .infer = infer_crop,
              .cpu = crop,
              .backward = {.reads = {dy()}, .run = crop_backward, .linear = Linear::kYes}});
}

}  // namespace heddle::ops::slice
