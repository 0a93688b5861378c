// Pooling: the record, and the kernels that need no library.
#include "operator/nn/pooling.h"

#include <cmath>
#include <limits>

#define HEDDLE_LOOPS "operator/nn/pooling.inl.h"
#include "operator/simd/each_target.h"

namespace heddle::ops::nn {

Window window_of(const PoolingParam& p, const Shape& data, const Shape& out) {
  Window w;
  w.batch = data[0] * data[1], w.channels = w.filters = 1;
  const int rank = data.rank() - 2, first = Window::kAxes - rank;
  for (int i = 0; i < rank; ++i) {
    w.in[first + i] = data[2 + i], w.out[first + i] = out[2 + i];
    w.kernel[first + i] = p.global_pool ? data[2 + i] : p.kernel[i];
    w.stride[first + i] = p.global_pool ? 1 : axis_of(p.stride, i, 1);
    w.pad[first + i] = p.global_pool ? 0 : axis_of(p.pad, i, 0);
  }
  return w;
}

void check_params(std::string_view who, const PoolingParam& p, int rank) {
  static constexpr PoolingLayout kOf[] = {PoolingLayout::kNcw, PoolingLayout::kNchw,
                                          PoolingLayout::kNcdhw};
  check(!p.layout || *p.layout == kOf[rank - 1],
        "[{}] layout does not fit {} spatial axes: expected NCW, NCHW or NCDHW", who, rank);
  check(p.pool_type != PoolType::kLp || (p.p_value && *p.p_value >= 1 && *p.p_value <= 3),
        "[{}] lp pooling needs p_value 1, 2 or 3", who);
  if (p.global_pool) return;
  check(p.kernel.rank() == rank, "[{}] kernel is {}, expected {} extents", who, p.kernel, rank);
  for (const Shape* list : {&p.stride, &p.pad})
    check(list->rank() <= 0 || list->rank() == rank, "[{}] {} is {}, expected {} numbers", who,
          list == &p.pad ? "pad" : "stride", *list, rank);
  for (int i = 0; i < rank; ++i) {
    const int64_t pad = axis_of(p.pad, i, 0);
    check(p.kernel[i] >= 1, "[{}] kernel is {}, expected at least 1 on every axis", who, p.kernel);
    check(axis_of(p.stride, i, 1) >= 1, "[{}] stride is {}, expected at least 1", who, p.stride);
    check(pad >= 0 && pad < p.kernel[i], "[{}] pad {} is not smaller than kernel {}", who, p.pad,
          p.kernel);
    check(p.pooling_convention != PoolingConvention::kSame || rank > 1 || pad == 0,
          "[{}] pad is {}, but the convention 'same' takes none", who, p.pad);
  }
}

void infer_pooling(const PoolingParam& p, InferContext& c) {
  const std::string& who = c.op().name;
  const Shape& x = c.in(0);
  if (!x.has_rank()) return;
  const int rank = x.rank() - 2;
  check(rank >= 1 && rank <= Window::kAxes, "[{}] data has shape {}, expected 3 to 5 axes", who, x);
  check_params(who, p, rank);
  Shape y{x[0], x[1]};
  for (int i = 0; i < rank; ++i) {
    int64_t n = 1;
    if (!p.global_pool && x[2 + i] < 0) n = -1;
    else if (!p.global_pool) {
      const int64_t s = axis_of(p.stride, i, 1), padded = x[2 + i] + 2 * axis_of(p.pad, i, 0);
      const int64_t room = padded - p.kernel[i];
      check(room >= 0, "[{}] kernel {} is larger than the padded data {}", who, p.kernel, x);
      if (p.pooling_convention == PoolingConvention::kValid) n = room / s + 1;
      else if (p.pooling_convention == PoolingConvention::kSame && rank == 1)
        n = (x[2 + i] + s - 1) / s;
      else n = (room + s - 1) / s + 1;
    }
    y.append(n);
  }
  c.set_out(0, y);
}

}  // namespace heddle::ops::nn

