// BatchNorm: normalises each channel by the statistics of the batch, and learns them on the way.
#include <algorithm>
#include <cmath>
#include <optional>

#include "heddle/op.h"

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
  bool scattered() const { return length < 32; }
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
                     A beta, A& mean, A& inv_std, double variance) {
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
    scale(x.run(i), y.run(i), x.length(), mean, gamma * inv_std, beta);
  y.scatter();
}

void forward(const BatchNormParam& p, OpContext& ctx, Inputs in, Outputs out) {
  const Channels c(p, in[kData].shape);
  const bool learn = ctx.training && !p.use_global_stats;
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
        forward_channel<T>(x, y, learn, c.size(), p.eps, gamma[i], beta[i], mean, inv_std,
                           double(in[kMovingVar].as<A>()[i]));
        if (means) means[i] = mean;
        if (inv_stds) inv_stds[i] = inv_std;
      }
    });
  });
}

// Where backward finds what it reads; gamma is not read when it is 1.
enum { kDy, kX, kMean, kInvStd, kAuxMean, kAuxVar, kGammaRead };
std::vector<Ref> reads(const BatchNormParam& p) {
  std::vector<Ref> r = {dy(), x(kData), y(1), y(2), x(kMovingMean), x(kMovingVar)};
  if (!p.fix_gamma) r.push_back(x(kGamma));
  return r;
}

// out: gradients of data, gamma and beta. Changes the moving statistics: once per training step,
// however often forward runs.
void backward(const BatchNormParam& p, OpContext& ctx, Inputs in, Outputs out) {
  const Channels c(p, in[kX].shape);
  const bool learn = ctx.training && !p.use_global_stats;
  with_float(in[kX].dtype, "BatchNorm", [&](auto type) {
    using T = decltype(type);
    using A = Wide<T>;
    const auto sum = HEDDLE_PICK(row_sum<T, A>);
    const auto dot = HEDDLE_PICK(row_dot<T, A>);
    const auto gradient = HEDDLE_PICK(row_gradient<T, A>);
    const A *mean = in[kMean].as<A>(), *inv_std = in[kInvStd].as<A>();
    ctx.parallel_for(c.count, c.grain(), [&](int64_t from, int64_t to) {
      for (int64_t i = from; i < to; ++i) {
        ScratchScope scope;
        Channel<T> dy(c, in[kDy].as<T>(), i), x(c, in[kX].as<T>(), i);
        dy.gather(), x.gather();
        double heads = 0, product = 0;
        for (int64_t r = 0; r < x.runs(); ++r) {
          heads += sum(dy.run(r), x.length());
          product += dot(dy.run(r), x.run(r), x.length(), mean[i]);
        }
        if (ctx.wants(1)) out[1].as<A>()[i] = p.fix_gamma ? A(0) : A(product * inv_std[i]);
        if (ctx.wants(2)) out[2].as<A>()[i] = A(heads);
        if (!ctx.wants(0)) continue;
        const double n = double(c.size()), s = inv_std[i];
        const double scale = s * (p.fix_gamma ? 1.0 : double(in[kGammaRead].as<A>()[i]));
        Channel<T> dx(c, out[0].as<T>(), i);
        for (int64_t r = 0; r < x.runs(); ++r)
          gradient(dy.run(r), x.run(r), dx.run(r), x.length(), mean[i], A(scale),
                   learn ? A(-scale * s * s * product / n) : A(0),
                   learn ? A(-scale * heads / n) : A(0));
        dx.scatter();
      }
    });
    if (!learn) return;
    A *moving_mean = in.mut(kAuxMean).as<A>(), *moving_var = in.mut(kAuxVar).as<A>();
    const double keep = p.momentum, take = 1 - keep;
    for (int64_t i = 0; i < c.count; ++i) {
      const double variance = 1 / (double(inv_std[i]) * double(inv_std[i])) - p.eps;
      moving_mean[i] = A(moving_mean[i] * keep + mean[i] * take);
      moving_var[i] = A(moving_var[i] * keep + variance * take);
    }
  });
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
                 {.name = "moving_mean", .role = Role::kAux, .init = "zero"},
                 {.name = "moving_var", .role = Role::kAux, .init = "one"}},
      .outputs = {{},
                  {"mean", true, when("output_mean_var", false)},
                  {"mean", false, when("output_mean_var", true)},
                  {"var", true, when("output_mean_var", false)},
                  {"var", false, when("output_mean_var", true)}},
      .infer = infer,
      .infer_dtype = infer_dtype,
      .cpu = forward,
      .backward = {.reads = reads, .run = backward},
  };
  ops.define(def);
  def.name = "BatchNorm_v1", def.aliases = {};
  def.params = schema<BatchNormV1Param>();
  ops.define(std::move(def));
}

}  // namespace heddle::ops::batch_norm
