// Operators that move numbers of 8 bits, or pick among them: flatten, act, pooling, concat and
// embedding. The range goes along with the numbers.
#include "operator/nn/pooling.h"
#include "operator/quantized/quantized.h"
#include "operator/scratch_needs.h"
#include "operator/tensor/view.h"

namespace heddle::ops::quantized_shape {

using quantized::Range;
using quantized::range_of;
using view::View;

void infer_8_bits_dtype(InferContext& c) {
  quantized::check_8_bits(c.op().name, "data", c.in_dtype(0));
  c.set_out_dtype(0, c.in_dtype(0)), c.set_in_dtype(0, c.out_dtype(0));
  quantized::infer_range_dtypes(c, 1);
}
void keep_range(OpContext& ctx, Inputs in, Outputs out) {
  quantized::write(ctx, out, range_of(in[1], in[2]));
}

// --- flatten ------------------------------------------------------------------------------------
void infer_flatten(InferContext& c) {
  const Shape& x = c.in(0);
  quantized::infer_ranges(c, 1);
  if (!x.known()) return;
  check(x.rank() >= 1, "[{}] data has shape {}, expected at least one axis", c.op().name, x);
  c.set_out(0, {x[0], x.size(1)});
}
void flatten(OpContext& ctx, Inputs in, Outputs out) {
  if (ctx.wants(0))
    std::copy_n(static_cast<const char*>(in[0].data), in[0].bytes(),
                static_cast<char*>(out[0].data));
  keep_range(ctx, in, out);
}

// --- act ----------------------------------------------------------------------------------------
enum class Function { kRelu, kSigmoid, kTanh, kSoftrelu, kSoftsign };
struct ActParam {
  Function act_type = Function::kRelu;
  void fields(auto&& f) {
    f("act_type", act_type, "The function; relu is the one that numbers of 8 bits have.")
        .names({"relu", "sigmoid", "tanh", "softrelu", "softsign"})
        .required();
  }
};
void infer_act(const ActParam& p, InferContext& c) {
  check(p.act_type == Function::kRelu, "[{}] act_type is not supported, expected 'relu'",
        c.op().name);
  c.set_out(0, c.in(0)), c.set_in(0, c.out(0));
  quantized::infer_ranges(c, 1);
}
void act(const ActParam&, OpContext& ctx, Inputs in, Outputs out) {
  quantized::with_8_bits(in[0].dtype, [&](auto type) {
    using Q = decltype(type);
    const Q* x = in[0].as<Q>();
    Q* y = out[0].as<Q>();
    ctx.parallel_for(ctx.wants(0) ? in[0].size() : 0, 4 * quantized::kGrain,
                     [&](int64_t begin, int64_t end) {
                       for (int64_t i = begin; i < end; ++i) y[i] = std::max(x[i], Q(0));
                     });
  });
  keep_range(ctx, in, out);
}

// --- pooling ------------------------------------------------------------------------------------
void infer_pooling(const nn::PoolingParam& p, InferContext& c) {
  check(p.pool_type == nn::PoolType::kMax || p.pool_type == nn::PoolType::kAvg,
        "[{}] pool_type is not supported, expected 'max' or 'avg'", c.op().name);
  quantized::infer_ranges(c, 1);
  nn::infer_pooling(p, c);
}
// An average is the nearest whole number, ties to even.
template <class Q>
void pool_plane(const nn::PoolingParam& p, const nn::Window& w, const Q* x, Q* y) {
  const bool max = p.pool_type == nn::PoolType::kMax;
  nn::each_window(w, [&](int64_t at, const nn::Reach& d, const nn::Reach& h, const nn::Reach& v) {
    int32_t best = std::numeric_limits<Q>::lowest(), sum = 0;
    nn::each_cell(w, d, h, v,
                  [&](int64_t i) { best = std::max(best, int32_t(x[i])), sum += x[i]; });
    y[at] = max ? Q(best) : quantized::nearest<Q>(float(sum / nn::divisor<double>(p, w, d, h, v)));
  });
}
void pooling(const nn::PoolingParam& p, OpContext& ctx, Inputs in, Outputs out) {
  const nn::Window w = nn::window_of(p, in[0].shape, out[0].shape);
  keep_range(ctx, in, out);
  if (!ctx.wants(0)) return;
  const int64_t cells = std::max<int64_t>(1, w.out_size() * w.taps());
  quantized::with_8_bits(in[0].dtype, [&](auto type) {
    using Q = decltype(type);
    ctx.parallel_for(w.batch, std::max<int64_t>(1, 32768 / cells), [&](int64_t from, int64_t to) {
      for (int64_t i = from; i < to; ++i)
        pool_plane(p, w, in[0].as<Q>() + i * w.in_size(), out[0].as<Q>() + i * w.out_size());
    });
  });
}

// --- concat -------------------------------------------------------------------------------------
struct ConcatParam {
  int64_t num_args = 0;
  int dim = 1;
  void fields(auto&& f) {
    f("num_args", num_args, "Number of tensors; each has two ends of its range as well.")
        .required()
        .at_least(1);
    f("dim", dim, "The axis to join along.");
  }
};
std::vector<Input> concat_inputs(const ConcatParam& p) {
  std::vector<Input> in;
  for (int64_t i = 0; i < p.num_args; ++i) in.push_back({format("arg{}", i), "int8 or uint8"});
  for (int64_t i = 0; i < p.num_args; ++i)
    in.push_back({format("arg_min{}", i), "(1)"}), in.push_back({format("arg_max{}", i), "(1)"});
  return in;
}
void infer_concat(const ConcatParam& p, InferContext& c) {
  const int count = int(p.num_args);
  quantized::infer_ranges(c, count);
  Shape y;
  int axis = 0;
  int64_t sum = 0;
  for (int i = 0; i < count; ++i) {
    Shape x = c.in(i);
    if (!x.known()) return;
    if (i == 0) axis = normalize_axis(c.op().name, p.dim, x.rank()), y = x;
    check(x.rank() == y.rank(), "[{}] arg{} has shape {}, expected {} axes", c.op().name, i, x,
          y.rank());
    sum += x[axis];
    for (int d = 0; d < y.rank(); ++d)
      check(d == axis || x[d] == y[d],
            "[{}] arg{} has shape {}, expected that of arg0, {}, but for axis {}", c.op().name, i,
            x, c.in(0), axis);
  }
  y[axis] = sum;
  c.set_out(0, y);
}
// Signed as soon as one of them is.
void infer_concat_dtype(const ConcatParam& p, InferContext& c) {
  const int count = int(p.num_args);
  quantized::infer_range_dtypes(c, count);
  bool known = true, is_signed = false;
  for (int i = 0; i < count; ++i) {
    quantized::check_8_bits(c.op().name, format("arg{}", i), c.in_dtype(i));
    known = known && c.in_dtype(i) != Dtype::kUnknown;
    is_signed = is_signed || c.in_dtype(i) == Dtype::kInt8;
  }
  if (is_signed || known) c.set_out_dtype(0, is_signed ? Dtype::kInt8 : Dtype::kUint8);
}
void concat(const ConcatParam& p, OpContext& ctx, Inputs in, Outputs out) {
  const int count = int(p.num_args);
  const auto range = [&](int i) { return range_of(in[count + 2 * i], in[count + 2 * i + 1]); };
  Range all = range(0);
  for (int i = 1; i < count; ++i)
    all = {std::min(all.low, range(i).low), std::max(all.high, range(i).high)};
  quantized::write(ctx, out, all);
  if (!ctx.wants(0)) return;
  const float levels = quantized::levels_of(out[0].dtype), reach = all.reach();
  const int axis = normalize_axis("_contrib_quantized_concat", p.dim, out[0].shape.rank());
  int64_t begin = 0;
  for (int i = 0; i < count; begin += in[i].shape[axis], ++i) {
    const float step = quantized::step_of(in[i].dtype, range(i));
    const float scale = reach > 0 ? step * levels / reach : 0;
    const View whole = View(out[0].shape).slice(axis, begin, in[i].shape[axis]);
    const bool same = in[i].dtype == out[0].dtype && range(i).reach() == reach;
    ScratchScope scope;
    Blob part = in[i];
    if (!same) {
      part.dtype = out[0].dtype, part.data = ctx.scratch(size_t(part.bytes()));
      quantized::with_8_bits(in[i].dtype, [&](auto type) {
        const auto* x = in[i].as<decltype(type)>();
        quantized::store(ctx, part, [&](int64_t k) { return float(x[k]) * scale; });
      });
    }
    view::copy(ctx, part, View(part.shape), out[0], whole);
  }
}

// --- embedding ----------------------------------------------------------------------------------
struct EmbeddingParam {
  int64_t input_dim = 0, output_dim = 0;
  Dtype dtype = Dtype::kFloat32;
  bool sparse_grad = false;
  void fields(auto&& f) {
    f("input_dim", input_dim, "Number of rows of the weight.").required().at_least(1);
    f("output_dim", output_dim, "Length of a row.").required().at_least(1);
    f("dtype", dtype, "Ignored: rows have the dtype of the weight.").ignored();
    f("sparse_grad", sparse_grad, "Ignored: there is no gradient.").ignored();
  }
};
std::vector<Builder::Value> embedding(Builder& b) {
  const auto& p = *static_cast<const EmbeddingParam*>(b.params());
  return {b.call("Embedding", {b.x(0), b.x(1)},
                 {{"input_dim", param::print(p.input_dim)},
                  {"output_dim", param::print(p.output_dim)},
                  {"dtype", "int8"}}),
          b.call("BlockGrad", {b.x(2)}), b.call("BlockGrad", {b.x(3)})};
}

void define(OpTable& ops) {
  const std::vector<Input> ranged = {
      {"data", "int8 or uint8"}, {"min_data", "(1)"}, {"max_data", "(1)"}};
  ops.define({.name = "_contrib_quantized_flatten",
              .doc = "Flatten of numbers of 8 bits: (n, the rest).",
              .inputs = ranged,
              .outputs = quantized::with_range(),
              .infer = infer_flatten,
              .infer_dtype = infer_8_bits_dtype,
              .cpu = flatten,
              .backward = {.zero = true}});
  ops.define({.name = "_contrib_quantized_act",
              .doc = "Relu of numbers of 8 bits. The range stays as it is.",
              .params = schema<ActParam>(),
              .inputs = ranged,
              .outputs = quantized::with_range(),
              .infer = infer_act,
              .infer_dtype = infer_8_bits_dtype,
              .cpu = act});
  ops.define({.name = "_contrib_quantized_pooling",
              .doc = "Maximum or average of windows of numbers of 8 bits; averages are rounded.",
              .params = schema<nn::PoolingParam>(),
              .inputs = ranged,
              .outputs = quantized::with_range(),
              .infer = infer_pooling,
              .infer_dtype = infer_8_bits_dtype,
              .cpu = pooling,
              .backward = {.zero = true}});
  ops.define({.name = "_contrib_quantized_concat",
              .doc =
                  "Joins tensors of 8 bits along an axis, in the range that holds all of theirs. "
                  "Inputs: the tensors, then both ends of the range of each.",
              .params = schema<ConcatParam>(),
              .inputs = concat_inputs,
              .outputs = quantized::with_range(),
              .variadic = "num_args",
              .infer = infer_concat,
              .infer_dtype = infer_concat_dtype,
              .cpu = concat,
              .backward = {.zero = true}});
  ops.define({.name = "_contrib_quantized_embedding",
              .doc = "Rows of an int8 weight, picked by data; indices out of range are clipped.",
              .params = schema<EmbeddingParam>(),
              .inputs = {{"data", "indices"},
                         {"weight", "(input_dim, output_dim), int8"},
                         {"min_weight", "(1)"},
                         {"max_weight", "(1)"}},
              .outputs = quantized::with_range(),
              .compose = embedding});
  ops.scratch("_contrib_quantized_concat", copies_scratch<1>);
}

}  // namespace heddle::ops::quantized_shape