namespace heddle::ops::pooling {

using nn::PoolingParam;
using nn::PoolType;
using nn::Window;

// Pooling_v1 has fewer parameters, and averages that count the clipped part of a window.
struct PoolingV1Param : PoolingParam {
  PoolingV1Param() { divides_by_window = true; }
  void fields(auto&& f) {
    f("kernel", kernel, "Extent of the window; not needed for global pooling.");
    f("pool_type", pool_type, "What a window becomes.").names({"max", "avg", "sum"});
    f("global_pool", global_pool, "One window over everything: ignores kernel, stride and pad.");
    f("pooling_convention", pooling_convention, "Rounds the number of windows up (full) or down.")
        .names({"full", "valid"});
    f("stride", stride, "Step of the window; 1 by default.");
    f("pad", pad, "Cells added on both sides; 0 by default.");
  }
};

template <class A>
A power(A x, int p) {
  return p == 0 ? A(1) : p == 1 ? x : p == 2 ? x * x : x * x * x;
}

// The lowest finite number.
template <class T>
constexpr auto kLowest = std::numeric_limits<T>::lowest();
template <>
constexpr float kLowest<float16> = -65504.f;
template <>
constexpr float kLowest<bfloat16> = -0x1.fep127f;

// The third power of what is farther from 1 than this may not be representable.
template <class A>
constexpr A kSmall = sizeof(A) == 4 ? A(1e-10) : A(1e-80);

template <class T>
void forward_plane(const PoolingParam& p, const Window& w, const T* x, T* y) {
  using A = std::conditional_t<(sizeof(T) < 4), float, T>;
  nn::each_window(w, [&](int64_t at, const nn::Reach& d, const nn::Reach& h, const nn::Reach& v) {
    if (p.pool_type == PoolType::kMax) {
      // Of nothing: the lowest finite number, which calculations survive.
      A m = d.to > d.from && h.to > h.from && v.to > v.from ? -std::numeric_limits<A>::infinity()
                                                            : kLowest<T>;
      nn::each_cell(w, d, h, v, [&](int64_t i) { m = A(x[i]) > m ? A(x[i]) : m; });
      y[at] = T(m);
    } else if (p.pool_type == PoolType::kLp) {
      const auto norm = [&](A scale) {
        double sum = 0;
        nn::each_cell(w, d, h, v,
                      [&](int64_t i) { sum += double(power(A(x[i]) / scale, *p.p_value)); });
        return A(*p.p_value == 1 ? sum : *p.p_value == 2 ? std::sqrt(sum) : std::cbrt(sum)) * scale;
      };
      A length = norm(1);
      if (!(std::abs(length) > kSmall<A> && std::abs(length) < 1 / kSmall<A>)) {
        A most = 0;  // powers may have left what A holds: once more with elements of at most 1
        nn::each_cell(w, d, h, v, [&](int64_t i) { most = std::max(most, A(std::abs(A(x[i])))); });
        if (most > 0 && most <= std::numeric_limits<A>::max()) length = norm(most);
      }
      y[at] = T(length);
    } else {
      double sum = 0;
      nn::each_cell(w, d, h, v, [&](int64_t i) { sum += double(A(x[i])); });
      y[at] = T(A(sum / nn::divisor<double>(p, w, d, h, v)));
    }
  });
}

// x is read by max and lp only, y by lp only.
template <class T, class A>
void backward_plane(const PoolingParam& p, const Window& w, const T* dy, const T* x, const T* y,
                    A* dx) {
  std::fill_n(dx, w.in_size(), A(0));
  nn::each_window(w, [&](int64_t at, const nn::Reach& d, const nn::Reach& h, const nn::Reach& v) {
    const A head = A(dy[at]);
    if (p.pool_type == PoolType::kMax) {
      A m = -std::numeric_limits<A>::infinity();
      int64_t best = -1;  // the first maximum
      nn::each_cell(w, d, h, v, [&](int64_t i) {
        if (A(x[i]) > m || best < 0) m = A(x[i]), best = i;
      });
      if (best >= 0) dx[best] += head;
    } else if (p.pool_type == PoolType::kLp) {
      if (A(y[at]) == 0 && *p.p_value > 1) return;
      nn::each_cell(w, d, h, v,
                    [&](int64_t i) { dx[i] += head * power(A(x[i]) / A(y[at]), *p.p_value - 1); });
    } else {
      const A share = head / nn::divisor<A>(p, w, d, h, v);
      nn::each_cell(w, d, h, v, [&](int64_t i) { dx[i] += share; });
    }
  });
}

// 2 or 3 when the windows are K x K tiles of float32 maxima, for which there are vector loops.
int tile_of(const PoolingParam& p, const Window& w, Dtype dtype) {
  const int64_t k = w.kernel[1];
  const bool tiles = p.pool_type == PoolType::kMax && dtype == Dtype::kFloat32 &&
                     (k == 2 || k == 3) && w.kernel == Window::Axes{1, k, k} && w.stride[1] == k &&
                     w.stride[2] == k && w.pad == Window::Axes{0, 0, 0} && w.in[0] == 1 &&
                     w.out[1] == w.in[1] / k && w.out[2] == w.in[2] / k;
  return tiles ? int(k) : 0;
}

// Planes per piece of work.
int64_t grain_of(const Window& w) {
  return std::max<int64_t>(1, 32768 / std::max<int64_t>(1, w.out_size() * w.taps()));
}

void forward(const PoolingParam& p, OpContext& ctx, Inputs in, Outputs out) {
  const Window w = nn::window_of(p, in[0].shape, out[0].shape);
  if (const int k = tile_of(p, w, in[0].dtype)) {
    const auto loop = k == 2 ? HEDDLE_PICK(max_tiles<2>) : HEDDLE_PICK(max_tiles<3>);
    const float* x = in[0].as<float>();
    float* y = out[0].as<float>();
    ctx.parallel_for(w.batch, 4 * grain_of(w), [&](int64_t from, int64_t to) {
      loop(x + from * w.in_size(), y + from * w.out_size(), to - from, w.in[1], w.in[2]);
    });
    return;
  }
  with_float(in[0].dtype, "Pooling", [&](auto type) {
    using T = decltype(type);
    ctx.parallel_for(w.batch, grain_of(w), [&](int64_t from, int64_t to) {
      for (int64_t i = from; i < to; ++i)
        forward_plane(p, w, in[0].as<T>() + i * w.in_size(), out[0].as<T>() + i * w.out_size());
    });
  });
}

std::vector<Ref> reads(const PoolingParam& p) {
  if (p.pool_type == PoolType::kMax) return {dy(), x(0)};
  if (p.pool_type == PoolType::kLp) return {dy(), x(0), y(0)};
  return {dy()};
}

// in: dy, data (max, lp), output (lp). out: gradient of data.
void backward(const PoolingParam& p, OpContext& ctx, Inputs in, Outputs out) {
  const Window w = nn::window_of(p, out[0].shape, in[0].shape);
  if (const int k = tile_of(p, w, in[0].dtype)) {
    const auto loop =
        k == 2 ? HEDDLE_PICK(max_tiles_backward<2>) : HEDDLE_PICK(max_tiles_backward<3>);
    const float *dy = in[0].as<float>(), *x = in[1].as<float>();
    float* dx = out[0].as<float>();
    ctx.parallel_for(w.batch, 4 * grain_of(w), [&](int64_t from, int64_t to) {
      loop(dy + from * w.out_size(), x + from * w.in_size(), dx + from * w.in_size(), to - from,
           w.in[1], w.in[2]);
    });
    return;
  }
  with_float(in[0].dtype, "Pooling", [&](auto type) {
    using T = decltype(type);
    using A = std::conditional_t<(sizeof(T) < 4), float, T>;
    ctx.parallel_for(w.batch, grain_of(w), [&](int64_t from, int64_t to) {
      ScratchScope scope;
      A* sum = nullptr;
      if constexpr (!std::is_same_v<T, A>)
        sum = static_cast<A*>(thread_scratch(size_t(w.in_size()) * sizeof(A)));
      for (int64_t i = from; i < to; ++i) {
        T* dx = out[0].as<T>() + i * w.in_size();
        if constexpr (std::is_same_v<T, A>) sum = dx;
        backward_plane(p, w, in[0].as<T>() + i * w.out_size(),
                       in.count() > 1 ? in[1].as<T>() + i * w.in_size() : nullptr,
                       in.count() > 2 ? in[2].as<T>() + i * w.out_size() : nullptr, sum);
        if constexpr (!std::is_same_v<T, A>) std::copy_n(sum, w.in_size(), dx);
      }
    });
  });
}

// A plane of sums in float32, for halves.
ScratchNeed scratch_backward(const Situation& s) {
  const Shape& x = s.out[0].shape;
  return {.piece = dtype_size(s.out[0].dtype) < 4 ? 4 * x.size(2) : 0};
}

void define(OpTable& ops) {
  OpDef def{
      .name = "Pooling",
      .aliases = {"_npx_pooling"},
      .doc =
          "Maximum, average, sum or p-norm of windows over (n, c, w), (n, c, h, w) or "
          "(n, c, d, h, w).",
      .dtypes = Dtypes::kFloating,
      .params = schema<PoolingParam>(),
      .infer = nn::infer_pooling,
      .cpu = forward,
      .backward = {.reads = reads, .run = backward, .scratch = scratch_backward},
  };
  ops.define(def);
  def.name = "Pooling_v1", def.aliases = {};
  def.params = schema<PoolingV1Param>();
  ops.define(std::move(def));
}

}  // namespace heddle::ops::pooling
