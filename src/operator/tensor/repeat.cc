// Repeating elements: repeat and tile.
#include <algorithm>

#include "operator/extent.h"
#include "operator/tensor/view.h"

namespace heddle::ops::repeat {

using view::View;

// --- repeat ------------------------------------------------------------------------------------
struct RepeatParam {
  int64_t repeats = 1;
  std::optional<int> axis;
  void fields(auto&& f) {
    f("repeats", repeats, "How often each element stands in the result.").required().at_least(0);
    f("axis", axis, "Along which axis; None takes data as one axis.");
  }
};
void infer_repeat(const RepeatParam& p, InferContext& c) {
  const Shape& x = c.in(0);
  if (!x.known()) return;
  if (!p.axis) return c.set_out(0, {times(x.size(), p.repeats)});
  Shape y = x;
  const int axis = normalize_axis("repeat", *p.axis, x.rank());
  y[axis] = times(y[axis], p.repeats);
  c.set_out(0, y);
}
// The tensor as (before, along and after the axis), where `along` may be anything that divides.
struct Split {
  int64_t before, along, after;
  Split(const RepeatParam& p, const Shape& x) {
    const int axis = p.axis ? normalize_axis("repeat", *p.axis, x.rank()) : x.rank() - 1;
    before = p.axis ? x.size(0, axis) : 1;
    along = p.axis ? x[axis] : x.size();
    after = p.axis ? x.size(axis + 1) : 1;
  }
};
void repeat(const RepeatParam& p, OpContext& ctx, Inputs in, Outputs out) {
  const Split s(p, in[0].shape);
  View x;
  x.push(s.before * s.along, s.after).push(p.repeats, 0).push(s.after, 1);
  view::copy(ctx, in[0], x, out[0], View({s.before * s.along, p.repeats, s.after}));
}
void repeat_backward(const RepeatParam& p, OpContext& ctx, Inputs in, Outputs out) {
  const Split s(p, out[0].shape);
  View kept, summed;
  kept.push(s.before * s.along, p.repeats * s.after).push(s.after, 1);
  summed.push(p.repeats, s.after);
  view::sum(ctx, in[0], kept, summed, out[0]);
}

// --- tile --------------------------------------------------------------------------------------
struct TileParam {
  std::vector<int64_t> reps;
  void fields(auto&& f) {
    f("reps", reps, "Copies along each axis, counted from the last.").required();
  }
};
Shape with_rank(const Shape& x, int rank) {
  Shape y = Shape::unknown(0);
  for (int d = x.rank(); d < rank; ++d) y.append(1);
  for (int64_t n : x) y.append(n);
  return y;
}
int64_t reps_of(const TileParam& p, int axis, int rank) {
  const int at = axis - (rank - int(p.reps.size()));
  return at < 0 ? 1 : p.reps[size_t(at)];
}
void infer_tile(const TileParam& p, InferContext& c) {
  if (!c.in(0).known()) return;
  check(p.reps.size() <= size_t(Shape::kMaxRank), "[tile] reps has {} numbers, expected at most {}",
        p.reps.size(), Shape::kMaxRank);
  Shape y = with_rank(c.in(0), std::max(c.in(0).rank(), int(p.reps.size())));
  for (int d = 0; d < y.rank(); ++d) {
    const int64_t n = reps_of(p, d, y.rank());
    check(n >= 0, "[tile] reps has {}, expected at least 0", n);
    y[d] = times(y[d], n);
  }
  c.set_out(0, y);
}
void tile(const TileParam& p, OpContext& ctx, Inputs in, Outputs out) {
  const int rank = out[0].shape.rank();
  const View x(with_rank(in[0].shape, rank)), y(out[0].shape);
  View from, to;
  for (int d = 0; d < rank; ++d) {
    const int64_t n = reps_of(p, d, rank), extent = x.extent[d];
    from.push(n, 0).push(extent, x.stride[d]);
    to.push(n, y.stride[d] * extent).push(extent, y.stride[d]);
  }
  view::copy(ctx, in[0], from, out[0], to);
}
void tile_backward(const TileParam& p, OpContext& ctx, Inputs in, Outputs out) {
  const int rank = in[0].shape.rank();
  const View x(with_rank(out[0].shape, rank)), y(in[0].shape);
  View kept, summed;
  for (int d = 0; d < rank; ++d) {
    kept.push(x.extent[d], y.stride[d]);
    summed.push(reps_of(p, d, rank), y.stride[d] * x.extent[d]);
  }
  view::sum(ctx, in[0], kept, summed, out[0]);
}

void define(OpTable& ops) {
  ops.define({.name = "repeat",
              .doc = "Each element several times in a row.",
              .params = schema<RepeatParam>(),
              .infer = infer_repeat,
              .cpu = repeat,
              .backward = {.reads = {dy()}, .run = repeat_backward, .linear = Linear::kYes}});
  ops.define({.name = "tile",
              .doc = "The tensor several times beside itself along each axis.",
              .params = schema<TileParam>(),
              .infer = infer_tile,
              .cpu = tile,
              .backward = {.reads = {dy()}, .run = tile_backward, .linear = Linear::kYes}});
}

}  // namespace heddle::ops::repeat
