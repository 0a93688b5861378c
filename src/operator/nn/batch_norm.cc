// BatchNorm: normalises each channel by the statistics of the batch, and learns them on the way;
// alone, or with the relu or clip that follows it.
#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "heddle/layout.h"
#include "operator/nn/epilogue.h"

namespace heddle::ops::batch_norm {

// (x - mean) * scale + shift, kept within low and high: of one channel, and of a block of them.
template <class A>
struct Limit {
  A scale, shift, low, high;
};
struct BlockLimit {
  const float *scale, *shift;
  float low, high;
};

}  // namespace heddle::ops::batch_norm

#define HEDDLE_LOOPS "operator/nn/batch_norm.inl.h"
#include "operator/simd/each_target.h"

namespace heddle::ops::batch_norm {

struct BatchNormParam {
  double eps = 1e-3;
  float momentum = 0.9f;
  bool fix_gamma = true, use_global_stats = false, output_mean_var = false;
  int64_t axis = 1;
  bool cudnn_off = false;
  std::optional<float> min_calib_range, max_calib_range;

  void shared_fields(auto&& f) {
    f("eps", eps, "Added to the variance.");
    f("momentum", momentum, "How much of the moving statistics a training step keeps.");
    f("fix_gamma", fix_gamma, "Set gamma to 1 and give it no gradient.");
    f("use_global_stats", use_global_stats, "Normalise by the moving statistics in training too.");
    f("output_mean_var", output_mean_var, "Show the mean and the inverse deviation as outputs.");
  }
  void fields(auto&& f) {
    shared_fields(f);
    f("axis", axis, "The axis of the channels.");
    f("cudnn_off", cudnn_off, "Not to use cuDNN; ignored.").ignored();
    f("min_calib_range", min_calib_range, "For quantization; ignored.").ignored();
    f("max_calib_range", max_calib_range, "For quantization; ignored.").ignored();
  }
};
struct BatchNormV1Param : BatchNormParam {
  void fields(auto&& f) { shared_fields(f); }
};

// On one machine all devices of a process see the same batch.
struct SyncBatchNormParam : BatchNormParam {
  int ndev = 1;
  std::string key;
  void fields(auto&& f) {
    shared_fields(f);
    f("ndev", ndev, "Number of devices that share statistics; ignored.").ignored();
    f("key", key, "Name under which they do; ignored.").required().ignored();
  }
};

// With what follows, which plans put in (symbol/fuse.cc).
struct FusedBatchNormParam : BatchNormParam, nn::Following {
  void fields(auto&& f) {
    BatchNormParam::fields(f);
    f("activation", activation, "Then: nothing, relu, or clip to [low, high].")
        .names({"none", "relu", "clip"});
    f("low", low, "clip: smaller elements become this.");
    f("high", high, "clip: larger elements become this.");
  }
};

// Between which values of the normalised data a gradient comes back: clip lets its limits through,
// relu no 0.
nn::Limits gradient_limits(const nn::Following& f) {
  nn::Limits l = nn::limits_of(f);
  if (f.activation == nn::Epilogue::kRelu) l.low = std::numeric_limits<float>::denorm_min();
  return l;
}
bool limits(const nn::Following& f) { return f.activation != nn::Epilogue::kNone; }

enum { kData, kGamma, kBeta, kMovingMean, kMovingVar };

void infer(const BatchNormParam& p, InferContext& c) {
  c.set_out(0, c.in(kData));
  c.set_in(kData, c.out(0));
  const Shape& x = c.in(kData);
  if (!x.has_rank()) return;
  const int axis = normalize_axis(c.op().name, p.axis, x.rank());
  for (int i = kGamma; i <= kMovingVar; ++i) c.set_in(i, {x[axis]});
  c.set_out(1, {x[axis]});
  c.set_out(2, {x[axis]});
}

// Statistics and parameters of halves are float32.
void infer_dtype(const BatchNormParam&, InferContext& c) {
  c.set_out_dtype(0, c.in_dtype(kData));
  c.set_in_dtype(kData, c.out_dtype(0));
  const Dtype data = c.in_dtype(kData);
  if (data == Dtype::kUnknown) return;
  const Dtype d = data == Dtype::kFloat64 ? data : Dtype::kFloat32;
  for (int i = kGamma; i <= kMovingVar; ++i) c.set_in_dtype(i, d);
  c.set_out_dtype(1, d);
  c.set_out_dtype(2, d);
}

// The elements of a channel: `rows` runs of `length`, one every `step` elements.
struct Channels {
  int64_t count, rows, length, step;
  Channels(const BatchNormParam& p, const Shape& s) {
    const int axis = normalize_axis("BatchNorm", p.axis, s.rank());
    count = s[axis], rows = s.size(0, axis), length = s.size(axis + 1), step = count * length;
  }
  int64_t size() const { return rows * length; }
  // Short runs are copied together first: loops over them would cost more than the copies.
  int64_t shortest = 32;
  bool scattered() const { return length < shortest; }
  int64_t grain() const { return std::max<int64_t>(1, 16384 / std::max<int64_t>(1, size())); }
};

// One channel of a tensor: where it lies, or a copy in one run.
template <class T>
class Channel {
 public:
  Channel(const Channels& c, T* data, int64_t index) : c_(c), data_(data + index * c.length) {
    if (c.scattered()) copy_ = static_cast<T*>(thread_scratch(size_t(c.size()) * sizeof(T)));
  }
  void gather() {
    for (int64_t i = 0; copy_ && i < c_.rows; ++i)
      for (int64_t j = 0; j < c_.length; ++j) copy_[i * c_.length + j] = data_[i * c_.step + j];
  }
  void scatter() {
    for (int64_t i = 0; copy_ && i < c_.rows; ++i)
      for (int64_t j = 0; j < c_.length; ++j) data_[i * c_.step + j] = copy_[i * c_.length + j];
  }
  int64_t runs() const { return copy_ ? 1 : c_.rows; }
  int64_t length() const { return copy_ ? c_.size() : c_.length; }
  T* run(int64_t i) const { return copy_ ? copy_ : data_ + i * c_.step; }

