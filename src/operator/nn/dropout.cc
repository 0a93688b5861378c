// Dropout: zeroes a random share of the elements, scaling the others up.
#include <algorithm>
#include <optional>

#include "operator/elemwise/loops.h"
#include "operator/random/philox.h"
#include "operator/scratch_needs.h"

namespace heddle::ops::dropout {

enum class Mode { kTraining, kAlways };

struct DropoutParam {
  float p = 0.5f;
  Mode mode = Mode::kTraining;
  Shape axes = Shape::unknown(0);
  std::optional<bool> cudnn_off = false;
  void fields(auto&& f) {
    f("p", p, "The share of elements that become zero.").range(0, 1);
    f("mode", mode, "Only in training, or always.").names({"training", "always"});
    f("axes", axes, "Axes along which all elements share their fate.");
    f("cudnn_off", cudnn_off, "Not to use cuDNN; ignored.").ignored();
  }
  bool active(bool training) const { return p > 0 && (training || mode == Mode::kAlways); }
};

// The mask has data's shape, with 1 for the shared axes.
void infer(const DropoutParam& p, InferContext& c) {
  c.set_out(0, c.in(0));
  c.set_in(0, c.out(0));
  if (!c.in(0).has_rank()) return;
  Shape mask = c.in(0);
  for (int64_t a : p.axes) mask[normalize_axis("Dropout", a, mask.rank())] = 1;
  c.set_out(1, mask);
}

struct Copy {
  HEDDLE_HD static auto f(auto x) { return x; }
};
struct Product {
  HEDDLE_HD static auto f(auto a, auto b) { return a * b; }
};
struct Mask {  // (uniform number, share kept, scale of what is kept)
  HEDDLE_HD static auto f(auto u, auto keep, auto scale) {
    return u < keep ? scale : decltype(scale)(0);
  }
};

void fill_mask(const DropoutParam& p, OpContext& ctx, const Blob& mask) {
  const int64_t n = mask.size();
  const double keep = 1 - double(p.p), scale = keep > 0 ? 1 / keep : 0;
  float* u = mask.dtype == Dtype::kFloat32 ? mask.as<float>() : ctx.scratch_of<float>(n);
  ctx.parallel_for(n, 16384, [&](int64_t from, int64_t to) {
    philox::uniforms(ctx.seed, from, to - from, u + from);
  });
  const Blob uniform{u, mask.shape, Dtype::kFloat32, mask.device};
  ew::map(ctx, ew::kLoops<Mask>, {uniform, ew::Operand(keep), ew::Operand(scale)}, mask);
}

bool draws(const DropoutParam& p, bool training) { return p.active(training); }

void forward(const DropoutParam& p, OpContext& ctx, Inputs in, Outputs out) {
  if (p.active(ctx.training)) {
    const Blob mask = ctx.output(out, 1);
    fill_mask(p, ctx, mask);
    return ew::map(ctx, ew::kLoops<Product>, {in[0], mask}, out[0]);
  }
  if (in[0].data != out[0].data) ew::map(ctx, ew::kLoops<Copy>, {in[0]}, out[0]);
  if (ctx.wants(1)) ew::map(ctx, ew::kLoops<Copy>, {ew::Operand(1.0)}, out[1]);
}

ScratchNeed scratch(const DropoutParam& p, const Situation& s) {
  ScratchNeed need;
  if (!p.active(s.training)) return need;
  if (!s.wants(1)) need.take(s.out[1].bytes());
  if (s.out[1].dtype != Dtype::kFloat32) need.take(4 * s.out[1].size());
  return need;
}

// in: dy, mask. out: gradient of data.
void backward(const DropoutParam&, OpContext& ctx, Inputs in, Outputs out) {
  ew::map(ctx, ew::kLoops<Product>, {in[0], in[1]}, out[0]);
}

std::vector<GradContext::Value> build(GradContext& g) {
  return {g.call("broadcast_mul", {g.dy(), g.y(1)})};
}

void define(OpTable& ops) {
  ops.define({
      .name = "Dropout",
      .aliases = {"_npx_dropout"},
      .doc = "In training, each element becomes zero with probability p and is divided by 1 - p "
             "otherwise; in prediction, the identity.",
      .params = schema<DropoutParam>(),
      .outputs = {{}, {"mask", true}},
      .infer = infer,
      .inplace = {{0, 0}},
      .cpu = forward,
      .scratch = scratch,
      .backward = {.reads = {dy(), y(1)}, .run = backward, .build = build, .inplace = {{0, 0}}},
      .draws = draws,
  });
}

}  // namespace heddle::ops::dropout
