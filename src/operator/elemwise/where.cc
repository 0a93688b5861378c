// where: elements of x or y, as the condition says.
#include <cstring>

#include "operator/elemwise/loops.h"

namespace heddle::ops::where {
using namespace ew;

struct Select {
  static constexpr bool exact = true;
  HEDDLE_HD static auto f(auto c, auto x, auto y) { return c != 0 ? x : y; }
};

void infer(InferContext& c) {
  Shape s = c.in(1).known() ? c.in(1) : c.in(2).known() ? c.in(2) : c.out(0);
  c.set_in(1, s);
  c.set_in(2, s);
  c.set_out(0, s);
  const Shape& condition = c.in(0);
  if (!s.known() || !condition.known()) return;
  const bool rows = condition.rank() == 1 && s.rank() >= 1 && condition[0] == s[0];
  check(condition == s || rows,
        "[where] condition has shape {}, expected {} or one element per row", condition, s);
}

void infer_dtype(InferContext& c) {  // the condition may have any
  for (Dtype d : {c.in_dtype(1), c.in_dtype(2), c.out_dtype(0)}) {
    c.set_in_dtype(1, d);
    c.set_in_dtype(2, d);
    c.set_out_dtype(0, d);
  }
}

// A condition per row reads as one that is repeated along the other axes.
Blob as_rows(const Blob& condition, const Shape& y) {
  Blob c = condition;
  if (c.shape == y) return c;
  c.shape = y;
  for (int d = 1; d < y.rank(); ++d) c.shape[d] = 1;
  return c;
}

void run(OpContext& ctx, Inputs in, Outputs out) {
  const Blob c = as_rows(in[0], out[0].shape);
  map(ctx, kLoops<Select>, {Operand::truth(c), in[1], in[2]}, out[0]);
}

// in: dy, condition
void gradient(OpContext& ctx, Inputs in, Outputs out) {
  const Blob c = as_rows(in[1], in[0].shape);
  if (ctx.wants(0)) std::memset(out[0].data, 0, size_t(out[0].bytes()));
  if (ctx.wants(1)) map(ctx, kLoops<Select>, {Operand::truth(c), in[0], 0.0}, out[1]);
  if (ctx.wants(2)) map(ctx, kLoops<Select>, {Operand::truth(c), 0.0, in[0]}, out[2]);
}

std::vector<GradContext::Value> build(GradContext& g) {
  const auto zero = g.call("zeros_like", {g.dy()});
  return {{}, g.call("where", {g.x(0), g.dy(), zero}), g.call("where", {g.x(0), zero, g.dy()})};
}

void define(OpTable& ops) {
  ops.define({.name = "where",
              .doc =
                  "x where the condition is not zero, else y. The condition has the shape of x, or "
                  "one element per row.",
              .precision = Precision::kWidest,
              .inputs = {{"condition"}, {"x"}, {"y"}},
              .infer = infer,
              .infer_dtype = infer_dtype,
              .inplace = {{1, 0}, {2, 0}},
              .cpu = run,
              .backward = {.reads = {dy(), x(0)}, .run = gradient, .build = build}});
}

}  // namespace heddle::ops::where
