// Convolution: the record, and the kernel that needs no library (unfold and multiply).
#include "operator/nn/convolution.h"

#include <algorithm>

#include "operator/linalg.h"
#include "operator/scratch_needs.h"

namespace heddle::ops::nn {

void check_window(std::string_view who, const ConvolutionParam& p) {
  const int rank = p.kernel.rank();
  check(rank >= 1 && rank <= Window::kAxes, "[{}] kernel is {}, expected 1 to 3 extents", who,
        p.kernel);
  const std::pair<const char*, const Shape*> lists[] = {
      {"kernel", &p.kernel}, {"stride", &p.stride}, {"dilate", &p.dilate}, {"pad", &p.pad}};
  for (const auto& [name, list] : lists) {
    check(list->rank() <= 0 || list->rank() == rank,
          "[{}] {} is {}, expected {} numbers as kernel {}", who, name, *list, rank, p.kernel);
    const int64_t least = list == &p.pad ? 0 : 1;
    for (int64_t v : *list)
      check(v >= least && v <= Window::kMost,
            "[{}] {} is {}, expected at least {} and at most {} on every axis", who, name, *list,
            least, Window::kMost);
  }
  static constexpr AxisOrder kOf[] = {AxisOrder::kNcw, AxisOrder::kNchw, AxisOrder::kNcdhw};
  check(!p.layout || *p.layout == kOf[rank - 1],
        "[{}] layout does not fit kernel {}: expected NCW, NCHW or NCDHW", who, p.kernel);
  check(p.num_filter % p.num_group == 0, "[{}] num_filter {} does not divide into {} groups", who,
        p.num_filter, p.num_group);
}

Window window_of(const ConvolutionParam& p, const Shape& data, const Shape& out) {
  Window w;
  w.batch = data[0], w.channels = data[1], w.filters = out[1], w.groups = p.num_group;
  const int rank = p.kernel.rank(), first = Window::kAxes - rank;
  for (int i = 0; i < rank; ++i) {
    w.in[first + i] = data[2 + i], w.out[first + i] = out[2 + i];
    w.kernel[first + i] = p.kernel[i];
    w.stride[first + i] = axis_of(p.stride, i, 1), w.dilate[first + i] = axis_of(p.dilate, i, 1);
    w.pad[first + i] = axis_of(p.pad, i, 0);
  }
  return w;
}

// What is known of the data from the output: its batch, and the extents along which no step skips.
Shape data_before(const ConvolutionParam& p, const Shape& data, const Shape& out) {
  Shape x = data;
  if (x[0] < 0) x[0] = out[0];
  for (int i = 0; i < p.kernel.rank(); ++i)
    if (x[2 + i] < 0 && out[2 + i] >= 0 && axis_of(p.stride, i, 1) == 1)
      x[2 + i] =
          out[2 + i] + axis_of(p.dilate, i, 1) * (p.kernel[i] - 1) - 2 * axis_of(p.pad, i, 0);
  return x;
}

void infer_convolution(const ConvolutionParam& p, InferContext& c) {
  const auto who = c.op().name;
  check_window(who, p);
  if (!p.no_bias) c.set_in(2, {p.num_filter});
  const int rank = p.kernel.rank();
  const Shape& x = c.in(0);
  if (!x.has_rank()) return;
  check(x.rank() == rank + 2, "[{}] data has shape {}, expected {} axes for kernel {}", who, x,
        rank + 2, p.kernel);
  check(x[1] < 0 || x[1] % p.num_group == 0,
        "[{}] data has {} channels, which do not divide into {} groups", who, x[1], p.num_group);
  Shape weight{p.num_filter, x[1] < 0 ? -1 : x[1] / p.num_group}, y{x[0], p.num_filter};
  for (int i = 0; i < rank; ++i) {
    weight.append(p.kernel[i]);
    const int64_t reach = axis_of(p.dilate, i, 1) * (p.kernel[i] - 1) + 1;
    const int64_t padded = x[2 + i] + 2 * axis_of(p.pad, i, 0);
    check(x[2 + i] < 0 || reach <= padded, "[{}] kernel {} is larger than the padded data {}", who,
          p.kernel, x);
    y.append(x[2 + i] < 0 ? -1 : (padded - reach) / axis_of(p.stride, i, 1) + 1);
  }
  c.set_in(1, weight);
  c.set_out(0, y);
  if (!x.known() && c.out(0).rank() == x.rank()) c.set_in(0, data_before(p, x, c.out(0)));
}

// The outputs [from, to) along an axis whose tap falls inside the data.
struct Span {
  int64_t from, to;
};
Span inside(const Window& w, int axis, int64_t tap) {
  const int64_t start = tap * w.dilate[axis] - w.pad[axis], step = w.stride[axis];
  const int64_t from = start >= 0 ? 0 : (-start + step - 1) / step;
  const int64_t last = w.in[axis] - 1 - start;
  const int64_t to = last < 0 ? 0 : std::min(w.out[axis], last / step + 1);
  return {std::min(from, w.out[axis]), std::max(std::min(from, w.out[axis]), to)};
}

// Calls row(tap plane, output row, input row or -1) for every tap (d, h) and output row.
template <class Row>
void each_row(const Window& w, Row&& row) {
  for (int64_t kd = 0; kd < w.kernel[0]; ++kd)
    for (int64_t kh = 0; kh < w.kernel[1]; ++kh)
      for (int64_t od = 0; od < w.out[0]; ++od)
        for (int64_t oh = 0; oh < w.out[1]; ++oh) {
          const int64_t d = od * w.stride[0] + kd * w.dilate[0] - w.pad[0];
          const int64_t h = oh * w.stride[1] + kh * w.dilate[1] - w.pad[1];
          const bool in = d >= 0 && d < w.in[0] && h >= 0 && h < w.in[1];
          row(kd * w.kernel[1] + kh, od * w.out[1] + oh, in ? d * w.in[1] + h : -1);
        }
}

template <class T>
void unfold(const Window& w, const T* x, int64_t channels, T* col) {
  const int64_t width = w.out[2], plane = w.out_size(), step = w.stride[2];
  for (int64_t c = 0; c < channels; ++c, x += w.in_size(), col += w.taps() * plane)
    each_row(w, [&](int64_t tap, int64_t out_row, int64_t in_row) {
      for (int64_t kw = 0; kw < w.kernel[2]; ++kw) {
        T* to = col + (tap * w.kernel[2] + kw) * plane + out_row * width;
        const Span s = in_row < 0 ? Span{width, width} : inside(w, 2, kw);
        const T* from = x + in_row * w.in[2] + kw * w.dilate[2] - w.pad[2];
        std::fill(to, to + s.from, T(0));
        if (step == 1) std::copy(from + s.from, from + s.to, to + s.from);
        else
          for (int64_t i = s.from; i < s.to; ++i) to[i] = from[i * step];
        std::fill(to + s.to, to + width, T(0));
      }
    });
}

template <class T>
void fold(const Window& w, const T* col, int64_t channels, T* x) {
  const int64_t width = w.out[2], plane = w.out_size(), step = w.stride[2];
  std::fill_n(x, channels * w.in_size(), T(0));
  for (int64_t c = 0; c < channels; ++c, x += w.in_size(), col += w.taps() * plane)
    each_row(w, [&](int64_t tap, int64_t out_row, int64_t in_row) {
      if (in_row < 0) return;
      for (int64_t kw = 0; kw < w.kernel[2]; ++kw) {
        const T* from = col + (tap * w.kernel[2] + kw) * plane + out_row * width;
        const Span s = inside(w, 2, kw);
        T* to = x + in_row * w.in[2] + kw * w.dilate[2] - w.pad[2];
        for (int64_t i = s.from; i < s.to; ++i) to[i * step] = T(to[i * step] + from[i]);
      }
    });
}

#define HEDDLE_FOLD(T)                                        \
  template void unfold(const Window&, const T*, int64_t, T*); \
  template void fold(const Window&, const T*, int64_t, T*);
HEDDLE_FOLD(float)
HEDDLE_FOLD(double)
HEDDLE_FOLD(float16)
HEDDLE_FOLD(bfloat16)
HEDDLE_FOLD(int8_t)
#undef HEDDLE_FOLD

template <class T>
void bias_gradient(const OpContext& ctx, const Window& w, const T* dy, T* db, int64_t block) {
  using Wide = std::conditional_t<(sizeof(T) < 4), float, T>;
  ctx.parallel_for(w.filters, 4, [&](int64_t from, int64_t to) {
    for (int64_t k = from; k < to; ++k) {
      double sum = 0;
      for (int64_t n = 0; n < w.batch; ++n) {
        const T* row = dy + (n * w.filters + k / block * block) * w.out_size() + k % block;
        for (int64_t i = 0; i < w.out_size(); ++i) sum += double(Wide(row[i * block]));
      }
      db[k] = T(Wide(sum));
    }
  });
}
template void bias_gradient(const OpContext&, const Window&, const float*, float*, int64_t);
template void bias_gradient(const OpContext&, const Window&, const double*, double*, int64_t);
template void bias_gradient(const OpContext&, const Window&, const float16*, float16*, int64_t);
template void bias_gradient(const OpContext&, const Window&, const bfloat16*, bfloat16*, int64_t);

void convolve(const ConvolutionParam& p, OpContext& ctx, Inputs in, Outputs out) {
  using linalg::mat;
  with_float(in[0].dtype, "Convolution", [&](auto type) {
    using T = decltype(type);
    const Window w = window_of(p, in[0].shape, out[0].shape);
    const int64_t c = w.channels / w.groups, f = w.filters / w.groups, depth = c * w.taps();
    const T* bias = p.no_bias ? nullptr : in[2].as<T>();
    ctx.parallel_for(w.batch, 1, [&](int64_t from, int64_t to) {
      ScratchScope scope;
      T* col = static_cast<T*>(thread_scratch(size_t(depth * w.out_size()) * sizeof(T)));
      for (int64_t i = from * w.groups; i < to * w.groups; ++i) {
        const int64_t g = i % w.groups;
        T* y = out[0].as<T>() + i * f * w.out_size();
        unfold(w, in[0].as<T>() + i * c * w.in_size(), c, col);
        for (int64_t k = 0; bias && k < f; ++k)
          std::fill_n(y + k * w.out_size(), w.out_size(), bias[g * f + k]);
        linalg::gemm(mat(in[1].as<T>() + g * f * depth, f, depth), mat(col, depth, w.out_size()),
                     mat(y, f, w.out_size()), bias != nullptr);
      }
    });
  });
}

int64_t column_bytes(const Window& w, Dtype d) {
  return w.channels / w.groups * w.taps() * w.out_size() * dtype_size(d);
}
int64_t product_bytes(const Window& w, Dtype d) {
  const int64_t filters = w.filters / w.groups, depth = w.channels / w.groups * w.taps();
  const int64_t area = w.out_size();
  return std::max({linalg::gemm_scratch(filters, area, depth, d),
                   linalg::gemm_scratch(depth, area, filters, d),
                   linalg::gemm_scratch(filters, depth, area, d)});
}

ScratchNeed scratch_of_convolution(const ConvolutionParam& p, const Situation& s) {
  const Window w = window_of(p, s.in[0].shape, s.out[0].shape);
  return {.piece = column_bytes(w, s.in[0].dtype) + product_bytes(w, s.in[0].dtype)};
}

}  // namespace heddle::ops::nn

