// Deconvolution: convolution with data and output exchanged.
#include "operator/nn/deconvolution.h"

#include <algorithm>

#include "operator/linalg.h"
#include "operator/scratch_needs.h"

namespace heddle::ops::deconvolution {

using linalg::mat;
using nn::DeconvolutionParam;
using nn::Window;

template <class T>
using Wide = std::conditional_t<(sizeof(T) < 4), float, T>;

template <class T>
void forward(const Window& w, const OpContext& ctx, const T* x, T* weight, const T* bias, T* y) {
  const int64_t c = w.channels / w.groups, f = w.filters / w.groups, depth = c * w.taps();
  ctx.parallel_for(w.batch, 1, [&](int64_t from, int64_t to) {
    ScratchScope scope;
    T* col = static_cast<T*>(thread_scratch(size_t(depth * w.out_size()) * sizeof(T)));
    for (int64_t i = from * w.groups; i < to * w.groups; ++i) {
      const int64_t g = i % w.groups;
      T *xi = const_cast<T*>(x) + i * f * w.out_size(), *yi = y + i * c * w.in_size();
      linalg::gemm(mat(weight + g * f * depth, f, depth).t(), mat(xi, f, w.out_size()),
                   mat(col, depth, w.out_size()));
      nn::fold(w, col, c, yi);
      for (int64_t k = 0; bias && k < c; ++k)
        for (int64_t j = 0; j < w.in_size(); ++j)
          yi[k * w.in_size() + j] = T(Wide<T>(yi[k * w.in_size() + j]) + Wide<T>(bias[g * c + k]));
    }
  });
}

constexpr int64_t kPieces = 4;  // images are summed in a few pieces, and those in order

template <class T>
void backward(const Window& w, OpContext& ctx, const T* dy, T* x, T* weight, T* dx, T* dw) {
  const int64_t c = w.channels / w.groups, f = w.filters / w.groups, depth = c * w.taps(),
                area = w.out_size();
  const int64_t grain = (w.batch + kPieces - 1) / kPieces, size = w.filters * depth;
  T* partial = dw ? ctx.scratch_of<T>(kPieces * size) : nullptr;
  if (dw) std::fill_n(partial, kPieces * size, T(0));
  ctx.parallel_for(w.batch, grain, [&](int64_t from, int64_t to) {
    ScratchScope scope;
    T* col = static_cast<T*>(thread_scratch(size_t(depth * area) * sizeof(T)));
    for (int64_t i = from * w.groups; i < to * w.groups; ++i) {
      const int64_t g = i % w.groups;
      nn::unfold(w, dy + i * c * w.in_size(), c, col);
      if (dx)
        linalg::gemm(mat(weight + g * f * depth, f, depth), mat(col, depth, area),
                     mat(dx + i * f * area, f, area));
      if (dw)
        linalg::gemm(mat(x + i * f * area, f, area), mat(col, depth, area).t(),
                     mat(partial + from / grain * size + g * f * depth, f, depth), true);
    }
  });
  for (int64_t i = 0; dw && i < size; ++i) {
    Wide<T> sum = Wide<T>(partial[i]);
    for (int64_t j = 1; j < kPieces; ++j) sum += Wide<T>(partial[j * size + i]);
    dw[i] = T(sum);
  }
}

#define HEDDLE_DECONVOLUTION(T)                                                       \
  template void forward(const Window&, const OpContext&, const T*, T*, const T*, T*); \
  template void backward(const Window&, OpContext&, const T*, T*, T*, T*, T*);
HEDDLE_DECONVOLUTION(float)
HEDDLE_DECONVOLUTION(double)
HEDDLE_DECONVOLUTION(float16)
HEDDLE_DECONVOLUTION(bfloat16)
#undef HEDDLE_DECONVOLUTION

// --- the operator -------------------------------------------------------------------------------
bool has_target(const DeconvolutionParam& p) {
  return std::any_of(p.target_shape.begin(), p.target_shape.end(), [](int64_t v) { return v > 0; });
}

// Along one axis: what the window reaches without padding, and pad and adj as given or as the
// target wants them.
struct Axis {
  int64_t reach, pad, adj;
  Axis(const DeconvolutionParam& p, int i, int64_t extent) {
    const int64_t s = nn::axis_of(p.stride, i, 1), d = nn::axis_of(p.dilate, i, 1);
    reach = s * (extent - 1) + d * (p.kernel[i] - 1) + 1;
    pad = nn::axis_of(p.pad, i, 0), adj = nn::axis_of(p.adj, i, 0);
    if (!has_target(p)) return;
    const int64_t total = reach - p.target_shape[i];
    check(total >= 0, "[Deconvolution] target_shape {} is larger than the windows reach",
          p.target_shape);
    adj = total % 2, pad = (total + 1) / 2;
  }
  int64_t extent() const { return reach - 2 * pad + adj; }
};

void infer(const DeconvolutionParam& p, InferContext& c) {
  nn::check_window("Deconvolution", p);
  if (!p.no_bias) c.set_in(2, {p.num_filter});
  const int rank = p.kernel.rank();
  const Shape& x = c.in(0);
  if (!x.has_rank()) return;
  check(x.rank() == rank + 2, "[Deconvolution] data has shape {}, expected {} axes for kernel {}",
        x, rank + 2, p.kernel);
  for (const Shape* list : {&p.adj, &p.target_shape}) {
    const char* const name = list == &p.adj ? "adj" : "target_shape";
    check(list->rank() <= 0 || list->rank() == rank,
          "[Deconvolution] {} is {}, expected {} numbers", name, *list, rank);
    for (int64_t v : *list)
      check(v >= 0 && v <= nn::Window::kMost,
            "[Deconvolution] {} is {}, expected 0 to {} on every axis", name, *list,
            nn::Window::kMost);
  }
  check(x[1] < 0 || x[1] % p.num_group == 0,
        "[Deconvolution] data has {} channels, which do not divide into {} groups", x[1],
        p.num_group);
  Shape weight{x[1], p.num_filter / p.num_group}, y{x[0], p.num_filter};
  for (int i = 0; i < rank; ++i) {
    weight.append(p.kernel[i]);
    check(x[2 + i] <= nn::Window::kMost,
          "[Deconvolution] data has shape {}, expected at most {} on every axis", x,
          nn::Window::kMost);
    check(nn::axis_of(p.adj, i, 0) < nn::axis_of(p.stride, i, 1) || has_target(p),
          "[Deconvolution] adj {} must be smaller than stride {}", p.adj, p.stride);
    check(!has_target(p) || x[2 + i] < 0 || Axis(p, i, x[2 + i]).adj < nn::axis_of(p.stride, i, 1),
          "[Deconvolution] target_shape {} needs an adj that is not smaller than stride {}",
          p.target_shape, p.stride);
    y.append(x[2 + i] < 0 ? -1 : Axis(p, i, x[2 + i]).extent());
    check(y[2 + i] != 0, "[Deconvolution] padding {} leaves nothing of data {}", p.pad, x);
  }
  c.set_in(1, weight);
  c.set_out(0, y);
}

Window window_of(const DeconvolutionParam& p, const Shape& data, const Shape& out) {
  Window w = nn::window_of(p, out, data);
  const int rank = p.kernel.rank(), first = Window::kAxes - rank;
  for (int i = 0; i < rank; ++i) w.pad[first + i] = Axis(p, i, data[2 + i]).pad;
  return w;
}

void run(const DeconvolutionParam& p, OpContext& ctx, Inputs in, Outputs out) {
  with_float(in[0].dtype, "Deconvolution", [&](auto type) {
    using T = decltype(type);
    forward(window_of(p, in[0].shape, out[0].shape), ctx, in[0].as<T>(), in[1].as<T>(),
            p.no_bias ? nullptr : in[2].as<T>(), out[0].as<T>());
  });
}

// in: dy, data, weight. out: gradients of data, weight and (with a bias) bias.
void run_backward(const DeconvolutionParam& p, OpContext& ctx, Inputs in, Outputs out) {
  with_float(in[0].dtype, "Deconvolution", [&](auto type) {
    using T = decltype(type);
    const Window w = window_of(p, in[1].shape, in[0].shape);
    const T* dy = in[0].as<T>();
    if (ctx.wants(0) || ctx.wants(1))
      backward(w, ctx, dy, in[1].as<T>(), in[2].as<T>(), ctx.wants(0) ? out[0].as<T>() : nullptr,
               ctx.wants(1) ? out[1].as<T>() : nullptr);
    for (int64_t k = 0; !p.no_bias && ctx.wants(2) && k < w.channels; ++k) {
      double sum = 0;
      for (int64_t n = 0; n < w.batch; ++n)
        for (int64_t i = 0; i < w.in_size(); ++i)
          sum += double(Wide<T>(dy[(n * w.channels + k) * w.in_size() + i]));
      out[2].as<T>()[k] = T(Wide<T>(sum));
    }
  });
}

ScratchNeed scratch(const DeconvolutionParam& p, const Situation& s) {
  const Window w = window_of(p, s.in[0].shape, s.out[0].shape);
  return {.piece = nn::column_bytes(w, s.in[0].dtype) + nn::product_bytes(w, s.in[0].dtype)};
}
ScratchNeed scratch_backward(const DeconvolutionParam& p, const Situation& s) {
  if (!s.wants(0) && !s.wants(1)) return {};
  const int64_t sums = s.wants(1) ? kPieces * s.in[2].size() : 0;
  const Window w = window_of(p, s.in[1].shape, s.in[0].shape);
  return {sums * dtype_size(s.in[0].dtype),
          nn::column_bytes(w, s.in[0].dtype) + nn::product_bytes(w, s.in[0].dtype)};
}

double flops(const DeconvolutionParam&, const Situation& s) {
  return 2 * double(s.in[0].size()) * double(s.in[1].size()) /
         double(std::max<int64_t>(1, s.in[1].shape[0]));
}

void define(OpTable& ops) {
  ops.define({
      .name = "Deconvolution",
      .aliases = {"_npx_deconvolution"},
      .doc = "Transposed convolution over (n, c, w), (n, c, h, w) or (n, c, d, h, w).",
      .dtypes = Dtypes::kFloating,
      .precision = Precision::kNarrow,
      .params = schema<DeconvolutionParam>(),
      .inputs = {{"data", "(n, c, ...)"},
                 {"weight", "(c, num_filter / num_group, *kernel)"},
                 {.name = "bias", .doc = "(num_filter)", .when = when("no_bias", false)}},
      .infer = infer,
      .cpu = run,
      .scratch = scratch,
      .flops = flops,
      .backward = {.reads = {dy(), x(0), x(1)},
                   .run = run_backward,
                   .scratch = scratch_backward,
                   .linear = Linear::kFactors},
  });
}

}  // namespace heddle::ops::deconvolution