 private:
  const Channels& c_;
  T *data_, *copy_ = nullptr;
};

template <class T>
using Wide = std::conditional_t<(sizeof(T) < 4), float, T>;

template <class T, class A = Wide<T>>
void forward_channel(Channel<T>& x, Channel<T>& y, bool learn, int64_t size, double eps, A gamma,
                     A beta, nn::Limits limits, A& mean, A& inv_std, double variance) {
  const auto sum = HEDDLE_PICK(row_sum<T, A>);
  const auto square = HEDDLE_PICK(row_square<T, A>);
  const auto scale = HEDDLE_PICK(row_scale<T, A>);
  x.gather();
  if (learn) {
    double s = 0, q = 0;
    for (int64_t i = 0; i < x.runs(); ++i) s += sum(x.run(i), x.length());
    mean = A(s / double(size));
    for (int64_t i = 0; i < x.runs(); ++i) q += square(x.run(i), x.length(), mean);
    variance = q / double(size);
  }
  inv_std = A(1 / std::sqrt(variance + eps));
  for (int64_t i = 0; i < x.runs(); ++i)
    scale(x.run(i), y.run(i), x.length(), mean,
          Limit<A>{gamma * inv_std, beta, A(limits.low), A(limits.high)});
  y.scatter();
}

// --- data in blocks of channels -----------------------------------------------------------------
template <class T>
struct BlockLoops {
  void (*sum)(const T* x, int64_t n, double* sum);
  void (*square)(const T* x, int64_t n, const float* mean, double* sum);
  // With and without a limit.
  void (*dot[2])(const T* dy, const T* x, int64_t n, const float* mean, const BlockLimit&,
                 double* heads, double* products);
  void (*scale)(const T* x, T* y, int64_t n, const float* mean, const BlockLimit&);
  void (*gradient[2])(const T* dy, const T* x, T* dx, int64_t n, const float* mean,
                      const BlockLimit&, const float* a, const float* b, const float* c);
};
template <int B, class T>
BlockLoops<T> block_loops() {
  return {HEDDLE_PICK(block_sum<B, T>),
          HEDDLE_PICK(block_square<B, T>),
          {HEDDLE_PICK(block_dot<B, T, false>), HEDDLE_PICK(block_dot<B, T, true>)},
          HEDDLE_PICK(block_scale<B, T>),
          {HEDDLE_PICK(block_gradient<B, T, false>), HEDDLE_PICK(block_gradient<B, T, true>)}};
}

// Whether a tensor lies in blocks that there are loops for.
bool in_blocks(const BatchNormParam& p, const Blob& b) {
  const int size = channel_block(b.stored.layout);
  return (b.dtype == Dtype::kFloat32 || b.dtype == Dtype::kBfloat16) && b.shape.rank() > 1 &&
         (size == 8 || size == 16) && normalize_axis("BatchNorm", p.axis, b.shape.rank()) == 1;
}

// The runs of such a tensor: one per image and block of channels. A piece of work is a part of the
// batch for one block.
struct Blocks {
  int64_t size, batch, count, positions, parts, images;  // images of a part
  explicit Blocks(const Blob& b) {
    constexpr int64_t kPieces = 8;
    size = channel_block(b.stored.layout), batch = b.shape[0], count = b.shape[1] / size;
    positions = b.shape.size(2);
    const int64_t most = (kPieces + count - 1) / count;
    images = std::max<int64_t>(1, (batch + most - 1) / most), parts = (batch + images - 1) / images;
  }
  template <class T>
  BlockLoops<T> loops() const {
    return size == 8 ? block_loops<8, T>() : block_loops<16, T>();
  }
  int64_t channels() const { return count * size; }
  double elements() const { return double(batch * positions); }  // of a channel

