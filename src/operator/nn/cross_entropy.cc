// softmax_cross_entropy: the sum over the batch of -log(softmax(data)[label]).
#include <algorithm>

#include "operator/nn/softmax.h"
#include "operator/scratch_needs.h"

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

// The class of each of n rows.
template <class T>
const int64_t* classes_of(OpContext& ctx, const T* label, int64_t n, int64_t classes) {
  int64_t* found = ctx.scratch_of<int64_t>(n);
  for (int64_t i = 0; i < n; ++i) {
    const float name = float(label[i]);
    found[i] = int64_t(name);
    check(found[i] >= 0 && found[i] < classes,
          "[softmax_cross_entropy] label {} is not one of {} classes", name, classes);
  }
  return found;
}

void forward(OpContext& ctx, Inputs in, Outputs out) {
  with_float(in[0].dtype, "softmax_cross_entropy", [&](auto type) {
    using T = decltype(type);
    const int64_t n = in[0].shape[0], k = in[0].shape[1];
    const T* x = in[0].as<T>();
    const int64_t* classes = classes_of(ctx, in[1].as<T>(), n, k);
    double* shifts = ctx.scratch_of<double>(n);
    softmax::log_sums(ctx, x, n, k, shifts);
    double sum = 0;
    for (int64_t i = 0; i < n; ++i) sum += shifts[i] - double(Wide<T>(x[i * k + classes[i]]));
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
      const int64_t* classes = classes_of(ctx, in[2].as<T>(), n, k);
      T* dx = out[0].as<T>();
      softmax::forward(ctx, in[1].as<T>(), dx, {n, k, 1}, 1.0, false);
      ctx.parallel_for(n, std::max<int64_t>(1, 32768 / std::max<int64_t>(1, k)),
                       [&](int64_t begin, int64_t end) {
                         for (int64_t i = begin; i < end; ++i) {
                           T* row = dx + i * k;
                           const A own = A(row[classes[i]]) - A(1);
                           for (int64_t j = 0; j < k; ++j) row[j] = T(A(row[j]) * head);
                           row[classes[i]] = T(own * head);
                         }
                       });
    }
    for (int64_t i = 0; ctx.wants(1) && i < n; ++i) out[1].as<T>()[i] = T(0);
  });
}

ScratchNeed scratch(const Situation& s) {
  ScratchNeed need;
  need.take(8 * s.in[0].shape[0]), need.take(8 * s.in[0].shape[0]);
  return need;
}
ScratchNeed scratch_backward(const Situation& s) {
  ScratchNeed need{.piece = dtype_size(s.in[1].dtype) < 4 ? 4 * s.in[1].shape[1] : 0};
  need.take(8 * s.in[1].shape[0]);
  return need;
}

void define(OpTable& ops) {
  ops.define({
      .name = "softmax_cross_entropy",
      .doc = "The sum over the batch of -log(softmax(data)[label]), of shape (1,).",
      .dtypes = Dtypes::kFloating,
      .precision = Precision::kFull,
      .inputs = {{"data", "(n, classes)"}, {"label", "(n)"}},
      .infer = infer,
      .cpu = forward,
      .backward = {.reads = {dy(), x(0), x(1)}, .run = backward},
  });
  ops.scratch("softmax_cross_entropy", scratch);
  ops.scratch("_backward_softmax_cross_entropy", scratch_backward);
}

}  // namespace heddle::ops::cross_entropy
