// UpSampling: larger planes, by repeating cells or by bilinear interpolation.
#include <algorithm>

#include "operator/nn/deconvolution.h"

namespace heddle::ops::up_sampling {

using nn::Window;

enum class SampleType { kNearest, kBilinear };
enum class MultiInputMode { kConcat, kSum };

struct UpSamplingParam {
  int64_t scale = 1, num_filter = 0;
  SampleType sample_type = SampleType::kNearest;
  MultiInputMode multi_input_mode = MultiInputMode::kConcat;
  int64_t num_args = 1;
  uint64_t workspace = 512;
  void fields(auto&& f) {
    f("scale", scale, "How many times larger.").required().at_least(1);
    f("num_filter", num_filter, "Channels of data; for bilinear.");
    f("sample_type", sample_type, "How cells in between are found.")
        .names({"nearest", "bilinear"})
        .required();
    f("multi_input_mode", multi_input_mode,
      "Several inputs become channels side by side, or are added.")
        .names({"concat", "sum"});
    f("num_args", num_args, "Number of inputs; bilinear has one and a weight.")
        .required()
        .at_least(1);
    f("workspace", workspace, "Megabytes that cuDNN might use; ignored.").ignored();
  }
};

std::vector<Input> inputs(const UpSamplingParam& p) {
  if (p.sample_type == SampleType::kBilinear)
    return {{"data"},
            {.name = "weight",
             .doc = "(num_filter, 1, k, k), k = 2 scale - scale % 2",
             .init = "bilinear"}};
  std::vector<Input> in;
  for (int64_t i = 0; i < p.num_args; ++i) in.push_back({format("arg{}", i)});
  return in;
}

int64_t kernel_of(const UpSamplingParam& p) { return 2 * p.scale - p.scale % 2; }

void infer(const UpSamplingParam& p, InferContext& c) {
  const Shape& x = c.in(0);
  if (!x.known()) return;
  check(x.rank() == 4, "[UpSampling] data has shape {}, expected (n, c, h, w)", x);
  Shape y{x[0], x[1], x[2] * p.scale, x[3] * p.scale};
  if (p.sample_type == SampleType::kBilinear) {
    check(p.num_filter == x[1], "[UpSampling] num_filter is {}, expected the {} channels of data",
          p.num_filter, x[1]);
    c.set_in(1, {x[1], 1, kernel_of(p), kernel_of(p)});
    return c.set_out(0, y);
  }
  for (int i = 1; i < c.inputs(); ++i) {
    const Shape& other = c.in(i);
    if (!other.known()) return;
    check(other.rank() == 4 && other[0] == x[0] && other[2] > 0 && other[3] > 0 &&
              y[2] % other[2] == 0 && y[3] % other[3] == 0,
          "[UpSampling] input {} has shape {}, which does not fit the output {}", i, other, y);
    if (p.multi_input_mode == MultiInputMode::kConcat) y[1] += other[1];
    else
      check(other[1] == x[1], "[UpSampling] input {} has shape {}, expected {} channels to add", i,
            other, x[1]);
  }
  c.set_out(0, y);
}

// The transposed convolution that interpolates: one filter per channel.
Window window_of(const UpSamplingParam& p, const Shape& x, const Shape& y) {
  const int64_t k = kernel_of(p), pad = p.scale / 2;
  Window w;
  w.batch = x[0], w.channels = w.filters = w.groups = x[1];
  w.in = {1, y[2], y[3]}, w.out = {1, x[2], x[3]};
  w.kernel = {1, k, k}, w.stride = {1, p.scale, p.scale}, w.pad = {0, pad, pad};
  return w;
}

// Calls cell(channel plane of the input, cell of it, cell of the output) for every output cell that
// input `x` provides.
template <class Cell>
void each_cell(const Shape& x, const Shape& y, int64_t first_channel, Cell&& cell) {
  const int64_t high = y[2] / x[2], wide = y[3] / x[3];
  for (int64_t n = 0; n < x[0]; ++n)
    for (int64_t c = 0; c < x[1]; ++c)
      for (int64_t i = 0; i < y[2]; ++i)
        for (int64_t j = 0; j < y[3]; ++j)
          cell(((n * x[1] + c) * x[2] + i / high) * x[3] + j / wide,
               ((n * y[1] + first_channel + c) * y[2] + i) * y[3] + j);
}

void forward(const UpSamplingParam& p, OpContext& ctx, Inputs in, Outputs out) {
  with_float(in[0].dtype, "UpSampling", [&](auto type) {
    using T = decltype(type);
    using A = std::conditional_t<(sizeof(T) < 4), float, T>;
    T* y = out[0].as<T>();
    if (p.sample_type == SampleType::kBilinear) {
      deconvolution::forward(window_of(p, in[0].shape, out[0].shape), ctx, in[0].as<T>(),
                             in[1].as<T>(), static_cast<const T*>(nullptr), y);
      return;
    }
    const bool add = p.multi_input_mode == MultiInputMode::kSum;
    int64_t channel = 0;
    for (int k = 0; k < in.count(); ++k) {
      const T* x = in[k].as<T>();
      each_cell(in[k].shape, out[0].shape, add ? 0 : channel, [&](int64_t from, int64_t to) {
        y[to] = add && k > 0 ? T(A(y[to]) + A(x[from])) : x[from];
      });
      channel += in[k].shape[1];
    }
  });
}

std::vector<Ref> reads(const UpSamplingParam& p) {
  if (p.sample_type == SampleType::kBilinear) return {dy(), x(0), x(1)};
  return {dy()};
}

// in: dy, and for bilinear data and weight. out: gradients of all inputs.
void backward(const UpSamplingParam& p, OpContext& ctx, Inputs in, Outputs out) {
  with_float(in[0].dtype, "UpSampling", [&](auto type) {
    using T = decltype(type);
    using A = std::conditional_t<(sizeof(T) < 4), float, T>;
    const T* dy = in[0].as<T>();
    if (p.sample_type == SampleType::kBilinear) {
      deconvolution::backward(window_of(p, in[1].shape, in[0].shape), ctx, dy, in[1].as<T>(),
                              in[2].as<T>(), ctx.wants(0) ? out[0].as<T>() : nullptr,
                              ctx.wants(1) ? out[1].as<T>() : nullptr);
      return;
    }
    int64_t channel = 0;
    for (size_t k = 0; k < out.size(); ++k) {
      const Shape& s = out[k].shape;
      if (ctx.wants(int(k))) {
        A* sum = ctx.scratch_of<A>(s.size());
        std::fill_n(sum, s.size(), A(0));
        each_cell(s, in[0].shape, p.multi_input_mode == MultiInputMode::kSum ? 0 : channel,
                  [&](int64_t to, int64_t from) { sum[to] += A(dy[from]); });
        for (int64_t i = 0; i < s.size(); ++i) out[k].as<T>()[i] = T(sum[i]);
      }
      channel += s[1];
    }
  });
}

void define(OpTable& ops) {
  ops.define({
      .name = "UpSampling",
      .doc = "Makes planes (n, c, h, w) `scale` times larger: every cell repeated (nearest, any "
             "number of "
             "inputs), or by a transposed convolution with a weight (bilinear).",
      .dtypes = Dtypes::kFloating,
      .params = schema<UpSamplingParam>(),
      .inputs = inputs,
      .variadic = "num_args",
      .infer = infer,
      .cpu = forward,
      .backward = {.reads = reads, .run = backward, .linear = Linear::kFactors},
  });
}

}  // namespace heddle::ops::up_sampling
