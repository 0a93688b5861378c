// Elementwise operators with parameters: clip, smooth_l1, hard_sigmoid.
#include "operator/elemwise/loops.h"

namespace heddle::ops::clip {
using namespace ew;

// --- clip ---------------------------------------------------------------------------------------
struct ClipParam {
  float a_min = 0, a_max = 0;
  void fields(auto&& f) {
    f("a_min", a_min, "Smaller elements become this.").required();
    f("a_max", a_max, "Larger elements become this.").required();
  }
};
struct Clip {
  static constexpr bool exact = true;
  HD static auto f(auto x, auto lo, auto hi) { return x > hi ? hi : x < lo ? lo : x; }
};
struct ClipGradA {  // nothing flows where x was below ...
  HD static auto f(auto dy, auto x, auto lo) { return x < lo ? decltype(dy)(0) : dy; }
};
struct ClipGradB {  // ... or above
  HD static auto f(auto dy, auto x, auto hi) { return x > hi ? decltype(dy)(0) : dy; }
};
void clip(const ClipParam& p, OpContext& ctx, Inputs in, Outputs out) {
  map(ctx, kLoops<Clip>, {in[0], double(p.a_min), double(p.a_max)}, out[0]);
}
void clip_gradient(const ClipParam& p, OpContext& ctx, Inputs in, Outputs out) {
  map(ctx, kLoops<ClipGradA>, {in[0], in[1], double(p.a_min)}, out[0]);
  map(ctx, kLoops<ClipGradB>, {out[0], in[1], double(p.a_max)}, out[0]);
}

// --- smooth_l1 ----------------------------------------------------------------------------------
struct SmoothParam {
  double scalar = 1;
  bool is_int = true;
  void fields(auto&& f) {
    f("scalar", scalar, "sigma: the loss is quadratic where |x| < 1 / sigma^2.");
    f("is_int", is_int, "Kept for MXNet's files: whether the number was an integer.");
  }
};
struct SmoothL1 {
  HD static auto f(auto x, auto sigma) {
    const auto s2 = sigma * sigma, a = abs(x);
    return a > 1 / s2 ? a - decltype(x)(0.5) / s2 : decltype(x)(0.5) * x * x * s2;
  }
};
struct SmoothL1Grad {
  HD static auto f(auto dy, auto x, auto sigma) {
    const auto s2 = sigma * sigma;
    return dy * (abs(x) > 1 / s2 ? sign(x) : s2 * x);
  }
};
void smooth_l1(const SmoothParam& p, OpContext& ctx, Inputs in, Outputs out) {
  map(ctx, kLoops<SmoothL1>, {in[0], p.scalar}, out[0]);
}
void smooth_l1_gradient(const SmoothParam& p, OpContext& ctx, Inputs in, Outputs out) {
  map(ctx, kLoops<SmoothL1Grad>, {in[0], in[1], p.scalar}, out[0]);
}

// --- hard_sigmoid -------------------------------------------------------------------------------
struct HardSigmoidParam {
  float alpha = 0.2f, beta = 0.5f;
  void fields(auto&& f) {
    f("alpha", alpha, "Slope.");
    f("beta", beta, "Value at zero.");
  }
};
struct HardSigmoid {
  HD static auto f(auto x, auto alpha, auto beta) {
    const auto y = alpha * x + beta;
    return y > 1 ? decltype(x)(1) : y < 0 ? decltype(x)(0) : y;
  }
};
struct HardSigmoidGrad {
  HD static auto f(auto dy, auto y, auto alpha) {
    return y > 0 && y < 1 ? dy * alpha : decltype(dy)(0);
  }
};
void hard_sigmoid(const HardSigmoidParam& p, OpContext& ctx, Inputs in, Outputs out) {
  map(ctx, kLoops<HardSigmoid>, {in[0], double(p.alpha), double(p.beta)}, out[0]);
}
void hard_sigmoid_gradient(const HardSigmoidParam& p, OpContext& ctx, Inputs in, Outputs out) {
  map(ctx, kLoops<HardSigmoidGrad>, {in[0], in[1], double(p.alpha)}, out[0]);
}

void define(OpTable& ops) {
  ops.define({.name = "clip",
              .doc = "Limits x to [a_min, a_max]; no gradient flows outside.",
              .params = schema<ClipParam>(),
              .inplace = {{0, 0}},
              .cpu = clip,
              .backward = {.reads = {dy(), x()}, .run = clip_gradient, .inplace = {{0, 0}}}});
  ops.define({.name = "smooth_l1",
              .doc = "0.5 (sigma x)^2 where |x| < 1 / sigma^2, else |x| - 0.5 / sigma^2.",
              .params = schema<SmoothParam>(),
              .inplace = {{0, 0}},
              .cpu = smooth_l1,
              .backward = {.reads = {dy(), x()}, .run = smooth_l1_gradient, .inplace = {{0, 0}}}});
  ops.define(
      {.name = "hard_sigmoid",
       .doc = "alpha x + beta, limited to [0, 1].",
       .params = schema<HardSigmoidParam>(),
       .inplace = {{0, 0}},
       .cpu = hard_sigmoid,
       .backward = {.reads = {dy(), y()}, .run = hard_sigmoid_gradient, .inplace = {{0, 0}}}});
}

}  // namespace heddle::ops::clip
