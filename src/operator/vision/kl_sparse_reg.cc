// IdentityAttachKLSparseReg: the identity, whose gradient pulls activations towards a mean.
#include "operator/vision/vision.h"

namespace heddle::ops::kl_sparse_reg {

using vision::Wide;

struct KlParam {
  float sparseness_target = 0.1f, penalty = 0.001f, momentum = 0.9f;
  void fields(auto&& f) {
    f("sparseness_target", sparseness_target, "The mean activation to reach.").range(0, 1);
    f("penalty", penalty, "Multiplies the gradient of the divergence.");
    f("momentum", momentum, "Of the moving average.").range(0, 1);
  }
};

void infer(InferContext& c) {
  c.set_out(0, c.in(0)), c.set_in(0, c.out(0));
  const Shape& x = c.in(0);
  if (!x.known()) return;
  check(x.rank() >= 2, "[IdentityAttachKLSparseReg] data has shape {}, expected (n, ...)", x);
  c.set_in(1, {x.size(1)});
}

void forward(OpContext&, Inputs in, Outputs out) {
  with_float(in[0].dtype, "IdentityAttachKLSparseReg", [&](auto type) {
    using T = decltype(type);
    if (out[0].data != in[0].data) std::copy_n(in[0].as<T>(), in[0].size(), out[0].as<T>());
  });
}

// in: dy, y, moving average. out: the gradient of data. Moves the average.
void backward(const KlParam& p, OpContext& ctx, Inputs in, Outputs out) {
  const int64_t n = in[1].shape[0], features = in[1].shape.size(1);
  if (!ctx.wants(0) || n == 0) return;
  with_float(in[0].dtype, "IdentityAttachKLSparseReg", [&](auto type) {
    using T = decltype(type);
    using A = Wide<T>;
    const T *dy = in[0].as<T>(), *y = in[1].as<T>();
    T *average = in.mut(2).as<T>(), *dx = out[0].as<T>();
    ctx.parallel_for(features, vision::grain_of(2 * n), [&](int64_t from, int64_t end) {
      for (int64_t j = from; j < end; ++j) {
        A sum = 0;
        for (int64_t i = 0; i < n; ++i) sum += A(y[i * features + j]);
        const A m = A(p.momentum) * A(average[j]) + (1 - A(p.momentum)) * sum / A(n);
        average[j] = T(m);
        const A rho = p.sparseness_target, pull = A(p.penalty) * ((1 - rho) / (1 - m) - rho / m);
        for (int64_t i = j; i < n * features; i += features) dx[i] = T(A(dy[i]) + pull);
      }
    });
  });
}

void define(OpTable& ops) {
  ops.define({
      .name = "IdentityAttachKLSparseReg",
      .doc = "The identity. Its gradient adds that of a Kullback-Leibler divergence between the "
             "target and the moving average of each feature, so that sigmoid activations become "
             "sparse.",
      .dtypes = Dtypes::kFloating,
      .precision = Precision::kFull,
      .params = schema<KlParam>(),
      .inputs = {{"data", "(n, ...)"},
                 {.name = "moving_avg", .role = Role::kAux, .init = "zero", .by_gradient = true}},
      .infer = infer,
      .inplace = {{0, 0}},
      .cpu = forward,
      .backward = {.reads = {dy(), y(0), x(1)}, .run = backward},
  });
}

}  // namespace heddle::ops::kl_sparse_reg
