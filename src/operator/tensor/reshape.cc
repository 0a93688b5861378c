// Operators that give the same elements another shape.
#include <algorithm>
#include <utility>

#include "operator/extent.h"
#include "operator/tensor/view.h"

namespace heddle::ops::reshape {

void run(OpContext& ctx, Inputs in, Outputs out) { view::copy_all(ctx, in[0], out[0]); }

// The gradient has the elements of dy; its shape is that of the output blob. A second input, which
// only gave its shape, gets zeros.
void backward(OpContext& ctx, Inputs in, Outputs out) {
  if (ctx.wants(0)) view::copy_all(ctx, in[0], out[0]);
  if (out.size() > 1 && ctx.wants(1)) view::zero(ctx, out[1]);
}

std::vector<GradContext::Value> build(GradContext& g) {
  std::vector<GradContext::Value> grads(size_t(g.inputs()));
  grads[0] = g.call("reshape_like", {g.dy(), g.x()});
  return grads;
}

Backward gradient() {
  return {.reads = {dy()},
          .run = backward,
          .views = view::same_elements,
          .build = build,
          .inplace = {{0, 0}}};
}

// --- Reshape -----------------------------------------------------------------------------------
struct ReshapeParam {
  std::vector<int64_t> shape;
  bool reverse = false;
  Shape target_shape{};
  bool keep_highest = false;
  void fields(auto&& f) {
    f("shape", shape,
      "The new shape. 0 copies the input's extent, -1 is found from the size, -2 copies all that "
      "are left, -3 is the product of two, -4 splits one into the two numbers that follow.");
    f("reverse", reverse, "Match the codes from the right.");
    f("target_shape", target_shape, "Deprecated: the new shape; one 0 is found from the size.");
    f("keep_highest", keep_highest, "Deprecated: with target_shape, keep the first extent.");
  }
};

// Consumes the input's extents while it follows the codes.
class Codes {
 public:
  Codes(std::vector<int64_t> input, std::vector<int64_t> codes)
      : input_(std::move(input)), codes_(std::move(codes)) {}

  std::vector<int64_t> follow() {
    for (at_ = 0; at_ < codes_.size(); ++at_) step(codes_[at_]);
    if (inferred_ >= 0) {
      const int64_t rest = product(out_, size_t(inferred_)), all = product(input_, input_.size());
      check(rest == 0 ? all == 0 : all % rest == 0,
            "[Reshape] {} elements do not divide into groups of {}", all, rest);
      out_[size_t(inferred_)] = rest == 0 ? 0 : all / rest;
    }
    return out_;
  }