  // What is met twice: sums(piece, its first channel, offset of a run) for every run, begin(piece)
  // before each piece; then once done(first channel) for each block, when the sums of all its
  // pieces are there; then write(first channel, offset of a run) for every run. A block that is one
  // piece is finished before the next, from its end: what was read last is still in the cache.
  template <class Begin, class Sums, class Done, class Write>
  void twice(const OpContext& ctx, bool summed, Begin&& begin, Sums&& sums, Done&& done,
             Write&& write) const {
    const int64_t run = positions * size;
    const int64_t grain = std::max<int64_t>(1, 16384 / std::max<int64_t>(1, images * run));
    const auto of_piece = [&](int64_t piece, bool second) {
      const int64_t block = piece / parts, first = piece % parts * images;
      const int64_t end = std::min(batch, first + images);
      if (!second) begin(piece);
      for (int64_t i = first; i < end; ++i) {
        const int64_t image = second ? end - 1 - (i - first) : i;
        const int64_t at = (image * count + block) * run;
        if (second) write(block * size, at);
        else sums(piece, block * size, at);
      }
    };
    const auto all = [&](auto&& body) {
      ctx.parallel_for(count * parts, grain, [&](int64_t from, int64_t to) {
        for (int64_t piece = from; piece < to; ++piece) body(piece);
      });
    };
    if (parts == 1)
      return all([&](int64_t block) {
        if (summed) of_piece(block, false);
        done(block * size);
        of_piece(block, true);
      });
    if (summed) all([&](int64_t piece) { of_piece(piece, false); });
    for (int64_t block = 0; block < count; ++block) done(block * size);
    all([&](int64_t piece) { of_piece(piece, true); });
  }
};

// Two sums per channel: each piece has its own, and they are added in order.
class BlockSums {
 public:
  BlockSums(OpContext& ctx, const Blocks& b)
      : b_(b), sums_(ctx.scratch_of<double>(b.count * b.parts * 2 * b.size)) {}
  double* first(int64_t piece) const { return sums_ + piece * 2 * b_.size; }
  double* second(int64_t piece) const { return first(piece) + b_.size; }
  void clear(int64_t piece) const { std::fill_n(first(piece), 2 * b_.size, 0.0); }
  int64_t piece(int64_t channel, int64_t part) const { return channel / b_.size * b_.parts + part; }

