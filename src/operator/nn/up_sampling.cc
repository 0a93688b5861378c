// UpSampling: larger planes, by repeating cells or by bilinear interpolation.
#include <algorithm>

#include "operator/extent.h"
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

int64_t kernel_of(const UpSamplingParam& p) { return times(2, p.scale) - p.scale % 2; }

void infer(const UpSamplingParam& p, InferContext& c) {
  const Shape& x = c.in(0);
  if (!x.known()) return;
  check(x.rank() == 4, "[UpSampling] data has shape {}, expected (n, c, h, w)", x);
  Shape y{x[0], x[1], times(x[2], p.scale), times(x[3], p.scale)};
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

// How the cells of input `x` lie in the output: each is `high` x `wide` cells there. Calls
// row(row of x, first row of its `high` in the output) for every row, many at once.
struct Nearest {
  int64_t high, wide, width;  // of a cell, and of a row of x
  Nearest(const Shape& x, const Shape& y)
      : high(y[2] / x[2]), wide(y[3] / x[3]), width(x[3]), x_(x), y_(y) {}
  template <class Row>
  void each_row(const OpContext& ctx, int64_t first_channel, Row&& row) const {
    const int64_t rows = x_.size(0, 3), cells = high * wide * width;
    ctx.parallel_for(rows, std::max<int64_t>(1, 16384 / std::max<int64_t>(1, cells)),
                     [&](int64_t begin, int64_t end) {
                       for (int64_t r = begin; r < end; ++r) {
                         const int64_t plane = r / x_[2], n = plane / x_[1], c = plane % x_[1];
                         row(r, (n * y_[1] + first_channel + c) * y_[2] + r % x_[2] * high);
                       }
                     });
  }

 private:
  const Shape &x_, &y_;
};

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
    if (out[0].size() == 0) return;
    const int64_t out_width = out[0].shape[3];
    int64_t channel = 0;
    for (int k = 0; k < in.count(); ++k) {
      const Nearest cells(in[k].shape, out[0].shape);
      cells.each_row(ctx, add ? 0 : channel, [&](int64_t r, int64_t first) {
        const T* x = in[k].as<T>() + r * cells.width;
        T* row = y + first * out_width;
        if (add && k > 0) {
          for (int64_t i = 0; i < cells.high; ++i)
            for (int64_t j = 0; j < out_width; ++j) {
              T& v = row[i * out_width + j];
              v = T(A(v) + A(x[j / cells.wide]));
            }
          return;
        }
        if (cells.wide == 2)
          for (int64_t j = 0; j < cells.width; ++j) row[2 * j] = row[2 * j + 1] = x[j];
        else
          for (int64_t j = 0; j < cells.width; ++j)
            std::fill_n(row + j * cells.wide, cells.wide, x[j]);
        for (int64_t i = 1; i < cells.high; ++i) std::copy_n(row, out_width, row + i * out_width);
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
      if (ctx.wants(int(k)) && s.size() > 0) {
        const Nearest cells(s, in[0].shape);
        const int64_t in_width = in[0].shape[3];
        cells.each_row(ctx, p.multi_input_mode == MultiInputMode::kSum ? 0 : channel,
                       [&](int64_t r, int64_t first) {
                         const T* from = dy + first * in_width;
                         T* to = out[k].as<T>() + r * cells.width;
                         for (int64_t j = 0; j < cells.width; ++j) {
                           A sum = 0;
                           for (int64_t i = 0; i < cells.high; ++i)
                             for (int64_t l = 0; l < cells.wide; ++l)
                               sum += A(from[i * in_width + j * cells.wide + l]);
                           to[j] = T(sum);
                         }
                       });
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
