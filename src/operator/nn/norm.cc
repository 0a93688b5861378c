// InstanceNorm, LayerNorm, GroupNorm: each normalises groups of elements by their own statistics;
// L2Normalization and LRN divide by a norm.
#include <algorithm>
#include <cmath>

#include "heddle/op.h"
#include "operator/scratch_needs.h"

#define HEDDLE_LOOPS "operator/nn/norm.inl.h"
#include "operator/simd/each_target.h"

namespace heddle::ops::norm {

template <class T>
using Wide = std::conditional_t<(sizeof(T) < 4), float, T>;

// --- by mean and deviation ----------------------------------------------------------------------
// A tensor seen as groups of elements that share their statistics: `groups` of `size`, element i of
// group g at offset(g) + i * step. Its channel, which has a gamma and a beta, is channel(g, i).
struct Grouping {
  int64_t groups, size, step;
  int64_t outer_step, inner;  // offset(g) = g / inner * outer_step + g % inner
  int64_t channels, channel_period, channel_length;
  int64_t offset(int64_t g) const { return g / inner * outer_step + g % inner; }
  // The elements of a group are runs of one channel each; or each has its own.
  int64_t runs() const { return channel_length > 0 ? size / channel_length : 0; }
  int64_t channel_of_run(int64_t g, int64_t run) const {
    return (g % channel_period * runs() + run) % channels;
  }
  bool own_channels() const { return channel_length == 1 && channels == size; }
  int64_t grain() const { return std::max<int64_t>(1, 8192 / std::max<int64_t>(1, size)); }
};

// Elements `step` apart, side by side: themselves where they are, or a copy in `room`.
template <class T>
const T* gathered(const T* x, int64_t n, int64_t step, T* room) {
  if (step == 1) return x;
  for (int64_t i = 0; i < n; ++i) room[i] = x[i * step];
  return room;
}
template <class T>
void scatter(const T* x, int64_t n, int64_t step, T* to) {
  for (int64_t i = 0; i < n; ++i) to[i * step] = x[i];
}
// Room for `lines` of them on the calling thread; null where they are side by side.
template <class T>
T* line_room(const Grouping& at, int64_t lines) {
  if (at.step == 1) return nullptr;
  return static_cast<T*>(thread_scratch(size_t(lines * at.size) * sizeof(T)));
}

int64_t line_bytes(const Grouping& at, int64_t lines, Dtype d) {
  return at.step == 1 ? 0 : ScratchNeed::taken(lines * at.size * dtype_size(d));
}
int64_t wide_size(Dtype d) { return std::max<int64_t>(4, dtype_size(d)); }

struct InstanceNormParam {
  float eps = 1e-3f;
  void fields(auto&& f) { f("eps", eps, "Added to the variance."); }
  static constexpr bool kDeviation = false;
  Shape parameters(const Shape& x) const { return {x[1]}; }
  Shape statistics(const Shape& x) const { return {x[0], x[1]}; }
  Grouping grouping(const Shape& x) const {
    const int64_t area = x.size(2);
    return {x[0] * x[1], area, 1, area, 1, x[1], x[1], area};
  }
  void check_shape(const Shape& x) const {
    check(x.rank() >= 3, "[InstanceNorm] data has shape {}, expected three axes or more", x);
  }
};

struct LayerNormParam {
  int64_t axis = -1;
  float eps = 1e-5f;
  bool output_mean_var = false;
  void fields(auto&& f) {
    f("axis", axis, "The axis to normalise.");
    f("eps", eps, "Added to the variance.");
    f("output_mean_var", output_mean_var, "Show the mean and the deviation as outputs.");
  }
  static constexpr bool kDeviation = true;
  int at(const Shape& x) const { return normalize_axis("LayerNorm", axis, x.rank()); }
  Shape parameters(const Shape& x) const { return {x[at(x)]}; }
  Shape statistics(const Shape& x) const {
    Shape s = x;
    s[at(x)] = 1;
    return s;
  }
  Grouping grouping(const Shape& x) const {
    const int a = at(x);
    const int64_t inner = x.size(a + 1);
    return {x.size(0, a) * inner, x[a], inner, x[a] * inner, inner, x[a], 1, 1};
  }
  void check_shape(const Shape& x) const { at(x); }
};

struct GroupNormParam {
  int64_t num_groups = 1;
  float eps = 1e-5f;
  bool output_mean_var = false;
  void fields(auto&& f) {
    f("num_groups", num_groups, "Channels are split into this many groups.").at_least(1);
    f("eps", eps, "Added to the variance.");
    f("output_mean_var", output_mean_var, "Show the mean and the deviation as outputs.");
  }
  static constexpr bool kDeviation = true;
  Shape parameters(const Shape&) const { return {num_groups}; }  // as MXNet 1.x has it
  Shape statistics(const Shape& x) const { return {x[0], num_groups}; }
  Grouping grouping(const Shape& x) const {
    const int64_t size = x[1] / num_groups * x.size(2);
    return {x[0] * num_groups, size, 1, size, 1, num_groups, num_groups, size};
  }
  void check_shape(const Shape& x) const {
    check(x.rank() >= 2, "[GroupNorm] data has shape {}, expected two axes or more", x);
    check(x[1] % num_groups == 0, "[GroupNorm] {} channels do not divide into {} groups", x[1],
          num_groups);
  }
};

template <class P>
std::vector<Output> outputs() {
  const char* spread = P::kDeviation ? "std" : "var";
  if constexpr (!requires(P p) { p.output_mean_var; }) return {{}, {"mean", true}, {spread, true}};
  return {{},
          {"mean", true, when("output_mean_var", false)},
          {"mean", false, when("output_mean_var", true)},
          {spread, true, when("output_mean_var", false)},
          {spread, false, when("output_mean_var", true)}};
}

template <class P>
void infer(const P& p, InferContext& c) {
  c.set_out(0, c.in(0));
  c.set_in(0, c.out(0));
  const Shape& x = c.in(0);
  if (!x.known()) return;
  p.check_shape(x);
  for (int i : {1, 2}) c.set_in(i, p.parameters(x)), c.set_out(i, p.statistics(x));
}

// The third output is the deviation, or for InstanceNorm the variance.
template <class P>
void forward(const P& p, OpContext& ctx, Inputs in, Outputs out) {
  const Grouping at = p.grouping(in[0].shape);
  with_float(in[0].dtype, "norm", [&](auto type) {
    using T = decltype(type);
    using A = Wide<T>;
    const T *x = in[0].as<T>(), *gamma = in[1].as<T>(), *beta = in[2].as<T>();
    T *y = ctx.output(out, 0).as<T>(), *means = ctx.output(out, 1).as<T>(),
      *lasts = ctx.output(out, 2).as<T>();
    const auto sum = HEDDLE_PICK(norm_sum<T, A>);
    const auto squares = HEDDLE_PICK(norm_squares<T, A>);
    const auto apply_own = HEDDLE_PICK(norm_apply<T, A, true>);
    const auto apply_run = HEDDLE_PICK(norm_apply<T, A, false>);
    ctx.parallel_for(at.groups, at.grain(), [&](int64_t from, int64_t to) {
      ScratchScope scope;
      T* const room = line_room<T>(at, 1);
      // Statistics of several groups are made side by side, as short ones wait for their own folds;
      // but not of those that are gathered, or long.
      constexpr int64_t kTogether = 8;
      double mean[kTogether], deviation[kTogether];
      const int64_t together = room || at.size > 1024 ? 1 : kTogether;
      for (int64_t first = from; first < to; first += together) {
        const int64_t count = std::min(together, to - first);
        const T* own[kTogether];
        for (int64_t r = 0; r < count; ++r) {
          own[r] = gathered(x + at.offset(first + r), at.size, at.step, room);
          mean[r] = sum(own[r], at.size) / double(at.size);
        }
        for (int64_t r = 0; r < count; ++r) {
          const double variance = squares(own[r], at.size, A(mean[r])) / double(at.size);
          deviation[r] = std::sqrt(variance + double(p.eps));
          means[first + r] = T(A(mean[r]));
          lasts[first + r] = T(A(P::kDeviation ? deviation[r] : variance));
        }
        for (int64_t r = 0; r < count; ++r) {
          const int64_t g = first + r;
          const A m = A(mean[r]), scale = A(1 / deviation[r]);
          T* const result = room ? room : y + at.offset(g);
          if (at.own_channels()) apply_own(own[r], result, at.size, m, scale, gamma, beta);
          for (int64_t run = 0; !at.own_channels() && run < at.runs(); ++run) {
            const int64_t c = at.channel_of_run(g, run), begin = run * at.channel_length;
            apply_run(own[r] + begin, result + begin, at.channel_length, m, scale, gamma + c,
                      beta + c);
          }
          if (room) scatter(room, at.size, at.step, y + at.offset(g));
        }
      }
    });
  });
}

template <class P>
ScratchNeed scratch(const P& p, const Situation& s) {
  ScratchNeed need = unwanted(s);
  need.piece = line_bytes(p.grouping(s.in[0].shape), 1, s.in[0].dtype);
  return need;
}

// Of each channel the sum over the blocks of groups of its parts, which are `apart` from block to
// block, added in their order whichever thread does it.
void add_parts(const OpContext& ctx, const double* parts, int64_t blocks, int64_t apart,
               double* sums, int64_t channels) {
  ctx.parallel_for(channels, std::max<int64_t>(64, 32768 / std::max<int64_t>(1, blocks)),
                   [&](int64_t from, int64_t to) {
                     std::fill(sums + from, sums + to, 0.0);
                     for (int64_t b = 0; b < blocks; ++b)
                       for (int64_t c = from; c < to; ++c) sums[c] += parts[b * apart + c];
                   });
}

// Groups of a block.
int64_t block_of(const Grouping& at) { return std::max(at.grain(), (at.groups + 31) / 32); }

// in: dy, data, gamma, mean, deviation or variance. out: gradients of data, gamma, beta.
template <class P>
void backward(const P& p, OpContext& ctx, Inputs in, Outputs out) {
  const Grouping at = p.grouping(in[1].shape);
  with_float(in[0].dtype, "norm", [&](auto type) {
    using T = decltype(type);
    using A = Wide<T>;
    const T *dy = in[0].as<T>(), *x = in[1].as<T>(), *gamma = in[2].as<T>();
    const T *means = in[3].as<T>(), *lasts = in[4].as<T>();
    const auto scale_of = [&](int64_t g) {
      const double last = double(A(lasts[g]));
      return A(P::kDeviation ? 1 / last : 1 / std::sqrt(last + double(p.eps)));
    };
    const bool own = at.own_channels();
    double* sums = ctx.scratch_of<double>(2 * at.channels);  // of gamma, then of beta
    // Groups go in blocks. Where each element is a channel, a block has its sums of dy z and of dy
    // by channels; elsewhere every run of a group has the two.
    const int64_t block = block_of(at), blocks = (at.groups + block - 1) / block;
    double* parts =
        ctx.scratch_of<double>(2 * (own ? blocks * at.channels : at.groups * at.runs()));
    T* dx = ctx.wants(0) ? out[0].as<T>() : nullptr;
    const auto products =
        own ? HEDDLE_PICK(norm_products<T, A, true>) : HEDDLE_PICK(norm_products<T, A, false>);
    const auto gradient =
        own ? HEDDLE_PICK(norm_gradient<T, A, true>) : HEDDLE_PICK(norm_gradient<T, A, false>);
    const auto add_channels = HEDDLE_PICK(norm_channels<T, A>);
    const auto flush = HEDDLE_PICK(norm_flush<A>);
    constexpr int64_t kFlush = 64;  // groups whose sums are as wide as the elements
    ctx.parallel_for(at.groups, block, [&](int64_t from, int64_t to) {
      ScratchScope scope;
      T* const room = line_room<T>(at, 2);
      double* const all = parts + (own ? from / block * 2 * at.channels : 0);
      A* some = nullptr;
      if (own) {
        some = static_cast<A*>(thread_scratch(size_t(2 * at.channels) * sizeof(A)));
        std::fill_n(some, 2 * at.channels, A(0));
        std::fill_n(all, 2 * at.channels, 0.0);
      }
      for (int64_t g = from; g < to; ++g) {
        const T* head = gathered(dy + at.offset(g), at.size, at.step, room);
        const T* line = gathered(x + at.offset(g), at.size, at.step, room ? room + at.size : room);
        const A mean = A(means[g]), scale = scale_of(g);
        double heads = 0, product = 0;
        if (own) {
          products(head, line, gamma, at.size, mean, scale, &heads, &product);
          add_channels(head, line, at.size, mean, scale, some, some + at.channels);
          if ((g - from) % kFlush == kFlush - 1 || g + 1 == to) flush(some, all, 2 * at.channels);
        }
        for (int64_t run = 0; !own && run < at.runs(); ++run) {
          const int64_t first = run * at.channel_length;
          const double by = double(A(gamma[at.channel_of_run(g, run)]));
          double* mine = parts + 2 * (g * at.runs() + run);
          products(head + first, line + first, nullptr, at.channel_length, mean, scale, mine + 1,
                   mine);
          product += by * mine[0], heads += by * mine[1];
        }
        if (!dx) continue;
        // ((dy gamma - heads) - (x - mean) slope) scale, in the precision of the elements
        const A less = A(heads / double(at.size));
        const A slope = A(product / double(at.size) * double(scale));
        T* const result = room ? room : dx + at.offset(g);
        if (own) gradient(head, line, gamma, result, at.size, less, mean, slope, scale);
        for (int64_t run = 0; !own && run < at.runs(); ++run) {
          const int64_t c = at.channel_of_run(g, run), first = run * at.channel_length;
          gradient(head + first, line + first, gamma + c, result + first, at.channel_length, less,
                   mean, slope, scale);
        }
        if (room) scatter(room, at.size, at.step, dx + at.offset(g));
      }
    });
    if (own) {
      add_parts(ctx, parts, blocks, 2 * at.channels, sums, 2 * at.channels);
    } else {
      std::fill_n(sums, 2 * at.channels, 0.0);
      for (int64_t g = 0; g < at.groups; ++g)
        for (int64_t run = 0; run < at.runs(); ++run) {
          const int64_t c = at.channel_of_run(g, run);
          sums[c] += parts[2 * (g * at.runs() + run)];
          sums[at.channels + c] += parts[2 * (g * at.runs() + run) + 1];
        }
    }
    for (int64_t c = 0; c < at.channels; ++c) {
      if (ctx.wants(1)) out[1].as<T>()[c] = T(A(sums[c]));
      if (ctx.wants(2)) out[2].as<T>()[c] = T(A(sums[at.channels + c]));
    }
  });
}

template <class P>
ScratchNeed scratch_backward(const P& p, const Situation& s) {
  const Grouping at = p.grouping(s.in[1].shape);
  const int64_t block = block_of(at), blocks = (at.groups + block - 1) / block;
  const bool own = at.own_channels();
  ScratchNeed need;
  need.take(16 * at.channels);
  need.take(16 * (own ? blocks * at.channels : at.groups * at.runs()));
  need.piece = line_bytes(at, 2, s.in[0].dtype);
  if (own) need.piece += ScratchNeed::taken(2 * at.channels * wide_size(s.in[0].dtype));
  return need;
}

template <class P>
OpDef record(const char* name, const char* doc) {
  return {
      .name = name,
      .doc = doc,
      .dtypes = Dtypes::kFloating,
      .precision = Precision::kFull,
      .params = schema<P>(),
      .inputs = {{"data"}, {"gamma"}, {"beta"}},
      .outputs = outputs<P>(),
      .infer = infer<P>,
      .cpu = forward<P>,
      .scratch = scratch<P>,
      .backward = {.reads = {dy(), x(0), x(1), y(1), y(2)},
                   .run = backward<P>,
                   .scratch = scratch_backward<P>},
  };
}

// --- L2Normalization ----------------------------------------------------------------------------
enum class Mode { kInstance, kSpatial, kChannel };
struct L2Param {
  float eps = 1e-10f;
  Mode mode = Mode::kInstance;
  void fields(auto&& f) {
    f("eps", eps, "Added to the sum of squares.");
    f("mode", mode,
      "One norm per instance, per channel's plane (spatial), or per position (channel).")
        .names({"instance", "spatial", "channel"});
  }
  Grouping grouping(const Shape& x) const {
    const int64_t area = x.size(2);
    if (mode == Mode::kInstance) return {x[0], x.size(1), 1, x.size(1), 1, 1, 1, 1};
    if (mode == Mode::kSpatial) return {x[0] * x[1], area, 1, area, 1, 1, 1, 1};
    return {x[0] * area, x[1], area, x[1] * area, area, 1, 1, 1};
  }
};

void infer_l2(const L2Param& p, InferContext& c) {
  c.set_out(0, c.in(0));
  c.set_in(0, c.out(0));
  const Shape& x = c.in(0);
  if (!x.known()) return;
  const int least = p.mode == Mode::kInstance ? 2 : 3;
  check(x.rank() >= least, "[L2Normalization] data has shape {}, expected {} axes or more", x,
        least);
  Shape norms{x[0]};
  if (p.mode == Mode::kSpatial) norms.append(x[1]);
  for (int i = 2; p.mode == Mode::kChannel && i < x.rank(); ++i) norms.append(x[i]);
  c.set_out(1, norms);
}

// The length of a vector whose squares overflow: from elements divided by the largest one.
template <class T>
double scaled_length(const T* x, int64_t n) {
  double most = 0, square = 0;
  for (int64_t i = 0; i < n; ++i) most = std::max(most, std::abs(double(Wide<T>(x[i]))));
  if (std::isinf(most)) return most;
  for (int64_t i = 0; i < n; ++i) {
    const double v = double(Wide<T>(x[i])) / most;
    square += v * v;
  }
  return most * std::sqrt(square);
}

void l2_forward(const L2Param& p, OpContext& ctx, Inputs in, Outputs out) {
  const Grouping at = p.grouping(in[0].shape);
  with_float(in[0].dtype, "L2Normalization", [&](auto type) {
    using T = decltype(type);
    using A = Wide<T>;
    const T* x = in[0].as<T>();
    T *y = ctx.output(out, 0).as<T>(), *norms = ctx.output(out, 1).as<T>();
    const auto dot = HEDDLE_PICK(norm_dot<T, A>);
    const auto divide = HEDDLE_PICK(norm_divide<T, A>);
    ctx.parallel_for(at.groups, at.grain(), [&](int64_t from, int64_t to) {
      ScratchScope scope;
      T* const room = line_room<T>(at, 1);
      for (int64_t g = from; g < to; ++g) {
        const T* own = gathered(x + at.offset(g), at.size, at.step, room);
        const double square = dot(own, own, at.size);
        const A length =
            A(std::isinf(square) ? scaled_length(own, at.size) : std::sqrt(square + double(p.eps)));
        norms[g] = T(length);
        divide(own, room ? room : y + at.offset(g), at.size, length);
        if (room) scatter(room, at.size, at.step, y + at.offset(g));
      }
    });
  });
}

ScratchNeed l2_scratch(const L2Param& p, const Situation& s) {
  ScratchNeed need = unwanted(s);
  need.piece = line_bytes(p.grouping(s.in[0].shape), 1, s.in[0].dtype);
  return need;
}

// in: dy, output, norm. out: gradient of data, (dy - y * sum(dy * y)) / norm.
void l2_backward(const L2Param& p, OpContext& ctx, Inputs in, Outputs out) {
  const Grouping at = p.grouping(in[1].shape);
  with_float(in[0].dtype, "L2Normalization", [&](auto type) {
    using T = decltype(type);
    using A = Wide<T>;
    const T *dy = in[0].as<T>(), *y = in[1].as<T>(), *norms = in[2].as<T>();
    T* dx = out[0].as<T>();
    const auto dot = HEDDLE_PICK(norm_dot<T, A>);
    const auto project = HEDDLE_PICK(norm_project<T, A>);
    ctx.parallel_for(at.groups, at.grain(), [&](int64_t from, int64_t to) {
      ScratchScope scope;
      T* const room = line_room<T>(at, 2);
      for (int64_t g = from; g < to; ++g) {
        const T* head = gathered(dy + at.offset(g), at.size, at.step, room);
        const T* own = gathered(y + at.offset(g), at.size, at.step, room ? room + at.size : room);
        const A product = A(dot(head, own, at.size));
        project(head, own, room ? room : dx + at.offset(g), at.size, product, A(norms[g]));
        if (room) scatter(room, at.size, at.step, dx + at.offset(g));
      }
    });
  });
}

ScratchNeed l2_scratch_backward(const L2Param& p, const Situation& s) {
  return {.piece = line_bytes(p.grouping(s.in[1].shape), 2, s.in[1].dtype)};
}

// --- LRN ----------------------------------------------------------------------------------------
struct LrnParam {
  float alpha = 1e-4f, beta = 0.75f, knorm = 2;
  int64_t nsize = 0;
  void fields(auto&& f) {
    f("alpha", alpha, "Scale of the sum of squares.");
    f("beta", beta, "Exponent.");
    f("knorm", knorm, "Added to the scaled sum.");
    f("nsize", nsize, "How many neighbouring channels are summed; odd.").required().at_least(1);
  }
};

void infer_lrn(const LrnParam& p, InferContext& c) {
  infer_same(c);
  const Shape& x = c.in(0);
  check(p.nsize % 2 == 1, "[LRN] nsize is {}, expected an odd number", p.nsize);
  check(!x.has_rank() || x.rank() == 4, "[LRN] data has shape {}, expected (n, c, h, w)", x);
}

// sum(c) over the channels around c of f(channel): the window slides over the planes of an image.
template <class A, class F>
void window_sums(const LrnParam& p, int64_t channels, int64_t area, A* sums, F&& f) {
  const int64_t half = p.nsize / 2;
  for (int64_t c = 0; c < channels; ++c)
    for (int64_t i = 0; i < area; ++i) {
      A sum = 0;
      for (int64_t k = std::max<int64_t>(0, c - half); k <= std::min(channels - 1, c + half); ++k)
        sum += f(k, i);
      sums[c * area + i] = sum;
    }
}

void lrn_forward(const LrnParam& p, OpContext& ctx, Inputs in, Outputs out) {
  const Shape& s = in[0].shape;
  const int64_t channels = s[1], area = s.size(2), image = channels * area;
  with_float(in[0].dtype, "LRN", [&](auto type) {
    using T = decltype(type);
    using A = Wide<T>;
    T* norms = ctx.output(out, 1).as<T>();
    ctx.parallel_for(s[0], 1, [&](int64_t from, int64_t to) {
      ScratchScope scope;
      A* sums = static_cast<A*>(thread_scratch(size_t(image) * sizeof(A)));
      for (int64_t n = from; n < to; ++n) {
        const T* x = in[0].as<T>() + n * image;
        window_sums(p, channels, area, sums,
                    [&](int64_t c, int64_t i) { return A(x[c * area + i]) * A(x[c * area + i]); });
        for (int64_t i = 0; i < image; ++i) {
          const A norm = A(p.knorm) + A(p.alpha) / A(p.nsize) * sums[i];
          norms[n * image + i] = T(norm);
          out[0].as<T>()[n * image + i] = T(A(x[i]) * std::pow(norm, -A(p.beta)));
        }
      }
    });
  });
}

// in: dy, data, norm. dx = dy * norm^-beta - 2 alpha beta / nsize * x * sum(dy * x *
// norm^(-beta-1)).
void lrn_backward(const LrnParam& p, OpContext& ctx, Inputs in, Outputs out) {
  const Shape& s = in[1].shape;
  const int64_t channels = s[1], area = s.size(2), image = channels * area;
  with_float(in[0].dtype, "LRN", [&](auto type) {
    using T = decltype(type);
    using A = Wide<T>;
    ctx.parallel_for(s[0], 1, [&](int64_t from, int64_t to) {
      ScratchScope scope;
      A* sums = static_cast<A*>(thread_scratch(size_t(2 * image) * sizeof(A)));
      A* terms = sums + image;
      for (int64_t n = from; n < to; ++n) {
        const T *dy = in[0].as<T>() + n * image, *x = in[1].as<T>() + n * image,
                *norm = in[2].as<T>() + n * image;
        for (int64_t i = 0; i < image; ++i)
          terms[i] = A(dy[i]) * A(x[i]) * std::pow(A(norm[i]), -A(p.beta) - 1);
        window_sums(p, channels, area, sums,
                    [&](int64_t c, int64_t i) { return terms[c * area + i]; });
        const A scale = 2 * A(p.alpha) * A(p.beta) / A(p.nsize);
        for (int64_t i = 0; i < image; ++i)
          out[0].as<T>()[n * image + i] =
              T(A(dy[i]) * std::pow(A(norm[i]), -A(p.beta)) - scale * A(x[i]) * sums[i]);
      }
    });
  });
}

// Sums over neighbouring channels of an image.
ScratchNeed lrn_scratch(const LrnParam&, const Situation& s) {
  ScratchNeed need = unwanted(s);
  const Shape& x = s.in[0].shape;
  need.piece = x.size(1) * wide_size(s.in[0].dtype), need.pieces = x[0];
  return need;
}
ScratchNeed lrn_scratch_backward(const LrnParam&, const Situation& s) {
  const Shape& x = s.in[1].shape;
  return {.piece = 2 * x.size(1) * wide_size(s.in[1].dtype), .pieces = x[0]};
}

void define(OpTable& ops) {
  ops.define(record<InstanceNormParam>(
      "InstanceNorm",
      "Normalises each channel of each instance, then scales by gamma and adds beta."));
  OpDef layer = record<LayerNormParam>(
      "LayerNorm", "Normalises along one axis, then scales by gamma and adds beta.");
  layer.aliases = {"_npx_layer_norm"};
  ops.define(std::move(layer));
  ops.define(record<GroupNormParam>(
      "GroupNorm",
      "Normalises groups of channels of each instance, then scales by gamma and adds beta."));
  ops.define({
      .name = "L2Normalization",
      .doc = "Divides by the Euclidean norm of an instance, of each channel's plane, or of each "
             "position's channels.",
      .dtypes = Dtypes::kFloating,
      .precision = Precision::kFull,
      .params = schema<L2Param>(),
      .outputs = {{}, {"norm", true}},
      .infer = infer_l2,
      .cpu = l2_forward,
      .scratch = l2_scratch,
      .backward = {.reads = {dy(), y(0), y(1)}, .run = l2_backward, .scratch = l2_scratch_backward},
  });
  ops.define({
      .name = "LRN",
      .doc = "Local response normalisation: x / (knorm + alpha / nsize * sum of x^2 over nearby "
             "channels)^beta.",
      .dtypes = Dtypes::kFloating,
      .precision = Precision::kFull,
      .params = schema<LrnParam>(),
      .outputs = {{}, {"tmp_norm", true}},
      .infer = infer_lrn,
      .cpu = lrn_forward,
      .scratch = lrn_scratch,
      .backward = {.reads = {dy(), x(0), y(1)},
                   .run = lrn_backward,
                   .scratch = lrn_scratch_backward},
  });
}

}  // namespace heddle::ops::norm