 private:
  const Blocks& b_;
  double* sums_;
};

// Mean and mean squared distance of a growing number of values.
struct Moments {
  double count = 0, mean = 0, squares = 0;
  void add(double n, double m, double q) {  // Chan, Golub and LeVeque 1979
    if (n == 0) return;
    const double d = m - mean, all = count + n;
    mean += d * n / all, squares += q + d * d * count * n / all, count = all;
  }
};

template <class T>
void forward_blocks(const BatchNormParam& p, const nn::Following& then, OpContext& ctx, Inputs in,
                    Outputs out) {
  const Blocks b(in[kData]);
  const auto loops = b.loops<T>();
  const int64_t channels = b.channels();
  const bool learn = ctx.training && !p.use_global_stats;
  if (p.fix_gamma) std::fill_n(in.mut(kGamma).as<float>(), channels, 1.0f);
  const T* x = in[kData].as<T>();
  const float *gamma = in[kGamma].as<float>(), *beta = in[kBeta].as<float>();
  float *mean = ctx.output(out, 1).as<float>(), *inv_std = ctx.output(out, 2).as<float>();
  float* scale = ctx.scratch_of<float>(channels);
  T* y = out[0].as<T>();
  const nn::Limits l = nn::limits_of(then);
  const BlockSums moments(ctx, b);  // means, and squared distances from them
  auto* counts = ctx.scratch_of<double>(b.count * b.parts);
  b.twice(
      ctx, learn, [&](int64_t piece) { moments.clear(piece), counts[piece] = 0; },
      // A run is read once: in stretches that stay in the first cache.
      [&](int64_t piece, int64_t, int64_t at) {
        constexpr int64_t kStretch = 256;
        for (int64_t i = 0; i < b.positions; i += kStretch) {
          const int64_t n = std::min(kStretch, b.positions - i);
          const T* from = x + at + i * b.size;
          double sum[16] = {}, square[16] = {};
          float middle[16];
          loops.sum(from, n, sum);
          for (int64_t j = 0; j < b.size; ++j) middle[j] = float(sum[j] / double(n));
          loops.square(from, n, middle, square);
          for (int64_t j = 0; j < b.size; ++j) {
            Moments m{counts[piece], moments.first(piece)[j], moments.second(piece)[j]};
            m.add(double(n), sum[j] / double(n), square[j]);
            moments.first(piece)[j] = m.mean, moments.second(piece)[j] = m.squares;
          }
          counts[piece] += double(n);
        }
      },
      [&](int64_t first) {
        for (int64_t c = first; c < first + b.size; ++c) {
          double variance = 0;
          if (learn) {
            Moments all;
            for (int64_t part = 0; part < b.parts; ++part) {
              const int64_t piece = moments.piece(c, part), j = c % b.size;
              all.add(counts[piece], moments.first(piece)[j], moments.second(piece)[j]);
            }
            mean[c] = float(all.mean), variance = all.squares / b.elements();
          } else {
            mean[c] = in[kMovingMean].as<float>()[c];
            variance = double(in[kMovingVar].as<float>()[c]);
          }
          inv_std[c] = float(1 / std::sqrt(variance + p.eps));
          scale[c] = gamma[c] * inv_std[c];
        }
      },
      [&](int64_t c, int64_t at) {
        loops.scale(x + at, y + at, b.positions, mean + c, {scale + c, beta + c, l.low, l.high});
      });
}

void forward_with(const BatchNormParam& p, const nn::Following& then, OpContext& ctx, Inputs in,
                  Outputs out) {
  if (in_blocks(p, in[kData]))
    return in[kData].dtype == Dtype::kFloat32 ? forward_blocks<float>(p, then, ctx, in, out)
                                              : forward_blocks<bfloat16>(p, then, ctx, in, out);
  Channels c(p, in[kData].shape);
  const bool learn = ctx.training && !p.use_global_stats;
  if (!learn) c.shortest = 8;  // there is one loop alone
  with_float(in[kData].dtype, "BatchNorm", [&](auto type) {
    using T = decltype(type);
    using A = Wide<T>;
    if (p.fix_gamma) std::fill_n(in.mut(kGamma).as<A>(), c.count, A(1));
    const A *gamma = in[kGamma].as<A>(), *beta = in[kBeta].as<A>();
    A* means = ctx.wants(1) ? out[1].as<A>() : nullptr;
    A* inv_stds = ctx.wants(2) ? out[2].as<A>() : nullptr;
    ctx.parallel_for(c.count, c.grain(), [&](int64_t from, int64_t to) {
      for (int64_t i = from; i < to; ++i) {
        ScratchScope scope;
        Channel<T> x(c, in[kData].as<T>(), i), y(c, out[0].as<T>(), i);
        A mean = in[kMovingMean].as<A>()[i], inv_std = 0;
        forward_channel<T>(x, y, learn, c.size(), p.eps, gamma[i], beta[i], nn::limits_of(then),
                           mean, inv_std, double(in[kMovingVar].as<A>()[i]));
        if (means) means[i] = mean;
        if (inv_stds) inv_stds[i] = inv_std;
      }
    });
  });
}

void forward(const BatchNormParam& p, OpContext& ctx, Inputs in, Outputs out) {
  forward_with(p, {}, ctx, in, out);
}
void forward_fused(const FusedBatchNormParam& p, OpContext& ctx, Inputs in, Outputs out) {
  forward_with(p, p, ctx, in, out);
}

// Where backward finds what it reads; gamma is not read when it is 1, and beta, which comes last,
// where a limit asks for it.
enum { kDy, kX, kMean, kInvStd, kAuxMean, kAuxVar, kGammaRead };
std::vector<Ref> reads(const BatchNormParam& p) {
  std::vector<Ref> r = {dy(), x(kData), y(1), y(2), x(kMovingMean), x(kMovingVar)};
  if (!p.fix_gamma) r.push_back(x(kGamma));
  return r;
}

std::vector<Ref> reads_fused(const FusedBatchNormParam& p) {
  std::vector<Ref> r = reads(p);
  r.push_back(x(kBeta));
  return r;
}

template <class A>
void move_statistics(const BatchNormParam& p, const Inputs& in) {
  if (in[kX].size() == 0) return;  // nothing has an average that is no number
  const A *mean = in[kMean].as<A>(), *inv_std = in[kInvStd].as<A>();
  A *moving_mean = in.mut(kAuxMean).as<A>(), *moving_var = in.mut(kAuxVar).as<A>();
  const double keep = p.momentum, take = 1 - keep;
  for (int64_t i = 0; i < in[kMean].size(); ++i) {
    const double variance = 1 / (double(inv_std[i]) * double(inv_std[i])) - p.eps;
    moving_mean[i] = A(moving_mean[i] * keep + mean[i] * take);
    moving_var[i] = A(moving_var[i] * keep + variance * take);
  }
}

template <class T>
void backward_blocks(const BatchNormParam& p, const nn::Following& then, OpContext& ctx, Inputs in,
                     Outputs out) {
  const Blocks b(in[kX]);
  const auto loops = b.loops<T>();
  const bool learn = ctx.training && !p.use_global_stats;
  const T *dy = in[kDy].as<T>(), *x = in[kX].as<T>();
  const float *mean = in[kMean].as<float>(), *inv_std = in[kInvStd].as<float>();
  const int64_t channels = b.channels();
  const nn::Limits within = gradient_limits(then);
  const bool limited = limits(then);
  const float* beta = nullptr;
  float* normal = nullptr;  // scales, as forward had them
  if (limited) {
    beta = in[(p.fix_gamma ? kGammaRead : kGammaRead + 1)].as<float>();
    normal = ctx.scratch_of<float>(channels);
    for (int64_t c = 0; c < channels; ++c)
      normal[c] = (p.fix_gamma ? 1.0f : in[kGammaRead].as<float>()[c]) * inv_std[c];
  }
  const auto limit = [&](int64_t c) {
    return BlockLimit{limited ? normal + c : nullptr, limited ? beta + c : nullptr, within.low,
                      within.high};
  };
  const BlockSums sums(ctx, b);
  float* by_dy = ctx.scratch_of<float>(3 * channels);
  float *by_x = by_dy + channels, *shift = by_x + channels;
  T* dx = ctx.wants(0) ? out[0].as<T>() : nullptr;
  b.twice(
      ctx, true, [&](int64_t piece) { sums.clear(piece); },
      [&](int64_t piece, int64_t c, int64_t at) {
        loops.dot[limited](dy + at, x + at, b.positions, mean + c, limit(c), sums.first(piece),
                           sums.second(piece));
      },
      [&](int64_t first) {
        for (int64_t c = first; c < first + b.size; ++c) {
          double heads = 0, product = 0;
          for (int64_t part = 0; part < b.parts; ++part) {
            heads += sums.first(sums.piece(c, part))[c % b.size];
            product += sums.second(sums.piece(c, part))[c % b.size];
          }
          if (ctx.wants(1))
            out[1].as<float>()[c] = p.fix_gamma ? 0.0f : float(product * inv_std[c]);
          if (ctx.wants(2)) out[2].as<float>()[c] = float(heads);
          const double n = b.elements(), s = inv_std[c];
          const double scale = s * (p.fix_gamma ? 1.0 : double(in[kGammaRead].as<float>()[c]));
          by_dy[c] = float(scale);
          by_x[c] = learn ? float(-scale * s * s * product / n) : 0.0f;
          shift[c] = learn ? float(-scale * heads / n) : 0.0f;
        }
      },
      [&](int64_t c, int64_t at) {
        if (dx)
          loops.gradient[limited](dy + at, x + at, dx + at, b.positions, mean + c, limit(c),
                                  by_dy + c, by_x + c, shift + c);
      });
  if (learn) move_statistics<float>(p, in);
}

// out: gradients of data, gamma and beta. Changes the moving statistics: once per training step,
// however often forward runs.
void backward_with(const BatchNormParam& p, const nn::Following& then, OpContext& ctx, Inputs in,
                   Outputs out) {
  if (in_blocks(p, in[kX]))
    return in[kX].dtype == Dtype::kFloat32 ? backward_blocks<float>(p, then, ctx, in, out)
                                           : backward_blocks<bfloat16>(p, then, ctx, in, out);
  const Channels c(p, in[kX].shape);
  const bool learn = ctx.training && !p.use_global_stats;
  with_float(in[kX].dtype, "BatchNorm", [&](auto type) {
    using T = decltype(type);
    using A = Wide<T>;
    const auto sum = HEDDLE_PICK(row_sum<T, A>);
    const auto dot = HEDDLE_PICK(row_dot<T, A>);
    const auto gradient = HEDDLE_PICK(row_gradient<T, A>);
    const auto limit = HEDDLE_PICK(row_limit<T, A>);
    const nn::Limits within = gradient_limits(then);
    const A *mean = in[kMean].as<A>(), *inv_std = in[kInvStd].as<A>();
    ctx.parallel_for(c.count, c.grain(), [&](int64_t from, int64_t to) {
      for (int64_t i = from; i < to; ++i) {
        ScratchScope scope;
        Channel<T> dy(c, in[kDy].as<T>(), i), x(c, in[kX].as<T>(), i);
        dy.gather(), x.gather();
        T* through = nullptr;  // what the limit lets through
        if (limits(then)) {
          through = static_cast<T*>(thread_scratch(size_t(c.size()) * sizeof(T)));
          const A gamma = p.fix_gamma ? A(1) : in[kGammaRead].as<A>()[i];
          const A beta = in[(p.fix_gamma ? kGammaRead : kGammaRead + 1)].as<A>()[i];
          for (int64_t r = 0; r < x.runs(); ++r)
            limit(dy.run(r), x.run(r), through + r * x.length(), x.length(), mean[i],
                  Limit<A>{gamma * inv_std[i], beta, A(within.low), A(within.high)});
        }
        const auto head = [&](int64_t r) { return through ? through + r * x.length() : dy.run(r); };
        double heads = 0, product = 0;
        for (int64_t r = 0; r < x.runs(); ++r) {
          heads += sum(head(r), x.length());
          product += dot(head(r), x.run(r), x.length(), mean[i]);
        }
        if (ctx.wants(1)) out[1].as<A>()[i] = p.fix_gamma ? A(0) : A(product * inv_std[i]);
        if (ctx.wants(2)) out[2].as<A>()[i] = A(heads);
        if (!ctx.wants(0)) continue;
        const double n = double(c.size()), s = inv_std[i];
        const double scale = s * (p.fix_gamma ? 1.0 : double(in[kGammaRead].as<A>()[i]));
        Channel<T> dx(c, out[0].as<T>(), i);
        for (int64_t r = 0; r < x.runs(); ++r)
          gradient(head(r), x.run(r), dx.run(r), x.length(), mean[i], A(scale),
                   learn ? A(-scale * s * s * product / n) : A(0),
                   learn ? A(-scale * heads / n) : A(0));
        dx.scatter();
      }
    });
    if (learn) move_statistics<A>(p, in);
  });
}

void backward(const BatchNormParam& p, OpContext& ctx, Inputs in, Outputs out) {
  backward_with(p, {}, ctx, in, out);
}
void backward_fused(const FusedBatchNormParam& p, OpContext& ctx, Inputs in, Outputs out) {
  backward_with(p, p, ctx, in, out);
}

// Sums, counts and scales of blocks; or copies of the channels at hand.
ScratchNeed scratch(const BatchNormParam& p, const Situation& s) {
  const Blob& x = s.in[kData];
  if (in_blocks(p, x)) {
    const Blocks b(x);
    const int64_t own = (s.wants(1) ? 0 : 4) + (s.wants(2) ? 0 : 4) + 4;
    return {.call = b.count * b.parts * (2 * b.size + 1) * 8 + b.channels() * own};
  }
  const Channels c(p, x.shape);
  return {.piece = c.scattered() ? 2 * c.size() * dtype_size(x.dtype) : 0};
}
ScratchNeed scratch_fused(const FusedBatchNormParam& p, const Situation& s) {
  return scratch(p, s);
}

ScratchNeed scratch_backward_with(const BatchNormParam& p, bool limited, const Situation& s) {
  const Blob& x = s.in[kX];
  if (in_blocks(p, x)) {
    const Blocks b(x);
    return {.call = b.count * b.parts * 2 * b.size * 8 + (limited ? 4 : 3) * b.channels() * 4};
  }
  const Channels c(p, x.shape);
  const int64_t copies = (c.scattered() ? (s.wants(0) ? 3 : 2) : 0) + (limited ? 1 : 0);
  return {.piece = copies * c.size() * dtype_size(x.dtype)};
}
ScratchNeed scratch_backward(const BatchNormParam& p, const Situation& s) {
  return scratch_backward_with(p, false, s);
}
ScratchNeed scratch_backward_fused(const FusedBatchNormParam& p, const Situation& s) {
  return scratch_backward_with(p, limits(p), s);
}

// As data lies, where it lies in blocks.
void wants(const BatchNormParam& p, const Situation& s, StoredAs& as) {
  if (in_blocks(p, s.in[kData])) as.in[kData] = as.out[0] = s.in[kData].stored;
}
void wants_backward(const BatchNormParam& p, const Situation& s, StoredAs& as) {
  for (int i : {kDy, kX})
    if (in_blocks(p, s.in[i])) as.in[kDy] = as.in[kX] = as.out[0] = s.in[i].stored;
}

std::vector<Builder::Value> with_relu(Builder& b) {
  auto y = b.call_all("BatchNorm", {b.x(0), b.x(1), b.x(2), b.x(3), b.x(4)}, b.kwargs());
  y.resize(static_cast<const BatchNormParam*>(b.params())->output_mean_var ? 3 : 1);
  y[0] = b.call("relu", {y[0]});
  return y;
}

Kwargs fold(const BatchNormParam& p) {
  if (p.axis != 1 || p.output_mean_var) return {};
  return {{"eps", param::print(p.eps)}, {"fix_gamma", param::print(p.fix_gamma)}};
}

void define(OpTable& ops) {
  OpDef def{
      .name = "BatchNorm",
      .aliases = {"_npx_batch_norm", "CuDNNBatchNorm"},
      .doc =
          "Normalises each channel of data to mean beta and deviation gamma: (data - mean) / "
          "sqrt(var + eps) * gamma + beta. Training uses the statistics of the batch, and its "
          "backward pass moves the moving ones towards them; prediction uses the moving ones.",
      .dtypes = Dtypes::kFloating,
      .params = schema<BatchNormParam>(),
      .inputs = {{"data"},
                 {.name = "gamma",
                  .doc = "One per channel.",
                  .role = Role::kMutate,
                  .same_value = true,
                  .when = when("fix_gamma", true)},
                 {.name = "gamma", .doc = "One per channel.", .when = when("fix_gamma", false)},
                 {"beta", "One per channel."},
                 {.name = "moving_mean", .role = Role::kAux, .init = "zero", .by_gradient = true},
                 {.name = "moving_var", .role = Role::kAux, .init = "one", .by_gradient = true}},
      .outputs = {{},
                  {"mean", true, when("output_mean_var", false)},
                  {"mean", false, when("output_mean_var", true)},
                  {"var", true, when("output_mean_var", false)},
                  {"var", false, when("output_mean_var", true)}},
      .infer = infer,
      .infer_dtype = infer_dtype,
      .cpu = forward,
      .wants = wants,
      .scratch = scratch,
      .backward = {.reads = reads,
                   .run = backward,
                   .wants = wants_backward,
                   .scratch = scratch_backward},
      .fusing = {.with = "_fused_batch_norm", .fold = fold},
  };
  ops.define(def);
  OpDef fused = def;
  fused.name = "_fused_batch_norm", fused.aliases = {}, fused.fusing = {};
  fused.doc = "BatchNorm, then relu or clip, at once: put in by plans.";
  fused.params = schema<FusedBatchNormParam>();
  fused.cpu = forward_fused, fused.scratch = scratch_fused;
  fused.backward.reads = reads_fused, fused.backward.run = backward_fused;
  fused.backward.scratch = scratch_backward_fused;
  ops.define(std::move(fused));
  def.fusing.with = "";
  def.name = "BatchNorm_v1", def.aliases = {};
  def.params = schema<BatchNormV1Param>();
  ops.define(def);
  def.name = "_contrib_SyncBatchNorm";
  def.doc = "BatchNorm, under the name of the one that shares statistics between devices.";
  def.precision = Precision::kFull;
  def.params = schema<SyncBatchNormParam>();
  ops.define(def);
  OpDef relu{.name = "_contrib_BatchNormWithReLU",
             .doc = "BatchNorm, then relu.",
             .dtypes = Dtypes::kFloating,
             .params = schema<BatchNormParam>(),
             .inputs = def.inputs,
             .outputs = {{},
                         {"mean", false, when("output_mean_var", true)},
                         {"var", false, when("output_mean_var", true)}},
             .compose = with_relu};
  ops.define(std::move(relu));
}

}  // namespace heddle::ops::batch_norm
