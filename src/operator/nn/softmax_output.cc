// SoftmaxOutput: softmax whose gradient is that of the cross entropy with the label.
#include <algorithm>

#include "operator/nn/softmax.h"

namespace heddle::ops::softmax_output {

enum class Normalization { kNull, kBatch, kValid };

struct SoftmaxOutputParam {
  float grad_scale = 1, ignore_label = -1;
  bool multi_output = false, use_ignore = false, preserve_shape = false;
  Normalization normalization = Normalization::kNull;
  bool out_grad = false;
  float smooth_alpha = 0;

  void fields(auto&& f) {
    f("grad_scale", grad_scale, "Multiplies the gradient.");
    f("ignore_label", ignore_label, "The label of rows that do not count, with use_ignore.");
    f("multi_output", multi_output, "Softmax over axis 1 at every position of the axes after it.");
    f("use_ignore", use_ignore, "Rows labelled ignore_label get no gradient.");
    f("preserve_shape", preserve_shape, "Softmax over the last axis.");
    f("normalization", normalization,
      "Divides the gradient by nothing, the batch size, or the number of labels that are not "
      "ignore_label.")
        .names({"null", "batch", "valid"});
    f("out_grad", out_grad, "Multiply by the gradient of the output, which is ignored otherwise.");
    f("smooth_alpha", smooth_alpha, "Share of the target spread evenly over the other classes.")
        .range(0, 1);
  }
  softmax::Extents extents(const Shape& s) const {
    if (multi_output) return {s[0], s[1], s.size(2)};
    if (preserve_shape) return softmax::extents_of(s, s.rank() - 1);
    return {s[0], s.size(1), 1};
  }
};

// One label per row is what the shape says; a label shaped like the data holds probabilities.
bool label_fits(const SoftmaxOutputParam& p, const Shape& x, const Shape& label) {
  if (label == x) return true;
  if (p.multi_output) {
    const Shape flat{x[0], x.size(2)};
    Shape spatial{x[0]}, kept{x[0], 1};
    for (int i = 2; i < x.rank(); ++i) spatial.append(x[i]), kept.append(x[i]);
    return label == flat || label == spatial || label == kept;
  }
  if (p.preserve_shape) return label == Shape::of(x.begin(), x.end() - 1);
  return label == Shape::of(x.begin(), x.end() - 1) || label == Shape{x[0]};
}

void infer(const SoftmaxOutputParam& p, InferContext& c) {
  c.set_out(0, c.in(0));
  c.set_in(0, c.out(0));
  const Shape &x = c.in(0), &label = c.in(1);
  if (!x.known()) return;
  check(x.rank() >= (p.multi_output ? 2 : 1),
        "[SoftmaxOutput] data has shape {}, expected more axes", x);
  if (label.known()) {
    const Shape wanted =
        p.multi_output ? Shape{x[0], x.size(2)} : Shape::of(x.begin(), x.end() - 1);
    check(label_fits(p, x, label),
          "[SoftmaxOutput] label has shape {}, expected {} for data of shape {}", label, wanted, x);
  } else if (p.multi_output) {
    c.set_in(1, {x[0], x.size(2)});
  } else {
    c.set_in(1, Shape::of(x.begin(), x.end() - 1));
  }
}

void forward(const SoftmaxOutputParam& p, OpContext& ctx, Inputs in, Outputs out) {
  with_float(in[0].dtype, "SoftmaxOutput", [&](auto type) {
    using T = decltype(type);
    softmax::forward(ctx, in[0].as<T>(), out[0].as<T>(), p.extents(in[0].shape), 1.0, false);
  });
}

std::vector<Ref> reads(const SoftmaxOutputParam& p) {
  if (p.out_grad) return {y(0), x(1), dy()};
  return {y(0), x(1)};
}

template <class T>
void probabilities_backward(const SoftmaxOutputParam& p, const OpContext& ctx, const T* y,
                            const T* label, const T* head, T* dx, int64_t n) {
  using A = std::conditional_t<(sizeof(T) < 4), float, T>;
  ctx.parallel_for(n, 32768, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      dx[i] = T((A(y[i]) - A(label[i])) * A(p.grad_scale) * (head ? A(head[i]) : A(1)));
  });
}

