// Small operators of contrib and of mixed precision: straight-through estimators, scaling, moments,
// comparing, casts of several tensors.
#include <algorithm>
#include <cmath>
#include <optional>

#include "operator/elemwise/family.h"
#include "operator/elemwise/map.h"
#include "operator/elemwise/reduction.h"
#include "operator/tensor/view.h"

namespace heddle::ops::small {
using namespace ew;
using Value = Builder::Value;
using Values = std::vector<Value>;

// --- formulas -----------------------------------------------------------------------------------
struct QuadraticParam {
  float a = 0, b = 0, c = 0;
  void fields(auto&& f) {
    f("a", a, "Of x^2.");
    f("b", b, "Of x.");
    f("c", c, "The constant.");
  }
};
struct Quadratic {
  HEDDLE_HD static auto f(auto x, auto a, auto b, auto c) { return (a * x + b) * x + c; }
};
struct QuadraticGrad {
  HEDDLE_HD static auto f(auto dy, auto x, auto a, auto b) { return dy * (2 * a * x + b); }
};
void quadratic(const QuadraticParam& p, OpContext& ctx, Inputs in, Outputs out) {
  const auto number = Operand::parameter;
  map(ctx, kLoops<Quadratic>, {in[0], number(p.a), number(p.b), number(p.c)}, out[0]);
}
void quadratic_grad(const QuadraticParam& p, OpContext& ctx, Inputs in, Outputs out) {
  map(ctx, kLoops<QuadraticGrad>, {in[0], in[1], p.a, p.b}, out[0]);
}
Values build_quadratic(const QuadraticParam& p, GradContext& g) {
  auto by = [&](const char* op, Value x, double number) {
    return g.call(op, {x}, {{"scalar", param::print(number)}});
  };
  const Value slope = by("_plus_scalar", by("_mul_scalar", g.x(), 2 * double(p.a)), p.b);
  return {g.call("elemwise_mul", {g.dy(), slope})};
}
struct RoundSte {
  static constexpr auto name = "_contrib_round_ste",
                        doc = "Rounds as round does; the gradient passes through unchanged.";
  HEDDLE_HD static auto f(auto x) { return Round::f(x); }
  HEDDLE_HD static auto grad(auto dy) { return dy; }
};
struct SignSte {
  static constexpr auto name = "_contrib_sign_ste",
                        doc = "The sign; the gradient passes through unchanged.";
  static constexpr bool exact = true;
  HEDDLE_HD static auto f(auto x) { return sign(x); }
  HEDDLE_HD static auto grad(auto dy) { return dy; }
};

// --- div_sqrt_dim, gradientmultiplier -----------------------------------------------------------
void div_sqrt_dim(OpContext& ctx, Inputs in, Outputs out) {
  const Shape& x = in[0].shape;
  map(ctx, kLoops<Div>, {in[0], std::sqrt(double(x.rank() ? x[-1] : 1))}, out[0]);
}

struct MultiplierParam {
  double scalar = 1;
  bool is_int = true;
  void fields(auto&& f) {
    f("scalar", scalar, "What the gradient is multiplied with.");
    f("is_int", is_int, "Whether the number was an integer, in MXNet's files; ignored.").ignored();
  }
};
void copy(OpContext& ctx, Inputs in, Outputs out) { view::copy_all(ctx, in[0], out[0]); }
Values build_multiplier(GradContext& g) {
  const double by = static_cast<const MultiplierParam*>(g.params())->scalar;
  return {g.call("_mul_scalar", {g.dy()}, {{"scalar", param::print(by)}})};
}

// --- moments ------------------------------------------------------------------------------------
struct MomentsParam {
  Shape axes;
  bool keepdims = false;
  void fields(auto&& f) {
    f("axes", axes, "The axes to reduce; all when None.");
    f("keepdims", keepdims, "Leave reduced axes in the results with size 1.");
  }
};
void infer_moments(const MomentsParam& p, InferContext& c) {
  for (int i = 0; i < 2; ++i)
    c.set_out(i, reduced_shape("moments", c.in(0), p.axes, false, p.keepdims));
}
Values compose_moments(Builder& b) {
  const auto& p = *static_cast<const MomentsParam*>(b.params());
  Kwargs kw{{"keepdims", param::print(p.keepdims)}}, kept{{"keepdims", "True"}};
  if (p.axes.has_rank()) kw["axis"] = kept["axis"] = param::print(p.axes);
  const Value from = b.call("broadcast_sub", {b.x(), b.call("mean", {b.x()}, kept)});
  return {b.call("mean", {b.x()}, kw), b.call("mean", {b.call("square", {from})}, kw)};
}

// --- allclose -----------------------------------------------------------------------------------
struct CloseParam {
  float rtol = 1e-5f, atol = 1e-8f;
  bool equal_nan = true;
  void fields(auto&& f) {
    f("rtol", rtol, "How far apart elements may be, by their size.");
    f("atol", atol, "How far apart they may be whatever their size.");
    f("equal_nan", equal_nan, "Whether NaN is like NaN.");
  }
};
void infer_close(InferContext& c) {
  c.set_in(0, c.in(1)), c.set_in(1, c.in(0));
  c.set_out(0, {1});
}
void infer_close_dtype(InferContext& c) {
  c.set_in_dtype(0, c.in_dtype(1)), c.set_in_dtype(1, c.in_dtype(0));
  c.set_out_dtype(0, Dtype::kUint8);
}
bool close(const CloseParam& p, double a, double b) {
  if (std::isnan(a) || std::isnan(b)) return p.equal_nan && std::isnan(a) && std::isnan(b);
  return a == b || std::abs(a - b) <= double(p.atol) + double(p.rtol) * std::abs(b);
}
void allclose(const CloseParam& p, OpContext& ctx, Inputs in, Outputs out) {
  const auto load = load_of<double>(in[0].dtype);
  const int64_t n = in[0].size(), size = dtype_size(in[0].dtype);
  const int64_t pieces = (n + kGrain - 1) / kGrain;
  uint8_t* good = ctx.scratch_of<uint8_t>(std::max<int64_t>(1, pieces));
  ctx.parallel_for(pieces, 1, [&](int64_t from, int64_t to) {
    double a[kTile], b[kTile];
    for (int64_t piece = from; piece < to; ++piece) {
      good[piece] = 1;
      const int64_t end = std::min(n, (piece + 1) * kGrain);
      for (int64_t at = piece * kGrain; at < end; at += kTile) {
        const int64_t some = std::min<int64_t>(kTile, end - at);
        load(static_cast<const char*>(in[0].data) + at * size, a, some);
        load(static_cast<const char*>(in[1].data) + at * size, b, some);
        for (int64_t i = 0; i < some; ++i) good[piece] &= uint8_t(close(p, a[i], b[i]));
      }
    }
  });
  *out[0].as<uint8_t>() = uint8_t(std::all_of(good, good + pieces, [](uint8_t g) { return g; }));
}

// --- amp_multicast ------------------------------------------------------------------------------
struct MulticastParam {
  int64_t num_outputs = 0;
  bool cast_narrow = false;
  void fields(auto&& f) {
    f("num_outputs", num_outputs, "How many tensors.").required().at_least(1);
    f("cast_narrow", cast_narrow, "To the narrowest of their types, not the widest.");
  }
};
std::vector<Input> multicast_inputs(const MulticastParam& p) {
  std::vector<Input> in;
  for (int64_t i = 0; i < p.num_outputs; ++i) in.push_back({"data_" + std::to_string(i)});
  return in;
}
std::vector<Output> multicast_outputs(const MulticastParam& p) {
  std::vector<Output> out;
  for (int64_t i = 0; i < p.num_outputs; ++i) out.push_back({"output" + std::to_string(i)});
  return out;
}
std::vector<Ref> multicast_reads(const MulticastParam& p) {
  std::vector<Ref> reads;
  for (int i = 0; i < int(p.num_outputs); ++i) reads.push_back(dy(i));
  return reads;
}
void infer_multicast(InferContext& c) {
  for (int i = 0; i < c.inputs(); ++i) c.set_out(i, c.in(i)), c.set_in(i, c.out(i));
}
bool casts(Dtype d) {
  return d == Dtype::kFloat16 || d == Dtype::kBfloat16 || d == Dtype::kFloat32;
}
// float32 and halves become one type. Other types stay.
void infer_multicast_dtype(const MulticastParam& p, InferContext& c) {
  bool full = false;
  Dtype half = Dtype::kUnknown;
  for (int i = 0; i < c.inputs(); ++i) {
    const Dtype d = c.in_dtype(i);
    if (d == Dtype::kUnknown) return;
    if (!casts(d)) continue;
    if (d == Dtype::kFloat32) {
      full = true;
    } else {
      check(half == Dtype::kUnknown || half == d,
            "[amp_multicast] found both float16 and bfloat16, of which neither is the wider");
      half = d;
    }
  }
  const bool narrow = half != Dtype::kUnknown && (p.cast_narrow || !full);
  for (int i = 0; i < c.inputs(); ++i)
    c.set_out_dtype(i, !casts(c.in_dtype(i)) ? c.in_dtype(i) : narrow ? half : Dtype::kFloat32);
}
void multicast(const MulticastParam&, OpContext& ctx, Inputs in, Outputs out) {
  for (int i = 0; i < in.count(); ++i)
    if (ctx.wants(i)) copy_broadcast(ctx, in[i], out[size_t(i)]);
}

// --- _set_value --------------------------------------------------------------------------------
struct SetParam {
  double src = 0;
  std::string ctx;
  void fields(auto&& f) {
    f("src", src, "What every element becomes.").required();
    f("ctx", ctx, "The device, as \"cpu(0)\"; for eager calls.");
  }
};
// In graphs, and without out, there is nothing that would say how many elements.
void infer_set(InferContext& c) {
  if (!c.out(0).has_rank()) c.set_out(0, {1});
}
void infer_set_dtype(InferContext& c) {
  if (c.out_dtype(0) == Dtype::kUnknown) c.set_out_dtype(0, Dtype::kFloat32);
}
void set_value(const SetParam& p, OpContext& ctx, Inputs, Outputs out) {
  double value = p.src;
  Blob one{&value, Shape{1}, Dtype::kFloat64, out[0].device};
  copy_broadcast(ctx, one, out[0]);
}

void define(OpTable& ops) {
  ops.define({.name = "_contrib_quadratic",
              .doc = "a x^2 + b x + c.",
              .params = schema<QuadraticParam>(),
              .inplace = {{0, 0}},
              .cpu = quadratic,
              .wants = wants_same,
              .backward = {.reads = {dy(), x(0)},
                           .run = quadratic_grad,
                           .build = build_quadratic,
                           .inplace = {{0, 0}, {1, 0}}}});
  OpDef round = unary_def<RoundSte>();
  round.aliases = {"_sparse__contrib_round_ste"};
  ops.define(round);
  OpDef sign = unary_def<SignSte>();
  sign.aliases = {"_sparse__contrib_sign_ste"};
  ops.define(sign);
  ops.define({.name = "_contrib_div_sqrt_dim",
              .doc = "Divides by the square root of the last axis' extent, as attention does.",
              .inplace = {{0, 0}},
              .cpu = div_sqrt_dim,
              .backward = {.reads = {dy()}, .run = div_sqrt_dim, .linear = Linear::kYes}});
  ops.define({.name = "_contrib_gradientmultiplier",
              .doc = "A copy, whose gradient is multiplied with scalar.",
              .params = schema<MultiplierParam>(),
              .inplace = {{0, 0}},
              .cpu = copy,
              .backward = {.reads = {dy()}, .build = build_multiplier}});
  ops.define({.name = "moments",
              .doc = "Mean and variance along axes.",
              .precision = Precision::kFull,
              .params = schema<MomentsParam>(),
              .outputs = {{"mean"}, {"var"}},
              .infer = infer_moments,
              .compose = compose_moments});
  ops.define(
      {.name = "_contrib_allclose",
       .doc = "1 if all elements of a and b are within atol + rtol |b| of each other, else 0.",
       .params = schema<CloseParam>(),
       .inputs = {{"a"}, {"b"}},
       .infer = infer_close,
       .infer_dtype = infer_close_dtype,
       .cpu = allclose});
  ops.define(
      {.name = "amp_multicast",
       .doc = "Converts tensors of float32 and of half precision to the widest of their types.",
       .params = schema<MulticastParam>(),
       .inputs = multicast_inputs,
       .outputs = multicast_outputs,
       .variadic = "num_outputs",
       .infer = infer_multicast,
       .infer_dtype = infer_multicast_dtype,
       .cpu = multicast,
       .backward = {.reads = multicast_reads, .run = multicast},
       .meaning = Meaning::kToWidest});
  ops.define({.name = "_set_value",
              .doc = "Sets every element of the array given as out.",
              .params = schema<SetParam>(),
              .inputs = {},
              .infer = infer_set,
              .infer_dtype = infer_set_dtype,
              .cpu = set_value});
}

}  // namespace heddle::ops::small