namespace heddle::ops::convolution {

using linalg::mat;
using nn::ConvolutionParam;
using nn::Window;

template <class T>
void backward_data(const Window& w, OpContext& ctx, const T* dy, T* weight, T* dx) {
  const int64_t c = w.channels / w.groups, f = w.filters / w.groups, depth = c * w.taps();
  ctx.parallel_for(w.batch, 1, [&](int64_t from, int64_t to) {
    ScratchScope scope;
    T* col = static_cast<T*>(thread_scratch(size_t(depth * w.out_size()) * sizeof(T)));
    for (int64_t i = from * w.groups; i < to * w.groups; ++i) {
      T* dyi = const_cast<T*>(dy) + i * f * w.out_size();
      linalg::gemm(mat(weight + (i % w.groups) * f * depth, f, depth).t(),
                   mat(dyi, f, w.out_size()), mat(col, depth, w.out_size()));
      nn::fold(w, col, c, dx + i * c * w.in_size());
    }
  });
}

// Images are summed in a few pieces, each in order, and the pieces in order: the answer does not
// depend on who computes which.
constexpr int64_t kPieces = 4;

template <class T>
void backward_weight(const Window& w, OpContext& ctx, const T* dy, const T* x, T* dw) {
  using Sum = std::conditional_t<(sizeof(T) < 4), float, T>;
  const int64_t c = w.channels / w.groups, f = w.filters / w.groups, depth = c * w.taps();
  const int64_t grain = (w.batch + kPieces - 1) / kPieces, size = w.filters * depth;
  Sum* partial = ctx.scratch_of<Sum>(kPieces * size);
  std::fill_n(partial, kPieces * size, Sum(0));
  ctx.parallel_for(w.batch, grain, [&](int64_t from, int64_t to) {
    ScratchScope scope;
    const int64_t area = w.out_size();
    T* col = static_cast<T*>(thread_scratch(size_t(depth * area) * sizeof(T)));
    Sum* wide = reinterpret_cast<Sum*>(col);
    Sum* wide_dy = const_cast<Sum*>(reinterpret_cast<const Sum*>(dy));
    if constexpr (!std::is_same_v<T, Sum>) {
      wide = static_cast<Sum*>(thread_scratch(size_t(depth * area) * sizeof(Sum)));
      wide_dy = static_cast<Sum*>(thread_scratch(size_t(f * area) * sizeof(Sum)));
    }
    for (int64_t i = from * w.groups; i < to * w.groups; ++i) {
      nn::unfold(w, x + i * c * w.in_size(), c, col);
      Sum* dyi = wide_dy + i * f * area;
      if constexpr (!std::is_same_v<T, Sum>) {
        dyi = wide_dy;
        std::copy_n(col, depth * area, wide);
        std::copy_n(dy + i * f * area, f * area, dyi);
      }
      linalg::gemm(mat(dyi, f, area), mat(wide, depth, area).t(),
                   mat(partial + from / grain * size + (i % w.groups) * f * depth, f, depth), true);
    }
  });
  for (int64_t i = 0; i < size; ++i) {
    Sum sum = partial[i];
    for (int64_t j = 1; j < kPieces; ++j) sum += partial[j * size + i];
    dw[i] = T(sum);
  }
}

// in: dy, data, weight. out: gradients of data, weight and (with a bias) bias.
void backward(const ConvolutionParam& p, OpContext& ctx, Inputs in, Outputs out) {
  with_float(in[0].dtype, "Convolution", [&](auto type) {
    using T = decltype(type);
    const Window w = nn::window_of(p, in[1].shape, in[0].shape);
    const T* dy = in[0].as<T>();
    if (ctx.wants(0)) backward_data(w, ctx, dy, in[2].as<T>(), out[0].as<T>());
    if (ctx.wants(1)) backward_weight(w, ctx, dy, in[1].as<T>(), out[1].as<T>());
    if (!p.no_bias && ctx.wants(2)) nn::bias_gradient(ctx, w, dy, out[2].as<T>());
  });
}

// Halves are summed in float32: of columns and of dy there is a copy.
ScratchNeed scratch_backward(const ConvolutionParam& p, const Situation& s) {
  const Window w = nn::window_of(p, s.in[1].shape, s.in[0].shape);
  const Dtype d = s.in[0].dtype, sum = dtype_size(d) < 4 ? Dtype::kFloat32 : d;
  ScratchNeed need{.piece = nn::column_bytes(w, d) + nn::product_bytes(w, d)};
  if (!s.wants(1)) return need;
  need.call = kPieces * s.in[2].size() * dtype_size(sum);
  if (d != sum)
    need.piece += nn::column_bytes(w, sum) + w.filters / w.groups * w.out_size() * dtype_size(sum);
  return need;
}

double flops(const ConvolutionParam& p, const Situation& s) {
  return 2 * double(s.out[0].size()) * double(s.in[1].size()) / double(p.num_filter);
}

std::vector<Builder::Value> as_convolution(Builder& b) {
  std::vector<Builder::Value> inputs;
  for (int i = 0; i < b.inputs(); ++i) inputs.push_back(b.x(i));
  return {b.call("Convolution", inputs, b.kwargs())};
}

void define(OpTable& ops) {
  const OpDef& whole = ops.define({
      .name = "Convolution",
      .aliases = {"_npx_convolution"},
      .doc = "Convolution over (n, c, w), (n, c, h, w) or (n, c, d, h, w).",
      .dtypes = Dtypes::kFloating,
      .precision = Precision::kNarrow,
      .params = schema<ConvolutionParam>(),
      .inputs = {{"data", "(n, c, ...)"},
                 {"weight", "(num_filter, c / num_group, *kernel)"},
                 {.name = "bias", .doc = "(num_filter)", .when = when("no_bias", false)}},
      .infer = nn::infer_convolution,
      .cpu = nn::convolve,
      .scratch = nn::scratch_of_convolution,
      .flops = flops,
      .backward = {.reads = {dy(), x(0), x(1)},
                   .run = backward,
                   .scratch = scratch_backward,
                   .linear = Linear::kFactors},
      .fusing = {.with = "_fused_convolution"},
  });
  ops.define({
      .name = "Convolution_v1",
      .doc = "Convolution, by the name that older files have.",
      .dtypes = whole.dtypes,
      .precision = Precision::kFull,
      .params = whole.params,
      .inputs = whole.inputs,
      .compose = as_convolution,
  });
}

}  // namespace heddle::ops::convolution
