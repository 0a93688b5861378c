// LeakyReLU: the rectifiers that let something through below zero.
#include <algorithm>

#include "operator/elemwise/family.h"
#include "operator/random/philox.h"
#include "operator/scratch_needs.h"

namespace heddle::ops::leaky_relu {
using namespace ew;

enum class ActType { kRrelu, kLeaky, kPrelu, kElu, kSelu, kGelu };

struct LeakyReluParam {
  ActType act_type = ActType::kLeaky;
  float slope = 0.25f, lower_bound = 0.125f, upper_bound = 0.334f;
  void fields(auto&& f) {
    f("act_type", act_type, "Which function.")
        .names({"rrelu", "leaky", "prelu", "elu", "selu", "gelu"});
    f("slope", slope, "Below zero, for leaky and elu.");
    f("lower_bound", lower_bound, "Of the random slopes of rrelu.");
    f("upper_bound", upper_bound, "Of the random slopes of rrelu.");
  }
  double mean_slope() const { return (double(lower_bound) + double(upper_bound)) / 2; }
};

void infer(const LeakyReluParam& p, InferContext& c) {
  c.set_out(0, c.in(0));
  c.set_in(0, c.out(0));
  const Shape& x = c.in(0);
  if (p.act_type == ActType::kRrelu) c.set_out(1, x);
  if (p.act_type != ActType::kPrelu || !x.has_rank()) return;
  const int64_t channels = x.rank() > 1 ? x[1] : x[0];
  if (c.in(1).known() && c.in(1) == Shape{1}) return;
  c.set_in(1, {channels});
}

// gamma beside data: along axis 1.
Blob along_channels(Blob gamma, const Shape& x) {
  Shape s{gamma.size()};
  for (int i = 2; i < x.rank(); ++i) s.append(1);
  gamma.shape = s;
  return gamma;
}

struct Leaky {
  HEDDLE_HD static auto f(auto x, auto slope) { return select(x > 0, x, slope * x); }
  HEDDLE_HD static auto grad_x(auto dy, auto x, auto slope) {
    return select(x > 0, dy, dy * slope);
  }
};
// Where x is large its exponential, which is not taken, must not overflow: in a graph its gradient
// is zero times that.
struct Elu {
  HEDDLE_HD static auto f(auto x, auto slope) {
    return select(x > 0, x, slope * expm1(min(decltype(x)(0), x)));
  }
  HEDDLE_HD static auto grad_x(auto dy, auto x, auto slope) {
    return select(x > 0, dy, dy * slope * exp(min(decltype(x)(0), x)));
  }
};
struct Selu {
  static constexpr double kAlpha = 1.6732632423543772, kScale = 1.0507009873554805;
  HEDDLE_HD static auto f(auto x) {
    using T = decltype(x);
    return T(kScale) * select(x > 0, x, T(kAlpha) * expm1(min(T(0), x)));
  }
  HEDDLE_HD static auto grad_x(auto dy, auto x) {
    using T = decltype(x);
    return dy * T(kScale) * select(x > 0, T(1), T(kAlpha) * exp(min(T(0), x)));
  }
};
struct Gelu {  // x * (the normal distribution's share below x)
  HEDDLE_HD static auto share(auto x) {
    using T = decltype(x);
    return T(0.5) * (1 + erf(x * T(0.70710678118654752)));
  }
  HEDDLE_HD static auto f(auto x) { return x * share(x); }
  HEDDLE_HD static auto grad_x(auto dy, auto x) {
    using T = decltype(x);
    return dy * (share(x) + x * T(0.39894228040143268) * exp(T(-0.5) * x * x));
  }
};
struct Product {
  HEDDLE_HD static auto f(auto a, auto b) { return a * b; }
};
struct BelowZero {  // (dy, x): what gamma is multiplied with
  HEDDLE_HD static auto f(auto dy, auto x) { return select(x > 0, 0, dy * x); }
};
struct Mask {  // (x, slope)
  HEDDLE_HD static auto f(auto x, auto slope) { return select(x > 0, 1, slope); }
};

// The formula of those that have no input but data; null for the others.
const Formula* formula_of(const LeakyReluParam& p) {
  switch (p.act_type) {
    case ActType::kLeaky:
      return &formula<Leaky, 1>();
    case ActType::kElu:
      return &formula<Elu, 1>();
    case ActType::kSelu:
      return &formula<Selu>();
    case ActType::kGelu:
      return &formula<Gelu>();
    default:
      return nullptr;
  }
}
// Its parameters: the slope of leaky and elu.
struct Params {
  double slope;
  bool taken;
  explicit Params(const LeakyReluParam& p)
      : slope(p.slope), taken(p.act_type == ActType::kLeaky || p.act_type == ActType::kElu) {}
  operator Numbers() const { return Numbers(&slope, taken); }
};

// The mask is 1 above zero and a slope below: random in training, the mean otherwise.
void fill_mask(const LeakyReluParam& p, OpContext& ctx, const Blob& x, const Blob& mask) {
  if (!ctx.training) return map(ctx, kLoops<Mask>, {x, Operand(p.mean_slope())}, mask);
  const int64_t n = x.size();
  float* u = ctx.scratch_of<float>(n);
  const float low = p.lower_bound, width = p.upper_bound - p.lower_bound;
  ctx.parallel_for(n, 16384, [&](int64_t from, int64_t to) {
    philox::uniforms(ctx.seed, from, to - from, u + from);
    for (int64_t i = from; i < to; ++i) u[i] = low + width * u[i];
  });
  const Blob slopes{u, x.shape, Dtype::kFloat32, x.device};
  map(ctx, kLoops<Mask>, {x, slopes}, mask);
}

void forward(const LeakyReluParam& p, OpContext& ctx, Inputs in, Outputs out) {
  const Blob& x = in[0];
  if (const Formula* f = formula_of(p)) return run(*f, ctx, x, Params(p), out[0]);
  if (p.act_type == ActType::kPrelu) {
    const Blob gamma = along_channels(in[1], x.shape);
    return map(ctx, kLoops<Leaky>, {x, gamma}, out[0]);
  }
  const Blob mask = ctx.output(out, 1);
  fill_mask(p, ctx, x, mask);
  map(ctx, kLoops<Product>, {x, mask}, out[0]);
}

ScratchNeed scratch(const LeakyReluParam& p, const Situation& s) {
  if (p.act_type != ActType::kRrelu) return {};
  ScratchNeed need;
  if (!s.wants(1)) need.take(s.out[1].bytes());
  if (s.training) need.take(4 * s.in[0].size());
  return need;
}

bool draws(const LeakyReluParam& p, bool training) {
  return p.act_type == ActType::kRrelu && training;
}

std::vector<Ref> reads(const LeakyReluParam& p) {
  if (p.act_type == ActType::kRrelu) return {dy(), y(1)};
  if (p.act_type == ActType::kPrelu) return {dy(), x(0), x(1)};
  return {dy(), x(0)};
}

// The sum of dy * x where x is not positive, per channel or over everything.
void gamma_gradient(OpContext& ctx, const Blob& dy, const Blob& x, const Blob& dgamma) {
  Blob parts{ctx.scratch(size_t(x.size()) * sizeof(double)), x.shape,
             x.dtype == Dtype::kFloat64 ? x.dtype : Dtype::kFloat32, x.device};
  map(ctx, kLoops<BelowZero>, {dy, x}, parts);
  const int64_t channels = dgamma.size(), inner = x.shape.rank() > 1 ? x.shape.size(2) : 1;
  double* sum = ctx.scratch_of<double>(channels);
  std::fill_n(sum, channels, 0.0);
  with_float(parts.dtype, "LeakyReLU", [&](auto type) {
    const auto* v = parts.as<decltype(type)>();
    for (int64_t i = 0; i < x.size(); ++i) sum[i / inner % channels] += double(v[i]);
  });
  with_float(dgamma.dtype, "LeakyReLU", [&](auto type) {
    using T = decltype(type);
    using A = std::conditional_t<(sizeof(T) < 4), float, T>;
    for (int64_t i = 0; i < channels; ++i) dgamma.as<T>()[i] = T(A(sum[i]));
  });
}

// in: dy, then data (and gamma), or rrelu's mask. out: gradients of data and of gamma.
void backward(const LeakyReluParam& p, OpContext& ctx, Inputs in, Outputs out) {
  if (const Formula* f = formula_of(p)) return run_gradient(*f, ctx, in, Params(p), out[0]);
  if (p.act_type == ActType::kRrelu) return map(ctx, kLoops<Product>, {in[0], in[1]}, out[0]);
  if (ctx.wants(1)) gamma_gradient(ctx, in[0], in[1], out[1]);
  if (!ctx.wants(0)) return;
  const Blob gamma = along_channels(in[2], in[1].shape);
  map(ctx, kLoops<UnaryGrad<Leaky, 1>>, {in[0], in[1], gamma}, out[0]);
}

// Not of prelu: how gamma lies along the channels depends on the rank of data.
std::vector<GradContext::Value> build(const LeakyReluParam& p, GradContext& g) {
  if (const Formula* f = formula_of(p)) return build_gradient(*f, g, Params(p));
  if (p.act_type == ActType::kPrelu) return {};
  return {tensor_of(Symbolic(g, g.dy()) * Symbolic(g, g.y(1)))};
}

// Where neither slopes per channel nor random ones depend on an element's place.
bool pointwise(const LeakyReluParam& p) { return formula_of(p); }
void wants(const LeakyReluParam& p, const Situation& s, StoredAs& as) {
  if (pointwise(p)) wants_same(s, as);
}

ScratchNeed scratch_backward(const LeakyReluParam& p, const Situation& s) {
  ScratchNeed need;
  if (p.act_type != ActType::kPrelu || !s.wants(1)) return need;
  need.take(8 * s.in[1].size());
  need.take(8 * s.out[1].size());
  return need;
}

void define(OpTable& ops) {
  ops.define({
      .name = "LeakyReLU",
      .aliases = {"_npx_leaky_relu"},
      .doc = "Rectifiers: leaky and prelu (slope * x below zero), elu (slope * (exp(x) - 1)), "
             "selu, gelu, "
             "and rrelu, whose slopes are random in training.",
      .full_when = {when("act_type", "elu"), when("act_type", "selu")},
      .params = schema<LeakyReluParam>(),
      .inputs = {{"data"},
                 {.name = "gamma",
                  .doc = "Slopes: one, or one per channel.",
                  .init = "[\"Constant\", {\"value\": 0.25}]",
                  .when = when("act_type", "prelu")}},
      .outputs = {{}, {.name = "mask", .hidden = true, .when = when("act_type", "rrelu")}},
      .infer = infer,
      .cpu = forward,
      .wants = wants,
      .scratch = scratch,
      .backward = {.reads = reads, .run = backward, .scratch = scratch_backward, .build = build},
      .pointwise = pointwise,
      .draws = draws,
  });
}

}  // namespace heddle::ops::leaky_relu
