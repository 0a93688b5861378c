// softmax_cross_entropy: the sum over the batch of -log(softmax(data)[label]).
#include <cmath>

#include "operator/nn/softmax.h"

namespace heddle::ops::cross_entropy {

template <class T>
using Wide = std::conditional_t<(sizeof(T) < 4), float, T>;

void infer(InferContext& c) {
  const Shape& x = c.in(0);
  c.set_out(0, {1});
  if (!x.has_rank()) return;
  check(x.rank() == 2, "[softmax_cross_entropy] data has shape {}, expected (n, classes)", x);
  c.set_in(1, {x[0]});
}

int64_t class_of(float label, int64_t classes) {
  const auto k = int64_t(label);
  check(k >= 0 && k < classes, "[softmax_cross_entropy] label {} is not one of {} classes", label,
        classes);
  return k;
}

void forward(OpContext& ctx, Inputs in, Outputs out) {
  with_float(in[0].dtype, "softmax_cross_entropy", [&](auto type) {
    using T = decltype(type);
    const int64_t n = in[0].shape[0], k = in[0].shape[1];
    T* logs = ctx.scratch_of<T>(n * k);
    softmax::forward(ctx, in[0].as<T>(), logs, {n, k, 1}, 1.0, true);
    double sum = 0;
    for (int64_t i = 0; i < n; ++i)
      sum -= double(Wide<T>(logs[i * k + class_of(float(in[1].as<T>()[i]), k)]));
    out[0].as<T>()[0] = T(Wide<T>(sum));
  });
}

// in: dy, data, label. out: gradients of data and of label, which is zero.
void backward(OpContext& ctx, Inputs in, Outputs out) {
  with_float(in[0].dtype, "softmax_cross_entropy", [&](auto type) {
    using T = decltype(type);
    using A = Wide<T>;
    const int64_t n = in[1].shape[0], k = in[1].shape[1];
    const A head = A(in[0].as<T>()[0]);
    if (ctx.wants(0)) {
      T* dx = out[0].as<T>();
      softmax::forward(ctx, in[1].as<T>(), dx, {n, k, 1}, 1.0, false);
      for (int64_t i = 0; i < n; ++i) {
        const int64_t target = class_of(float(in[2].as<T>()[i]), k);
        for (int64_t j = 0; j < k; ++j)
          dx[i * k + j] = T((A(dx[i * k + j]) - A(j == target)) * head);
      }
    }
    for (int64_t i = 0; ctx.wants(1) && i < n; ++i) out[1].as<T>()[i] = T(0);
  });
}

void define(OpTable& ops) {
  ops.define({
      .name = "softmax_cross_entropy",
      .doc = "The sum over the batch of -log(softmax(data)[label]), of shape (1,).",
      .dtypes = Dtypes::kFloating,
      .inputs = {{"data", "(n, classes)"}, {"label", "(n)"}},
      .infer = infer,
      .cpu = forward,
      .backward = {.reads = {dy(), x(0), x(1)}, .run = backward},
  });
}

}  // namespace heddle::ops::cross_entropy
