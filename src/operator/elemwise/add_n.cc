// add_n: the sum of any number of tensors of one shape; and _grad_add, which sums two gradients.
#include "operator/elemwise/binary.h"
#include "operator/elemwise/loops.h"

namespace heddle::ops::add_n {
using namespace ew;

struct Param {
  int num_args = 0;
  void fields(auto&& f) { f("num_args", num_args, "Number of inputs.").required().at_least(1); }
};

struct Add3 {
  static constexpr bool exact = true;
  HEDDLE_HD static auto f(auto a, auto b, auto c) { return (a + b) + c; }
};

std::vector<Input> inputs(const Param& p) {
  std::vector<Input> in;
  for (int i = 0; i < p.num_args; ++i) in.push_back({"arg" + std::to_string(i)});
  return in;
}

// From left to right, two at a time.
void run(const Param&, OpContext& ctx, Inputs in, Outputs out) {
  if (in.count() == 1) return copy_broadcast(ctx, in[0], out[0]);
  Blob sum = out[0];
  for (int i = 2; i < in.count();
       ++i)  // a caller's output may be a later input, which is read late
    if (in[i].data == out[0].data) sum.data = ctx.scratch(size_t(sum.bytes()));
  int next = 2;
  if (in.count() % 2 == 0) map(ctx, kLoops<Add>, {in[0], in[1]}, sum);
  else map(ctx, kLoops<Add3>, {in[0], in[1], in[2]}, sum), next = 3;
  for (; next < in.count(); next += 2) map(ctx, kLoops<Add3>, {sum, in[next], in[next + 1]}, sum);
  copy_broadcast(ctx, sum, out[0]);
}

void gradient(const Param&, OpContext& ctx, Inputs in, Outputs out) {
  for (int i = 0; i < int(out.size()); ++i)
    if (ctx.wants(i)) copy_broadcast(ctx, in[0], out[size_t(i)]);
}

std::vector<GradContext::Value> build(GradContext& g) {
  return std::vector<GradContext::Value>(size_t(g.inputs()), g.dy());
}

void define(OpTable& ops) {
  ops.define({.name = "add_n",
              .aliases = {"ElementWiseSum"},
              .doc = "Sum of all inputs, which have one shape.",
              .precision = Precision::kWidest,
              .params = schema<Param>(),
              .inputs = inputs,
              .variadic = "num_args",
              .inplace = {{0, 0}},
              .cpu = run,
              .wants = wants_same,
              .backward = {.reads = {dy()}, .run = gradient, .build = build},
              .meaning = Meaning::kSum});
  ops.define({.name = "_grad_add",
              .doc = "Sum of two gradients.",
              .inputs = {{"lhs"}, {"rhs"}},
              .compose = [](Builder& b) {
                return std::vector{b.call("elemwise_add", {b.x(0), b.x(1)})};
              }});
}

}  // namespace heddle::ops::add_n