template <class T>
double factor_of(const SoftmaxOutputParam& p, softmax::Extents e, const T* label, int64_t batch) {
  const int64_t rows = e.outer * e.inner;
  double count = 1;
  if (p.normalization == Normalization::kBatch) count = double(batch);
  if (p.normalization == Normalization::kValid) {
    int64_t valid = 0;
    for (int64_t i = 0; i < rows; ++i) valid += float(label[i]) != p.ignore_label;
    count = double(std::max<int64_t>(valid, 1));
  }
  if (p.multi_output && p.normalization != Normalization::kValid) count *= double(e.inner);
  return p.grad_scale / count;
}

// All classes of a row first as those that it is not, then the one that it is.
template <class T>
void classes_backward(const SoftmaxOutputParam& p, const OpContext& ctx, softmax::Extents e,
                      const T* y, const T* label, const T* head, T* dx, double factor) {
  using A = std::conditional_t<(sizeof(T) < 4), float, T>;
  const A on = A(1) - A(p.smooth_alpha), scale = A(factor);
  const A off = e.axis > 1 ? A(p.smooth_alpha) / A(e.axis - 1) : A(0);
  const auto put = [=](int64_t i, A target) {
    const A g = (A(y[i]) - target) * scale;
    dx[i] = T(head ? g * A(head[i]) : g);
  };
  const int64_t image = e.axis * e.inner;
  const int64_t grain = std::max<int64_t>(1, 32768 / std::max<int64_t>(1, image));
  ctx.parallel_for(e.outer, grain, [&](int64_t begin, int64_t end) {
    ScratchScope scope;
    A* own = static_cast<A*>(thread_scratch(size_t(e.inner) * sizeof(A)));  // y where they are
    for (int64_t row = begin; row < end; ++row) {
      const T* names = label + row * e.inner;
      const auto place = [&](int64_t j) {
        const auto k = int64_t(float(names[j]));
        return k >= 0 && k < e.axis ? row * image + k * e.inner + j : int64_t(-1);
      };
      for (int64_t j = 0; j < e.inner; ++j) own[j] = place(j) < 0 ? A(0) : A(y[place(j)]);
      for (int64_t i = row * image; i < (row + 1) * image; ++i) put(i, off);
      for (int64_t j = 0; j < e.inner; ++j) {
        if (p.use_ignore && float(names[j]) == p.ignore_label) {
          for (int64_t k = 0; k < e.axis; ++k) dx[row * image + k * e.inner + j] = T(0);
        } else if (const int64_t i = place(j); i >= 0) {
          const A g = (own[j] - on) * scale;
          dx[i] = T(head ? g * A(head[i]) : g);
        }
      }
    }
  });
}

// in: output, label, and with out_grad dy. out: gradients of data and of label, which is zero.
void backward(const SoftmaxOutputParam& p, OpContext& ctx, Inputs in, Outputs out) {
  with_float(in[0].dtype, "SoftmaxOutput", [&](auto type) {
    using T = decltype(type);
    const T *y = in[0].as<T>(), *label = in[1].as<T>();
    const T* head = p.out_grad ? in[2].as<T>() : nullptr;
    const auto e = p.extents(in[0].shape);
    if (ctx.wants(0) && in[1].shape == in[0].shape)
      probabilities_backward(p, ctx, y, label, head, out[0].as<T>(), in[0].size());
    else if (ctx.wants(0))
      classes_backward(p, ctx, e, y, label, head, out[0].as<T>(),
                       factor_of(p, e, label, p.multi_output ? in[0].shape[0] : in[1].size()));
    if (ctx.wants(1)) std::fill_n(out[1].as<T>(), out[1].size(), T(0));
  });
}

void define(OpTable& ops) {
  ops.define({
      .name = "SoftmaxOutput",
      .aliases = {"Softmax"},
      .doc = "Softmax. Its gradient is that of the cross entropy with label, (softmax - "
             "onehot(label)) "
             "* grad_scale, whatever the gradient of the output.",
      .dtypes = Dtypes::kFloating,
      .precision = Precision::kFull,
      .params = schema<SoftmaxOutputParam>(),
      .inputs = {{"data"}, {"label", "class numbers, or probabilities shaped like data"}},
      .infer = infer,
      .inplace = {{0, 0}},
      .cpu = forward,
      .backward = {.reads = reads, .run = backward, .inplace = {{0, 0}}, .ignores_head = true},
  });
}

}  // namespace heddle::ops::softmax_output
