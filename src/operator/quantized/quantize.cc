// Numbers of 8 bits and back: quantize, quantize_v2, quantize_asym, dequantize, requantize, and
// calibrate_entropy.
#include <algorithm>
#include <limits>
#include <optional>
#include <vector>

#include "operator/quantized/quantized.h"
#include "operator/scratch_needs.h"

#define HEDDLE_LOOPS "operator/quantized/quantize.inl.h"
#include "operator/simd/each_target.h"

namespace heddle::ops::quantize {

using quantized::kGrain;
using quantized::kInt8Levels;
using quantized::kUint8Levels;
using quantized::Range;
using quantized::range_of;
using quantized::write;

// Which type comes out: as asked for or, for auto, unsigned where a given range has no negatives.
enum class Type { kAuto, kInt8, kUint8 };
enum class FixedType { kInt8, kUint8 };

// The least and largest number; NaN does not count.
template <class T>
Range extent(const OpContext& ctx, const Blob& x) {
  constexpr int64_t kPiece = 65536;
  constexpr float kFar = std::numeric_limits<float>::infinity();
  const int64_t n = x.size(), pieces = (n + kPiece - 1) / kPiece;
  std::vector<Range> found(size_t(pieces), Range{kFar, -kFar});
  const auto loop = HEDDLE_PICK(least_and_largest<T>);
  const T* v = x.as<T>();
  ctx.parallel_for(pieces, 1, [&](int64_t begin, int64_t end) {
    for (int64_t piece = begin; piece < end; ++piece) {
      Range& r = found[size_t(piece)];
      loop(v + piece * kPiece, std::min(kPiece, n - piece * kPiece), &r.low, &r.high);
    }
  });
  Range all{kFar, -kFar};
  for (const Range& r : found) all = {std::min(all.low, r.low), std::max(all.high, r.high)};
  return all.low <= all.high ? all : Range{0, 0};
}

// to[i] = the nearest of x[i] unit scale + shift.
template <class T>
void store_scaled(const OpContext& ctx, const Blob& x, const Blob& to, float unit, float scale,
                  float shift = 0) {
  quantized::with_8_bits(to.dtype, [&](auto type) {
    using Q = decltype(type);
    const auto loop = HEDDLE_PICK(to_8_bits<T, Q>);
    const T* from = x.as<T>();
    Q* q = to.as<Q>();
    ctx.parallel_for(to.size(), kGrain, [&](int64_t begin, int64_t end) {
      loop(from + begin, q + begin, end - begin, unit, scale, shift);
    });
  });
}
// The same, so that the levels of `to` reach as far as numbers do.
template <class T>
void store_within(const OpContext& ctx, const Blob& x, const Blob& to, float unit, float reach,
                  float levels_int8, float levels_uint8) {
  const float levels = to.dtype == Dtype::kInt8 ? levels_int8 : levels_uint8;
  store_scaled<T>(ctx, x, to, unit, reach > 0 ? levels / reach : 0);
}

void infer(InferContext& c) {
  c.set_out(0, c.in(0)), c.set_in(0, c.out(0));
  quantized::infer_ranges(c, 1);
}
void infer_ranges(InferContext& c) { quantized::infer_range_dtypes(c, 1); }

// --- quantize -----------------------------------------------------------------------------------
struct QuantizeParam {
  FixedType out_type = FixedType::kUint8;
  void fields(auto&& f) { f("out_type", out_type, "Of the output.").names({"int8", "uint8"}); }
};
void quantize_dtype(const QuantizeParam& p, InferContext& c) {
  infer_ranges(c);
  c.set_out_dtype(0, p.out_type == FixedType::kInt8 ? Dtype::kInt8 : Dtype::kUint8);
}
void quantize(const QuantizeParam& p, OpContext& ctx, Inputs in, Outputs out) {
  const Range r = range_of(in[1], in[2]);
  const float reach = r.reach();
  with_float(in[0].dtype, "quantize", [&](auto type) {
    store_within<decltype(type)>(ctx, in[0], ctx.output(out, 0), 1, reach, 127, 255);
  });
  write(ctx, out, p.out_type == FixedType::kInt8 ? Range{-reach, reach} : r);
}

// --- quantize_v2 --------------------------------------------------------------------------------
struct CalibratedParam {
  Type out_type = Type::kInt8;
  std::optional<float> min_calib_range, max_calib_range;
  void fields(auto&& f) {
    f("out_type", out_type, "Of the output; auto: uint8 where min_calib_range has no sign.")
        .names({"auto", "int8", "uint8"});
    f("min_calib_range", min_calib_range, "The least number; by default that of data.");
    f("max_calib_range", max_calib_range, "The largest number; by default that of data.");
  }
  bool calibrated() const { return min_calib_range && max_calib_range; }
  Range range() const { return {*min_calib_range, *max_calib_range}; }
  bool is_signed() const {
    if (out_type != Type::kAuto) return out_type == Type::kInt8;
    return !calibrated() || *min_calib_range < 0;
  }
};
void calibrated_dtype(const CalibratedParam& p, InferContext& c) {
  infer_ranges(c);
  c.set_out_dtype(0, p.is_signed() ? Dtype::kInt8 : Dtype::kUint8);
}
void quantize_v2(const CalibratedParam& p, OpContext& ctx, Inputs in, Outputs out) {
  const Blob& x = in[0];
  if (x.dtype == Dtype::kInt8 || x.dtype == Dtype::kUint8) {  // quantized already
    std::copy_n(static_cast<const char*>(x.data), x.bytes(),
                static_cast<char*>(ctx.output(out, 0).data));
    return write(
        ctx, out,
        x.dtype == Dtype::kInt8 ? Range{-kInt8Levels, kInt8Levels} : Range{0, kUint8Levels});
  }
  with_float(x.dtype, "quantize_v2", [&](auto type) {
    using T = decltype(type);
    const Range r = p.calibrated() ? p.range() : extent<T>(ctx, x);
    store_within<T>(ctx, x, ctx.output(out, 0), 1, r.reach(), kInt8Levels, kUint8Levels);
    write(ctx, out, p.is_signed() ? Range{-r.reach(), r.reach()} : r);
  });
}

// --- quantize_asym ------------------------------------------------------------------------------
struct AsymParam {
  std::optional<float> min_calib_range, max_calib_range;
  void fields(auto&& f) {
    f("min_calib_range", min_calib_range, "The least number; by default that of data.");
    f("max_calib_range", max_calib_range, "The largest number; by default that of data.");
  }
};
void asym_dtype(InferContext& c) {
  c.set_out_dtype(0, Dtype::kUint8);
  infer_ranges(c);
}
void quantize_asym(const AsymParam& p, OpContext& ctx, Inputs in, Outputs out) {
  const Blob& x = in[0];
  float scale = 1, shift = 0;
  if (x.dtype == Dtype::kInt8 || x.dtype == Dtype::kUint8) {  // quantized already
    shift = x.dtype == Dtype::kInt8 ? 128 : 0;
    quantized::with_8_bits(x.dtype, [&](auto type) {
      store_scaled<decltype(type)>(ctx, x, ctx.output(out, 0), 1, 1, shift);
    });
    return write(ctx, out, {scale, shift});
  }
  with_float(x.dtype, "_contrib_quantize_asym", [&](auto type) {
    using T = decltype(type);
    const Range r = p.min_calib_range && p.max_calib_range
                        ? Range{*p.min_calib_range, *p.max_calib_range}
                        : extent<T>(ctx, x);
    if (r.high > r.low) scale = 255 / (r.high - r.low);
    shift = 255 - r.high * scale;
    store_scaled<T>(ctx, x, ctx.output(out, 0), 1, scale, shift);
  });
  write(ctx, out, {scale, shift});
}

// --- dequantize ---------------------------------------------------------------------------------
enum class FloatType { kFloat32 };
struct DequantizeParam {
  FloatType out_type = FloatType::kFloat32;
  void fields(auto&& f) { f("out_type", out_type, "Of the output.").names({"float32"}); }
};
void dequantize_dtype(InferContext& c) { infer_ranges(c), c.set_out_dtype(0, Dtype::kFloat32); }
void dequantize(OpContext& ctx, Inputs in, Outputs out) {
  const bool is_signed = in[0].dtype == Dtype::kInt8;
  check(is_signed || in[0].dtype == Dtype::kUint8,
        "[_contrib_dequantize] data has dtype {}, expected int8 or uint8", in[0].dtype);
  const float reach = range_of(in[1], in[2]).reach();
  const float scale = reach / (is_signed ? kInt8Levels : kUint8Levels);
  float* x = out[0].as<float>();
  quantized::with_8_bits(in[0].dtype, [&](auto type) {
    using Q = decltype(type);
    const auto loop = HEDDLE_PICK(from_8_bits<Q>);
    const Q* q = in[0].as<Q>();
    ctx.parallel_for(in[0].size(), kGrain, [&](int64_t begin, int64_t end) {
      loop(q + begin, x + begin, end - begin, scale);
    });
  });
}

// --- requantize ---------------------------------------------------------------------------------
void requantize_dtype(const CalibratedParam& p, InferContext& c) {
  c.set_in_dtype(0, Dtype::kInt32);
  calibrated_dtype(p, c);
}
void requantize(const CalibratedParam& p, OpContext& ctx, Inputs in, Outputs out) {
  const float unit = range_of(in[1], in[2]).reach() / quantized::kInt32Levels;
  Range r = p.calibrated() ? p.range() : extent<int32_t>(ctx, in[0]);
  if (!p.calibrated()) r = {r.low * unit, r.high * unit};
  store_within<int32_t>(ctx, in[0], ctx.output(out, 0), unit, r.reach(), 127, 255);
  write(ctx, out, {p.is_signed() ? -r.reach() : 0, r.reach()});
}

// --- calibrate_entropy --------------------------------------------------------------------------
struct EntropyParam {
  int64_t num_quantized_bins = 255;
  void fields(auto&& f) {
    f("num_quantized_bins", num_quantized_bins, "Levels of the quantized numbers.").at_least(2);
  }
};
void infer_entropy(const EntropyParam& p, InferContext& c) {
  const Shape& h = c.in(0);
  c.set_out(0, {1}), c.set_out(1, {1});
  if (!h.known()) return;
  check(
      h.rank() == 1 && h[0] % 2 == 1 && h[0] >= p.num_quantized_bins,
      "[_contrib_calibrate_entropy] hist has shape {}, expected an odd number of bins, at least {}",
      h, p.num_quantized_bins);
  c.set_in(1, {h[0] + 1});
}
void infer_entropy_dtype(InferContext& c) {
  for (int i = 0; i < 2; ++i) c.set_in_dtype(i, Dtype::kFloat32);
  for (int i = 0; i < 2; ++i) c.set_out_dtype(i, Dtype::kFloat32);
}

// Gives a little of what there is to empty bins; false where that takes all.
bool smooth(std::vector<double>& v) {
  constexpr double kLittle = 1e-4;
  const auto empty = double(std::count(v.begin(), v.end(), 0.0)), full = double(v.size()) - empty;
  if (full == 0 || kLittle * empty / full >= 1) return false;
  for (double& x : v) x += x == 0 ? kLittle : -kLittle * empty / full;
  return true;
}
// Kullback and Leibler's, of q from p.
double divergence(std::vector<double> p, std::vector<double> q) {
  if (!smooth(p) || !smooth(q)) return std::numeric_limits<double>::infinity();
  double of_p = 0, of_q = 0, sum = 0;
  for (size_t i = 0; i < p.size(); ++i) of_p += p[i], of_q += q[i];
  for (size_t i = 0; i < p.size(); ++i)
    if (p[i] > 0 && q[i] > 0) sum += p[i] / of_p * std::log(p[i] / of_p / (q[i] / of_q));
    else if (p[i] > 0) return std::numeric_limits<double>::infinity();
  return sum;
}
// What the bins [from, to) become when cut off there and quantized, and how far that is from them.
double loss_of(const float* hist, int64_t bins, int64_t from, int64_t to, int64_t levels) {
  std::vector<double> p(hist + from, hist + to), q(p.size(), 0.0);
  std::vector<double> inner = p;
  inner.front() = 0;  // MXNet counts the first bin among those that were cut off
  for (int64_t i = 0; i < from; ++i) p.front() += double(hist[i]);
  for (int64_t i = to; i < bins; ++i) p.back() += double(hist[i]);
  const int64_t merged = (to - from) / levels;
  for (int64_t level = 0; level < levels; ++level) {
    const auto first = size_t(level * merged);
    const size_t last = level + 1 == levels ? p.size() : first + size_t(merged);
    double sum = 0, filled = 0;
    for (size_t i = first; i < last; ++i) sum += inner[i], filled += inner[i] != 0 ? 1 : 0;
    for (size_t i = first; i < last; ++i)
      if (p[i] != 0 && filled > 0) q[i] = sum / filled;
  }
  return divergence(std::move(p), std::move(q));
}

void calibrate(const EntropyParam& p, OpContext& ctx, Inputs in, Outputs out) {
  const int64_t bins = in[0].size(), middle = bins / 2, first = p.num_quantized_bins / 2;
  const int64_t count = middle - first + 1;
  std::vector<double> loss(static_cast<size_t>(std::max<int64_t>(0, count)));
  ctx.parallel_for(count, 16, [&](int64_t begin, int64_t end) {
    for (int64_t k = begin; k < end; ++k)
      loss[size_t(k)] = loss_of(in[0].as<float>(), bins, middle - first - k, middle + first + k + 1,
                                p.num_quantized_bins);
  });
  const int64_t best = std::min_element(loss.begin(), loss.end()) - loss.begin();
  if (ctx.wants(0)) *out[0].as<float>() = in[1].as<float>()[middle + first + best + 1];
  if (ctx.wants(1)) *out[1].as<float>() = float(loss[size_t(best)]);
}

void define(OpTable& ops) {
  const std::vector<Output> ranged = {{"output"}, {"min_range"}, {"max_range"}};
  ops.define({
      .name = "_contrib_quantize",
      .doc = "Floating numbers as 8 bits: the nearest of 127 levels either side of zero (int8), or "
             "of 255 from zero (uint8), the last being the end of the range that is further away.",
      .params = schema<QuantizeParam>(),
      .inputs = {{"data"}, {"min_range", "(1)"}, {"max_range", "(1)"}},
      .outputs = ranged,
      .infer = infer,
      .infer_dtype = quantize_dtype,
      .cpu = quantize,
      .backward = {.zero = true},
  });
  ops.define({
      .name = "_contrib_quantize_v2",
      .doc = "Floating numbers as 8 bits, in a range that is given or found; what has 8 bits "
             "already stays.",
      .params = schema<CalibratedParam>(),
      .outputs = ranged,
      .infer = infer,
      .infer_dtype = calibrated_dtype,
      .cpu = quantize_v2,
      .backward = {.zero = true},
  });
  ops.define({
      .name = "_contrib_quantize_asym",
      .doc = "Numbers as uint8, data * scale + shift: the range, given or found, fills all levels.",
      .params = schema<AsymParam>(),
      .outputs = {{"output"}, {"scale"}, {"shift"}},
      .infer = infer,
      .infer_dtype = asym_dtype,
      .cpu = quantize_asym,
      .backward = {.zero = true},
  });
  ops.define({
      .name = "_contrib_dequantize",
      .doc = "Floating numbers of 8 bits in a range.",
      .params = schema<DequantizeParam>(),
      .inputs = {{"data", "int8 or uint8"}, {"min_range", "(1)"}, {"max_range", "(1)"}},
      .infer = infer,
      .infer_dtype = dequantize_dtype,
      .cpu = dequantize,
      .backward = {.zero = true},
  });
  ops.define({
      .name = "_contrib_requantize",
      .doc = "Numbers of 32 bits in a range as 8 bits, in a range that is given or found.",
      .params = schema<CalibratedParam>(),
      .inputs = {{"data", "int32"}, {"min_range", "(1)"}, {"max_range", "(1)"}},
      .outputs = ranged,
      .infer = infer,
      .infer_dtype = requantize_dtype,
      .cpu = requantize,
      .backward = {.zero = true},
  });
  ops.define({
      .name = "_contrib_calibrate_entropy",
      .doc = "The threshold at which to cut a histogram, symmetric around zero, so that quantizing "
             "the rest loses least information (Migacz 2017), and that loss.",
      .params = schema<EntropyParam>(),
      .inputs = {{"hist", "(bins)"}, {"hist_edges", "(bins + 1)"}},
      .outputs = {{"threshold"}, {"divergence"}},
      .infer = infer_entropy,
      .infer_dtype = infer_entropy_dtype,
      .cpu = calibrate,
  });
  ops.scratch("_contrib_quantize", unwanted);
  ops.scratch("_contrib_quantize_v2", unwanted);
  ops.scratch("_contrib_quantize_asym", unwanted);
  ops.scratch("_contrib_requantize", unwanted);
}

}  // namespace heddle::ops::quantize
