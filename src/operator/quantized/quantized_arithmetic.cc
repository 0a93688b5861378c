// Sums, products and BatchNorm of numbers of 8 bits.
#include <optional>

#include "operator/quantized/quantized.h"

namespace heddle::ops::quantized_arithmetic {

using quantized::Range;
using quantized::range_of;

struct CalibratedParam {
  std::optional<float> min_calib_range, max_calib_range;
  void fields(auto&& f) {
    f("min_calib_range", min_calib_range,
      "Low end of the result's range; with both it has 8 bits.");
    f("max_calib_range", max_calib_range, "High end of the result's range.");
  }
  bool calibrated() const { return min_calib_range && max_calib_range; }
  Range range() const { return {*min_calib_range, *max_calib_range}; }
};
struct MulParam : CalibratedParam {
  bool enable_float_output = false;
  void fields(auto&& f) {
    CalibratedParam::fields(f);
    f("enable_float_output", enable_float_output, "The result is float32, and has no range.");
  }
};

enum { kLhs, kRhs, kLhsMin, kLhsMax, kRhsMin, kRhsMax };

void infer_two(InferContext& c) {
  for (int i : {kLhs, kRhs}) c.set_out(0, c.in(i));
  for (int i : {kLhs, kRhs}) c.set_in(i, c.out(0));
  quantized::infer_ranges(c, 2);
}
void infer_inputs_dtype(InferContext& c) {
  quantized::check_8_bits(c.op().name, "lhs", c.in_dtype(kLhs));
  quantized::check_8_bits(c.op().name, "rhs", c.in_dtype(kRhs));
  quantized::infer_range_dtypes(c, 2);
}
void infer_add_dtype(const CalibratedParam& p, InferContext& c) {
  infer_inputs_dtype(c);
  const Dtype a = c.in_dtype(kLhs), b = c.in_dtype(kRhs);
  if (!p.calibrated()) c.set_out_dtype(0, Dtype::kInt32);
  else if (a == Dtype::kInt8 || b == Dtype::kInt8) c.set_out_dtype(0, Dtype::kInt8);
  else if (a == Dtype::kUint8 && b == Dtype::kUint8) c.set_out_dtype(0, Dtype::kUint8);
}
void infer_mul_dtype(const MulParam& p, InferContext& c) {
  infer_inputs_dtype(c);
  c.set_out_dtype(0, p.enable_float_output ? Dtype::kFloat32
                     : p.calibrated()      ? Dtype::kInt8
                                           : Dtype::kInt32);
}

// fn(a, b) with the elements of both, whatever their types.
template <class Fn>
void with_two(Inputs in, Fn&& fn) {
  quantized::with_8_bits(in[kLhs].dtype, [&](auto a) {
    quantized::with_8_bits(in[kRhs].dtype, [&](auto b) {
      fn(in[kLhs].as<decltype(a)>(), in[kRhs].as<decltype(b)>());
    });
  });
}
template <class T, class From>
void fill(const OpContext& ctx, const Blob& to, From&& from) {
  T* y = to.as<T>();
  ctx.parallel_for(to.size(), quantized::kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) y[i] = from(i);
  });
}

void add(const CalibratedParam& p, OpContext& ctx, Inputs in, Outputs out) {
  const Range ra = range_of(in[kLhsMin], in[kLhsMax]), rb = range_of(in[kRhsMin], in[kRhsMax]);
  const float sum = ra.reach() + rb.reach();
  const Range r = p.calibrated() ? p.range() : Range{-sum, sum};
  quantized::write(ctx, out, r);
  if (!ctx.wants(0)) return;
  const float levels =
      p.calibrated() ? quantized::levels_of(out[0].dtype) : quantized::kInt32Levels;
  const float scale = r.reach() > 0 ? levels / r.reach() : 0;
  const float a_scale = scale / (quantized::levels_of(in[kLhs].dtype) / ra.reach());
  const float b_scale = scale / (quantized::levels_of(in[kRhs].dtype) / rb.reach());
  with_two(in, [&](const auto* a, const auto* b) {
    const auto value = [&](int64_t i) { return a_scale * float(a[i]) + b_scale * float(b[i]); };
    if (p.calibrated()) return quantized::store(ctx, out[0], value);
    fill<int32_t>(ctx, out[0], [&](int64_t i) { return quantized::nearest<int32_t>(value(i)); });
  });
}

void mul(const MulParam& p, OpContext& ctx, Inputs in, Outputs out) {
  const Range ra = range_of(in[kLhsMin], in[kLhsMax]), rb = range_of(in[kRhsMin], in[kRhsMax]);
  const Dtype da = in[kLhs].dtype, db = in[kRhs].dtype;
  const float step = quantized::step_of(da, ra) * quantized::step_of(db, rb);
  with_two(in, [&](const auto* a, const auto* b) {
    const auto product = [&](int64_t i) { return int32_t(a[i]) * int32_t(b[i]); };
    if (p.enable_float_output)
      return fill<float>(ctx, out[0], [&](int64_t i) { return float(product(i)) * step; });
    const Range r = p.calibrated()
                        ? p.range()
                        : quantized::range_of_products(quantized::factor_step_of(da, ra) *
                                                       quantized::factor_step_of(db, rb));
    quantized::write(ctx, out, r);
    if (!ctx.wants(0)) return;
    if (!p.calibrated()) return fill<int32_t>(ctx, out[0], product);
    const float scale = r.reach() > 0 ? step * quantized::kInt8Levels / r.reach() : 0;
    quantized::store(ctx, out[0], [&](int64_t i) { return float(product(i)) * scale; });
  });
}

