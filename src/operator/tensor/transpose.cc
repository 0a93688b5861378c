// Operators that put elements in another order: transpositions, reversal, space against depth.
#include <array>

#include "operator/tensor/view.h"

namespace heddle::ops::transpose {

using view::View;

// --- transpose, SwapAxis -----------------------------------------------------------------------
using Order = std::array<int, Shape::kMaxRank>;  // output axis -> input axis

struct TransposeParam {
  std::vector<int64_t> axes;
  Order order(int rank) const {
    Order o{};
    if (axes.empty()) {
      for (int d = 0; d < rank; ++d) o[size_t(d)] = rank - 1 - d;
      return o;
    }
    check(int(axes.size()) == rank, "[transpose] axes names {} axes, data has {}", axes.size(),
          rank);
    unsigned seen = 0;
    for (int d = 0; d < rank; ++d) {
      o[size_t(d)] = normalize_axis("transpose", axes[size_t(d)], rank);
      seen |= 1u << o[size_t(d)];
    }
    check(seen == (1u << rank) - 1, "[transpose] axes repeats an axis");
    return o;
  }
  void fields(auto&& f) {
    f("axes", axes, "The input's axis that each output axis is; () turns the order around.");
  }
};
struct SwapParam {
  int dim1 = 0, dim2 = 0;
  Order order(int rank) const {
    Order o{};
    for (int d = 0; d < rank; ++d) o[size_t(d)] = d;
    std::swap(o[size_t(normalize_axis("SwapAxis", dim1, rank))],
              o[size_t(normalize_axis("SwapAxis", dim2, rank))]);
    return o;
  }
  void fields(auto&& f) {
    f("dim1", dim1, "One axis; may be negative.");
    f("dim2", dim2, "The axis to exchange it with.");
  }
};

template <class P>
void infer_order(const P& p, InferContext& c) {
  const int rank = c.in(0).has_rank() ? c.in(0).rank() : c.out(0).rank();
  if (rank < 0) return;
  const Order o = p.order(rank);
  Shape x = Shape::unknown(rank), y = x;
  for (int d = 0; d < rank; ++d) {
    if (c.in(0).has_rank()) y[d] = c.in(0)[o[size_t(d)]];
    if (c.out(0).rank() == rank) x[o[size_t(d)]] = c.out(0)[d];
  }
  c.set_out(0, y);
  c.set_in(0, x);
}
template <class P>
void forward(const P& p, OpContext& ctx, Inputs in, Outputs out) {
  const Order o = p.order(in[0].shape.rank());
  view::copy(ctx, in[0], View(in[0].shape).permuted(o.data()), out[0], View(out[0].shape));
}
template <class P>
void backward(const P& p, OpContext& ctx, Inputs in, Outputs out) {
  const Order o = p.order(in[0].shape.rank());
  view::copy(ctx, in[0], View(in[0].shape), out[0], View(out[0].shape).permuted(o.data()));
}
std::vector<GradContext::Value> build_transpose(GradContext& g) {
  const auto& p = *static_cast<const TransposeParam*>(g.params());
  if (p.axes.empty()) return {g.call("transpose", {g.dy()})};
  const int rank = int(p.axes.size());
  const Order o = p.order(rank);
  std::vector<int64_t> inverse(p.axes.size());
  for (int d = 0; d < rank; ++d) inverse[size_t(o[size_t(d)])] = d;
  return {g.call("transpose", {g.dy()}, {{"axes", param::print(inverse)}})};
}

// --- reverse -----------------------------------------------------------------------------------
struct ReverseParam {
  std::vector<int64_t> axis;
  void fields(auto&& f) { f("axis", axis, "The axes to turn around.").required(); }
};
void reverse(const ReverseParam& p, OpContext& ctx, Inputs in, Outputs out) {
  View x(in[0].shape);
  unsigned done = 0;
  for (int64_t a : p.axis) {
    const int axis = normalize_axis("reverse", a, x.rank);
    if (done >> axis & 1) continue;
    done |= 1u << axis;
    if (x.extent[axis] > 0) x.slice(axis, x.extent[axis] - 1, x.extent[axis], -1);
  }
  view::copy(ctx, in[0], x, out[0], View(out[0].shape));
}
void infer_reverse(const ReverseParam& p, InferContext& c) {
  for (int64_t a : p.axis)
    if (c.in(0).has_rank()) normalize_axis("reverse", a, c.in(0).rank());
  infer_same(c);
}

// --- space_to_depth, depth_to_space ------------------------------------------------------------
struct BlockParam {
  int block_size = 0;
  void fields(auto&& f) { f("block_size", block_size, "Side of a block.").required().at_least(1); }
};
void infer_to_depth(const BlockParam& p, InferContext& c) {
  const Shape& x = c.in(0);
  const int64_t b = p.block_size;
  if (!x.known()) return;
  check(x.rank() == 4, "[space_to_depth] data has shape {}, expected four axes", x);
  check(x[2] % b == 0 && x[3] % b == 0,
        "[space_to_depth] data has shape {}, expected rows and columns in multiples of {}", x, b);
  c.set_out(0, {x[0], x[1] * b * b, x[2] / b, x[3] / b});
}
void infer_to_space(const BlockParam& p, InferContext& c) {
  const Shape& x = c.in(0);
  const int64_t b = p.block_size;
  if (!x.known()) return;
  check(x.rank() == 4, "[depth_to_space] data has shape {}, expected four axes", x);
  check(x[1] % (b * b) == 0,
        "[depth_to_space] data has shape {}, expected channels in multiples of {}", x, b * b);
  c.set_out(0, {x[0], x[1] / (b * b), x[2] * b, x[3] * b});
}
// Both tensors as (batch, row in block, column in block, channel, row, column).
View deep(const BlockParam& p, const Shape& depth) {
  const int64_t b = p.block_size;
  return View({depth[0], b, b, depth[1] / (b * b), depth[2], depth[3]});
}
View wide(const BlockParam& p, const Shape& space) {
  const int64_t b = p.block_size;
  const View v({space[0], space[1], space[2] / b, b, space[3] / b, b});
  constexpr int kOrder[] = {0, 3, 5, 1, 2, 4};
  return v.permuted(kOrder);
}
void to_depth(const BlockParam& p, OpContext& ctx, Inputs in, Outputs out) {
  view::copy(ctx, in[0], wide(p, in[0].shape), out[0], deep(p, out[0].shape));
}
void to_space(const BlockParam& p, OpContext& ctx, Inputs in, Outputs out) {
  view::copy(ctx, in[0], deep(p, in[0].shape), out[0], wide(p, out[0].shape));
}

// The gradient is a call of the operator `name` on dy, with the same parameters.
template <const char* name>
std::vector<GradContext::Value> build(GradContext& g) {
  return {g.call(name, {g.dy()}, g.kwargs())};
}
constexpr char kSwap[] = "SwapAxis", kReverse[] = "reverse", kToDepth[] = "space_to_depth",
               kToSpace[] = "depth_to_space";

void define(OpTable& ops) {
  ops.define(
      {.name = "transpose",
       .doc = "Permutes the axes.",
       .params = schema<TransposeParam>(),
       .infer = infer_order<TransposeParam>,
       .cpu = forward<TransposeParam>,
       .backward = {.reads = {dy()}, .run = backward<TransposeParam>, .build = build_transpose}});
  ops.define({.name = "SwapAxis",
              .aliases = {"swapaxes"},
              .doc = "Exchanges two axes.",
              .params = schema<SwapParam>(),
              .infer = infer_order<SwapParam>,
              .cpu = forward<SwapParam>,
              .backward = {.reads = {dy()}, .run = backward<SwapParam>, .build = build<kSwap>}});
  ops.define({.name = "reverse",
              .aliases = {"flip"},
              .doc = "Turns the order of elements around along some axes.",
              .params = schema<ReverseParam>(),
              .infer = infer_reverse,
              .cpu = reverse,
              .backward = {.reads = {dy()}, .run = reverse, .build = build<kReverse>}});
  ops.define({.name = "space_to_depth",
              .doc = "Moves blocks of rows and columns into channels (NCHW).",
              .params = schema<BlockParam>(),
              .infer = infer_to_depth,
              .cpu = to_depth,
              .backward = {.reads = {dy()}, .run = to_space, .build = build<kToSpace>}});
  ops.define({.name = "depth_to_space",
              .doc = "Moves channels into blocks of rows and columns (NCHW).",
              .params = schema<BlockParam>(),
              .infer = infer_to_space,
              .cpu = to_space,
              .backward = {.reads = {dy()}, .run = to_depth, .build = build<kToDepth>}});
}

}  // namespace heddle::ops::transpose
