// Convolution and fully connected layer on numbers of 8 bits: all but the product of matrices,
// which a kernel brings along. Sums are int32 and wrap around.
//
// A Gemm has two static functions, for `a` int8 and n columns, or for `a` int8 or uint8:
//   product(m, n, k, a, b, offset, y)        y (m, n) = a (m, k) b (k, n) + offset of each row
//   product_with_rows(m, n, k, a, b, offset, y)    y (m, n) = a (m, k) b (n, k)^T + offset of each
//   column
#pragma once
#include "operator/nn/convolution.h"
#include "operator/nn/fully_connected.h"
#include "operator/quantized/quantized.h"

namespace heddle::ops::quantized {

// The Gemm that needs no library.
struct Loops {
  static void product(int64_t m, int64_t n, int64_t k, const int8_t* a, const int8_t* b,
                      const int32_t* offset, int32_t* y) {
    for (int64_t i = 0; i < m; ++i) {
      auto* row = reinterpret_cast<uint32_t*>(y + i * n);  // wraps around
      std::fill_n(row, n, uint32_t(offset[i]));
      for (int64_t j = 0; j < k; ++j) {
        const int32_t factor = a[i * k + j];
        const int8_t* from = b + j * n;
        for (int64_t l = 0; l < n; ++l) row[l] += uint32_t(factor * from[l]);
      }
    }
  }
  template <class T>
  static void product_with_rows(int64_t m, int64_t n, int64_t k, const T* a, const int8_t* b,
                                const int32_t* offset, int32_t* y, int64_t step) {
    for (int64_t i = 0; i < m; ++i)
      for (int64_t j = 0; j < n; ++j) {
        auto sum = uint32_t(offset[j]);
        for (int64_t l = 0; l < k; ++l)
          sum += uint32_t(int32_t(a[i * k + l]) * int32_t(b[j * k + l]));
        y[i * step + j] = int32_t(sum);
      }
  }
};

// Where the inputs are: data, weight, bias unless there is none, then both ends of each range.
struct Places {
  int bias, min_data, min_weight, min_bias;
  explicit Places(bool no_bias)
      : bias(no_bias ? -1 : 2),
        min_data(no_bias ? 2 : 3),
        min_weight(min_data + 2),
        min_bias(no_bias ? -1 : min_data + 4) {}
};

// Writes the range of the result, and gives the bias in its steps, one for each of `count`.
inline std::vector<int32_t> scaled_bias(OpContext& ctx, Inputs in, Outputs out, bool no_bias,
                                        int64_t count) {
  const Places at(no_bias);
  const Dtype d = in[0].dtype;
  const Range data = range_of(in[at.min_data], in[at.min_data + 1]);
  const Range weight = range_of(in[at.min_weight], in[at.min_weight + 1]);
  write(ctx, out,
        range_of_products(factor_step_of(d, data) * factor_step_of(Dtype::kInt8, weight)));
  std::vector<int32_t> bias(size_t(count), 0);
  if (no_bias) return bias;
  const float product = step_of(d, data) * step_of(Dtype::kInt8, weight);
  if (!(product > 0)) return bias;
  const float step = step_of(Dtype::kInt8, range_of(in[at.min_bias], in[at.min_bias + 1]));
  const double scale = double(step) / product;
  for (int64_t i = 0; i < count; ++i)
    bias[size_t(i)] = int32_t(std::nearbyint(
        std::clamp(in[at.bias].as<int8_t>()[i] * scale, -2147483648.0, 2147483647.0)));
  return bias;
}

// Unfolds x, and takes 128 from what is not signed, so that it fits int8: a zero becomes -128.
inline void unfold_signed(const nn::Window& w, Dtype dtype, const int8_t* x, int64_t channels,
                          int8_t* col) {
  nn::unfold(w, x, channels, col);
  if (dtype != Dtype::kUint8) return;
  const int64_t n = channels * w.taps() * w.out_size();
  for (int64_t i = 0; i < n; ++i) col[i] = int8_t(col[i] ^ -128);
}

template <class Gemm>
void convolve(const nn::ConvolutionParam& p, OpContext& ctx, Inputs in, Outputs out) {
  const nn::Window w = nn::window_of(p, in[0].shape, out[0].shape);
  std::vector<int32_t> offset = scaled_bias(ctx, in, out, p.no_bias, w.filters);
  if (!ctx.wants(0)) return;
  const int64_t c = w.channels / w.groups, f = w.filters / w.groups, depth = c * w.taps();
  const int64_t area = w.out_size();
  const auto* x = static_cast<const int8_t*>(in[0].data);
  const auto* weight = in[1].as<int8_t>();
  auto* y = out[0].as<int32_t>();
  if (in[0].dtype == Dtype::kUint8)  // what was taken from data
    for (int64_t k = 0; k < w.filters; ++k)
      for (int64_t i = 0; i < depth; ++i) offset[size_t(k)] += 128 * int32_t(weight[k * depth + i]);
  // Few images are split by their filters, which read one unfolded image.
  const int64_t images = w.batch * w.groups, parts = images < 4 ? std::min<int64_t>(8, f) : 1;
  const int64_t per = parts > 0 ? (f + parts - 1) / parts : f;
  const auto multiply = [&](int64_t i, int64_t k, const int8_t* col) {
    const int64_t first = i % w.groups * f + k, count = std::min(per, f - k);
    Gemm::product(count, area, depth, weight + first * depth, col, &offset[size_t(first)],
                  y + (i * f + k) * area);
  };
  if (parts > 1) {
    auto* col = ctx.scratch_of<int8_t>(depth * area);
    for (int64_t i = 0; i < images; ++i) {
      ctx.parallel_for(c, std::max<int64_t>(1, c / 8), [&](int64_t from, int64_t to) {
        unfold_signed(w, in[0].dtype, x + (i * c + from) * w.in_size(), to - from,
                      col + from * w.taps() * area);
      });
      ctx.parallel_for((f + per - 1) / per, 1, [&](int64_t from, int64_t to) {
        for (int64_t part = from; part < to; ++part) multiply(i, part * per, col);
      });
    }
    return;
  }
  ctx.parallel_for(images, 1, [&](int64_t from, int64_t to) {
    ScratchScope scope;
    auto* col = static_cast<int8_t*>(thread_scratch(size_t(depth * area)));
    for (int64_t i = from; i < to; ++i) {
      unfold_signed(w, in[0].dtype, x + i * c * w.in_size(), c, col);
      multiply(i, 0, col);
    }
  });
}

template <class Gemm>
void connect(const nn::FullyConnectedParam& p, OpContext& ctx, Inputs in, Outputs out) {
  const std::vector<int32_t> offset = scaled_bias(ctx, in, out, p.no_bias, p.num_hidden);
  if (!ctx.wants(0)) return;
  const int64_t n = nn::rows(p, in[0].shape), k = nn::features(p, in[0].shape), h = p.num_hidden;
  auto* y = out[0].as<int32_t>();
  // Pieces of the larger side.
  const bool by_rows = n >= h;
  const int64_t whole = by_rows ? n : h, grain = std::max<int64_t>(1, (whole + 7) / 8);
  with_8_bits(in[0].dtype, [&](auto type) {
    const auto* x = in[0].as<decltype(type)>();
    const auto* weight = in[1].as<int8_t>();
    ctx.parallel_for(whole, grain, [&](int64_t from, int64_t to) {
      if (by_rows)
        Gemm::product_with_rows(to - from, h, k, x + from * k, weight, offset.data(), y + from * h,
                                h);
      else
        Gemm::product_with_rows(n, to - from, k, x, weight + from * k, offset.data() + from,
                                y + from, h);
    });
  });
}

// An image, or of few a group of its channels, unfolded.
inline ScratchNeed scratch_of_convolution(const nn::ConvolutionParam& p, const Situation& s) {
  const nn::Window w = nn::window_of(p, s.in[0].shape, s.out[0].shape);
  const int64_t bytes = w.channels / w.groups * w.taps() * w.out_size();
  return {.call = bytes, .piece = bytes, .pieces = w.batch * w.groups};
}

}  // namespace heddle::ops::quantized