// --- batch norm ---------------------------------------------------------------------------------
struct BatchNormParam : CalibratedParam {
  double eps = 1e-3;
  float momentum = 0.9f;
  bool fix_gamma = true, use_global_stats = false, output_mean_var = false;
  int axis = 1;
  bool cudnn_off = false;
  void fields(auto&& f) {
    f("eps", eps, "Added to the variance.");
    f("momentum", momentum, "Ignored: the moving statistics stay as they are.").ignored();
    f("fix_gamma", fix_gamma, "Take gamma for 1.");
    f("use_global_stats", use_global_stats, "Ignored: they are always used.").ignored();
    f("output_mean_var", output_mean_var, "Ignored: there are no such outputs.").ignored();
    f("axis", axis, "The axis of the channels.");
    f("cudnn_off", cudnn_off, "Not to use cuDNN; ignored.").ignored();
    CalibratedParam::fields(f);
  }
};
enum { kData, kGamma, kBeta, kMovingMean, kMovingVar, kMinData, kMaxData };

void infer_batch_norm(const BatchNormParam& p, InferContext& c) {
  check(p.calibrated(), "[{}] has no min_calib_range and max_calib_range, expected both",
        c.op().name);
  c.set_out(0, c.in(kData)), c.set_in(kData, c.out(0));
  quantized::infer_ranges(c, kMinData);
  const Shape& x = c.in(kData);
  if (!x.has_rank()) return;
  const int axis = normalize_axis(c.op().name, p.axis, x.rank());
  for (int i = kGamma; i <= kMovingVar; ++i) c.set_in(i, {x[axis]});
}
void infer_batch_norm_dtype(const BatchNormParam&, InferContext& c) {
  quantized::check_8_bits(c.op().name, "data", c.in_dtype(kData));
  quantized::infer_range_dtypes(c, kGamma);
  c.set_out_dtype(0, Dtype::kInt8);
}
void batch_norm(const BatchNormParam& p, OpContext& ctx, Inputs in, Outputs out) {
  const Range r = p.range();
  quantized::write(ctx, out, r);
  if (!ctx.wants(0)) return;
  const Shape& s = in[kData].shape;
  const int axis = normalize_axis("_contrib_quantized_batch_norm", p.axis, s.rank());
  const int64_t channels = s[axis], length = s.size(axis + 1), runs = s.size(0, axis) * channels;
  const float step = quantized::step_of(in[kData].dtype, range_of(in[kMinData], in[kMaxData]));
  const float scale = r.reach() > 0 ? quantized::kInt8Levels / r.reach() : 0;
  const float *gamma = in[kGamma].as<float>(), *beta = in[kBeta].as<float>();
  const float *mean = in[kMovingMean].as<float>(), *var = in[kMovingVar].as<float>();
  quantized::with_8_bits(in[kData].dtype, [&](auto type) {
    const auto* x = in[kData].as<decltype(type)>();
    int8_t* y = out[0].as<int8_t>();
    const int64_t grain = std::max<int64_t>(1, quantized::kGrain / std::max<int64_t>(1, length));
    ctx.parallel_for(runs, grain, [&](int64_t from, int64_t to) {
      for (int64_t i = from; i < to; ++i) {
        const int64_t k = i % channels;
        const float slope = (p.fix_gamma ? 1 : gamma[k]) / std::sqrt(var[k] + float(p.eps));
        const float a = slope * step * scale, b = (beta[k] - slope * mean[k]) * scale;
        for (int64_t j = i * length; j < (i + 1) * length; ++j)
          y[j] = quantized::nearest<int8_t>(a * float(x[j]) + b);
      }
    });
  });
}

void define(OpTable& ops) {
  const std::vector<Input> two = {{"lhs", "int8 or uint8"}, {"rhs", "int8 or uint8"},
                                  {"lhs_min", "(1)"},       {"lhs_max", "(1)"},
                                  {"rhs_min", "(1)"},       {"rhs_max", "(1)"}};
  ops.define({.name = "_contrib_quantized_elemwise_add",
              .doc = "lhs + rhs of 8 bits: int32 whose reach is the sum of theirs or, in a range "
                     "that is given, 8 bits (uint8 if both are).",
              .params = schema<CalibratedParam>(),
              .inputs = two,
              .outputs = quantized::with_range(),
              .infer = infer_two,
              .infer_dtype = infer_add_dtype,
              .cpu = add});
  ops.define({.name = "_contrib_quantized_elemwise_mul",
              .doc = "lhs * rhs of 8 bits: the products as int32 or, in a range that is given, the "
                     "nearest int8; or float32.",
              .params = schema<MulParam>(),
              .inputs = two,
              .outputs = {{"output"},
                          {.name = "min_output", .when = when("enable_float_output", false)},
                          {.name = "max_output", .when = when("enable_float_output", false)}},
              .infer = infer_two,
              .infer_dtype = infer_mul_dtype,
              .cpu = mul,
              .backward = {.zero = true}});
  ops.define({.name = "_contrib_quantized_batch_norm",
              .doc = "BatchNorm by the moving statistics, from 8 bits to int8 in the given range.",
              .params = schema<BatchNormParam>(),
              .inputs = {{"data", "int8 or uint8"},
                         {"gamma", "(channels)"},
                         {"beta", "(channels)"},
                         {.name = "moving_mean", .role = Role::kAux},
                         {.name = "moving_var", .role = Role::kAux},
                         {"min_data", "(1)"},
                         {"max_data", "(1)"}},
              .outputs = quantized::with_range(),
              .infer = infer_batch_norm,
              .infer_dtype = infer_batch_norm_dtype,
              .cpu = batch_norm,
              .backward = {.zero = true}});
}

}  // namespace heddle::ops::quantized_arithmetic