 private:
  void step(int64_t code) {
    if (code == 0) {
      out_.push_back(next(code));
    } else if (code == -1) {
      check(inferred_ < 0, "[Reshape] shape has two -1, expected at most one");
      inferred_ = int(out_.size());
      out_.push_back(1), ++used_;
    } else if (code == -2) {
      while (used_ < input_.size()) out_.push_back(input_[used_++]);
    } else if (code == -3) {
      const int64_t first = next(code);
      out_.push_back(times(first, next(code)));
    } else if (code == -4) {
      split(next(code));
    } else {
      check(code > 0, "[Reshape] shape has the code {}, expected -4 or more", code);
      out_.push_back(code), ++used_;
    }
  }
  void split(int64_t whole) {
    check(at_ + 2 < codes_.size(), "[Reshape] two numbers must follow the code -4");
    int64_t a = codes_[++at_], b = codes_[++at_];
    check(a != -1 || b != -1, "[Reshape] both numbers after -4 are -1, expected at most one");
    if (a == -1) a = b == 0 ? 0 : whole / b;
    if (b == -1) b = a == 0 ? 0 : whole / a;
    check(a >= 0 && b >= 0 && times(a, b) == whole, "[Reshape] cannot split {} into {} x {}", whole,
          a, b);
    out_.push_back(a), out_.push_back(b);
  }
  int64_t next(int64_t code) {
    check(used_ < input_.size(), "[Reshape] no extent is left for the code {}", code);
    return input_[used_++];
  }
  static int64_t product(const std::vector<int64_t>& v, size_t skip) {
    int64_t n = 1;
    for (size_t i = 0; i < v.size(); ++i) n = times(n, i == skip ? 1 : v[i]);
    return n;
  }
  std::vector<int64_t> input_, codes_, out_;
  size_t used_ = 0, at_ = 0;
  int inferred_ = -1;
};

Shape reshaped(const ReshapeParam& p, const Shape& x) {
  if (p.shape.empty() && p.target_shape.rank() > 0) {
    std::vector<int64_t> codes(p.target_shape.begin(), p.target_shape.end());
    const bool keep = p.keep_highest;
    for (size_t i = 0; i < codes.size(); ++i)
      if (keep && i == 0) codes[i] = x[0];
      else if (codes[i] == 0) codes[i] = -1;
    const auto out = Codes({x.begin(), x.end()}, codes).follow();
    return Shape::of(out.begin(), out.end());
  }
  check(!p.shape.empty(), "[Reshape] shape is missing");
  std::vector<int64_t> extents(x.begin(), x.end()), codes = p.shape;
  if (p.reverse) {
    std::reverse(extents.begin(), extents.end());
    std::reverse(codes.begin(), codes.end());
  }
  std::vector<int64_t> out = Codes(std::move(extents), std::move(codes)).follow();
  if (p.reverse) std::reverse(out.begin(), out.end());
  return Shape::of(out.begin(), out.end());
}

void infer_reshape(const ReshapeParam& p, InferContext& c) {
  const Shape& x = c.in(0);
  if (x.known()) {
    const Shape y = reshaped(p, x);
    check(elements(y) == x.size(), "[Reshape] data has shape {}, which does not fill {}", x, y);
    return c.set_out(0, y);
  }
  // One unknown extent of the input follows from the output's size.
  if (!c.out(0).known() || !x.has_rank()) return;
  Shape full = x;
  int64_t rest = 1;
  int unknown = -1, count = 0;
  for (int d = 0; d < x.rank(); ++d)
    if (x[d] < 0) unknown = d, ++count;
    else rest *= x[d];
  if (count != 1 || rest == 0 || c.out(0).size() % rest) return;
  full[unknown] = c.out(0).size() / rest;
  c.set_in(0, full);
}

// --- the others --------------------------------------------------------------------------------
void infer_flatten(InferContext& c) {
  const Shape& x = c.in(0);
  if (!x.has_rank()) return;
  check(x.rank() >= 1, "[Flatten] data has no axes, expected at least one");
  Shape y{x[0], 1};
  for (int d = 1; d < x.rank(); ++d) y[1] = x[d] < 0 || y[1] < 0 ? -1 : y[1] * x[d];
  c.set_out(0, y);
}

struct ExpandParam {
  int axis = 0;
  void fields(auto&& f) { f("axis", axis, "Where the new axis goes; may be negative.").required(); }
};
void infer_expand(const ExpandParam& p, InferContext& c) {
  const Shape &x = c.in(0), &y = c.out(0);
  if (x.has_rank()) {
    const int axis = normalize_axis("expand_dims", p.axis, x.rank() + 1);
    Shape more = Shape::unknown(0);
    for (int d = 0; d <= x.rank(); ++d) more.append(d == axis ? 1 : x[d - (d > axis)]);
    c.set_out(0, more);
  }
  if (y.has_rank()) {
    const int axis = normalize_axis("expand_dims", p.axis, y.rank());
    Shape less = Shape::unknown(0);
    for (int d = 0; d < y.rank(); ++d)
      if (d != axis) less.append(y[d]);
    c.set_in(0, less);
  }
}

struct SqueezeParam {
  std::optional<std::vector<int64_t>> axis;
  void fields(auto&& f) { f("axis", axis, "The axes to drop, of extent 1; None drops all such."); }
};
void infer_squeeze(const SqueezeParam& p, InferContext& c) {
  const Shape& x = c.in(0);
  if (!x.known()) return;
  bool drop[Shape::kMaxRank] = {};
  if (p.axis) {
    for (int64_t a : *p.axis) {
      const int axis = normalize_axis("squeeze", a, x.rank());
      check(x[axis] == 1, "[squeeze] axis {} of data has extent {}, expected 1", axis, x[axis]);
      check(!drop[axis], "[squeeze] axis {} is named twice", axis);
      drop[axis] = true;
    }
  } else {
    for (int d = 0; d < x.rank(); ++d) drop[d] = x[d] == 1;
  }
  Shape y = Shape::unknown(0);
  for (int d = 0; d < x.rank(); ++d)
    if (!drop[d]) y.append(x[d]);
  if (y.rank() == 0) y.append(1);
  c.set_out(0, y);
}

struct LikeParam {
  std::optional<int64_t> lhs_begin, lhs_end, rhs_begin, rhs_end;
  void fields(auto&& f) {
    f("lhs_begin", lhs_begin, "The first axis of lhs to replace; None is 0.");
    f("lhs_end", lhs_end, "The axis after the last one to replace; None is all.");
    f("rhs_begin", rhs_begin, "The first axis of rhs to take; None is 0.");
    f("rhs_end", rhs_end, "The axis after the last one to take; None is all.");
  }
};
int bound(std::optional<int64_t> v, int none, int rank) {
  int64_t at = v.value_or(none);
  if (at < 0) at += rank;
  check(at >= 0 && at <= rank, "[reshape_like] an axis is {}, expected at most {}", at, rank);
  return int(at);
}
void infer_like(const LikeParam& p, InferContext& c) {
  const Shape &x = c.in(0), &like = c.in(1);
  if (!x.known() || !like.known()) return;
  const int lb = bound(p.lhs_begin, 0, x.rank()), le = bound(p.lhs_end, x.rank(), x.rank());
  const int rb = bound(p.rhs_begin, 0, like.rank()),
            re = bound(p.rhs_end, like.rank(), like.rank());
  Shape y = Shape::unknown(0);
  for (int d = 0; d < lb; ++d) y.append(x[d]);
  for (int d = rb; d < re; ++d) y.append(like[d]);
  for (int d = le; d < x.rank(); ++d) y.append(x[d]);
  check(y.size() == x.size(), "[reshape_like] lhs has shape {}, which does not fill {}", x, y);
  c.set_out(0, y);
}
// The two inputs may differ in dtype: only the shape of the second counts.
void infer_like_dtype(InferContext& c) {
  c.set_out_dtype(0, c.in_dtype(0));
  c.set_in_dtype(0, c.out_dtype(0));
}

void infer_shape_array(InferContext& c) {
  if (c.in(0).has_rank()) c.set_out(0, {c.in(0).rank()});
}
void infer_size_array(InferContext& c) { c.set_out(0, {1}); }
void shape_array(OpContext&, Inputs in, Outputs out) {
  std::copy(in[0].shape.begin(), in[0].shape.end(), out[0].as<int64_t>());
}
void size_array(OpContext&, Inputs in, Outputs out) { *out[0].as<int64_t>() = in[0].size(); }

void define(OpTable& ops) {
  ops.define({.name = "Reshape",
              .aliases = {"reshape"},
              .doc = "The same elements in another shape.",
              .params = schema<ReshapeParam>(),
              .infer = infer_reshape,
              .inplace = {{0, 0}},
              .cpu = run,
              .views = view::same_elements,
              .backward = gradient()});
  ops.define({.name = "Flatten",
              .aliases = {"flatten"},
              .doc = "(batch, ...) as a matrix (batch, everything else).",
              .infer = infer_flatten,
              .inplace = {{0, 0}},
              .cpu = run,
              .views = view::same_elements,
              .backward = gradient()});
  ops.define({.name = "expand_dims",
              .doc = "Adds an axis of extent 1.",
              .params = schema<ExpandParam>(),
              .infer = infer_expand,
              .inplace = {{0, 0}},
              .cpu = run,
              .views = view::same_elements,
              .backward = gradient()});
  ops.define({.name = "squeeze",
              .doc = "Drops axes of extent 1.",
              .params = schema<SqueezeParam>(),
              .infer = infer_squeeze,
              .inplace = {{0, 0}},
              .cpu = run,
              .views = view::same_elements,
              .backward = gradient()});
  ops.define({.name = "reshape_like",
              .doc = "lhs in the shape of rhs, or with some of its axes.",
              .params = schema<LikeParam>(),
              .inputs = {{"lhs"}, {.name = "rhs", .shape_only = true}},
              .infer = infer_like,
              .infer_dtype = infer_like_dtype,
              .inplace = {{0, 0}},
              .cpu = run,
              .views = view::same_elements,
              .backward = gradient()});
  ops.define({.name = "shape_array",
              .doc = "The shape of data, as a tensor.",
              .inputs = {{.name = "data", .shape_only = true}},
              .infer = infer_shape_array,
              .infer_dtype = infer_out_dtype<Dtype::kInt64>,
              .cpu = shape_array,
              .backward = {.zero = true}});
  ops.define({.name = "size_array",
              .doc = "The number of elements of data, as a tensor.",
              .inputs = {{.name = "data", .shape_only = true}},
              .infer = infer_size_array,
              .infer_dtype = infer_out_dtype<Dtype::kInt64>,
              .cpu = size_array,
              .backward = {.zero = true}});
}

}  // namespace heddle::ops::reshape
