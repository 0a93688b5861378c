// Elementwise formulas with parameters: clip, smooth_l1, hard_sigmoid.
#include "operator/elemwise/family.h"

namespace heddle::ops::clip {
using namespace ew;

// --- clip ---------------------------------------------------------------------------------------
struct ClipParam {
  float a_min = 0, a_max = 0;
  void fields(auto&& f) {
    f("a_min", a_min, "Smaller elements become this.").required();
    f("a_max", a_max, "Larger elements become this.").required();
  }
  std::array<double, 2> numbers() const { return {a_min, a_max}; }
};
struct Clip {
  static constexpr auto name = "clip",
                        doc = "Limits x to [a_min, a_max]; no gradient flows outside.";
  static constexpr bool exact = true;
  HEDDLE_HD static auto f(auto x, auto lo, auto hi) {
    return select(x > hi, hi, select(x < lo, lo, x));
  }
  HEDDLE_HD static auto grad_x(auto dy, auto x, auto lo, auto hi) {
    return select((x < lo) | (x > hi), 0, dy);
  }
};

// --- smooth_l1 ----------------------------------------------------------------------------------
struct SmoothParam {
  double scalar = 1;
  bool is_int = true;
  void fields(auto&& f) {
    f("scalar", scalar, "sigma: the loss is quadratic where |x| < 1 / sigma^2.");
    f("is_int", is_int, "Whether the number was an integer, in MXNet's files; ignored.").ignored();
  }
  std::array<double, 1> numbers() const { return {scalar}; }
};
struct SmoothL1 {
  static constexpr auto name = "smooth_l1",
                        doc = "0.5 (sigma x)^2 where |x| < 1 / sigma^2, else |x| - 0.5 / sigma^2.";
  static constexpr bool full = true;
  static constexpr bool whole = true;  // sigma beside integers is one
  HEDDLE_HD static auto f(auto x, auto sigma) {
    const auto s2 = sigma * sigma, a = abs(x);
    return select(a > 1 / s2, a - decltype(x)(0.5) / s2, decltype(x)(0.5) * x * x * s2);
  }
  HEDDLE_HD static auto grad_x(auto dy, auto x, auto sigma) {
    const auto s2 = sigma * sigma;
    return dy * select(abs(x) > 1 / s2, sign(x), s2 * x);
  }
};

// --- hard_sigmoid -------------------------------------------------------------------------------
struct HardSigmoidParam {
  float alpha = 0.2f, beta = 0.5f;
  void fields(auto&& f) {
    f("alpha", alpha, "Slope.");
    f("beta", beta, "Value at zero.");
  }
  std::array<double, 2> numbers() const { return {alpha, beta}; }
};
struct HardSigmoid {
  static constexpr auto name = "hard_sigmoid", doc = "alpha x + beta, limited to [0, 1].";
  HEDDLE_HD static auto f(auto x, auto alpha, auto beta) {
    const auto y = alpha * x + beta;
    return select(y > 1, decltype(x)(1), select(y < 0, 0, y));
  }
  HEDDLE_HD static auto grad_y(auto dy, auto y, auto alpha, auto) {
    return select((y > 0) & (y < 1), dy * alpha, 0);
  }
};

Kwargs epilogue(const ClipParam& p) {
  return {{"activation", "clip"}, {"low", param::print(p.a_min)}, {"high", param::print(p.a_max)}};
}

void define(OpTable& ops) {
  OpDef clip = unary_def<Clip, ClipParam>();
  clip.fusing.epilogue = epilogue;
  ops.define(std::move(clip));
  ops.define(unary_def<SmoothL1, SmoothParam>());
  ops.define(unary_def<HardSigmoid, HardSigmoidParam>());
}

}  // namespace heddle::ops::clip
