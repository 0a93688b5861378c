// Outputs with a loss of their own: linear, logistic and absolute regression, MakeLoss, SVMOutput.
#include <algorithm>
#include <cmath>

#include "operator/elemwise/loops.h"

namespace heddle::ops::regression_output {

template <class T>
using Wide = std::conditional_t<(sizeof(T) < 4), float, T>;

// --- regression ---------------------------------------------------------------------------------
struct RegressionParam {
  float grad_scale = 1;
  void fields(auto&& f) { f("grad_scale", grad_scale, "Multiplies the gradient."); }
};

// The label has data's shape; for data (n, 1) also (n).
void infer(InferContext& c) {
  c.set_out(0, c.in(0));
  c.set_in(0, c.out(0));
  const Shape &x = c.in(0), &label = c.in(1);
  if (!x.known()) return;
  if (!label.known()) return c.set_in(1, x.rank() == 2 && x[1] == 1 ? Shape{x[0]} : x);
  check(label.size() == x.size() && label[0] == x[0], "[{}] label has shape {}, expected {}",
        c.op().name, label, x);
}

struct Identity {
  HEDDLE_HD static auto f(auto x) { return x; }
};
struct Sigmoid {
  HEDDLE_HD static auto f(auto x) { return ew::sigmoid(x); }
};
struct Difference {  // (output, label, scale)
  HEDDLE_HD static auto f(auto y, auto label, auto scale) { return (y - label) * scale; }
};
struct SignOfDifference {
  HEDDLE_HD static auto f(auto y, auto label, auto scale) { return ew::sign(y - label) * scale; }
};

template <class Link>
void forward(OpContext& ctx, Inputs in, Outputs out) {
  ew::map(ctx, ew::kLoops<Link>, {in[0]}, out[0]);
}

// in: output, label. out: gradients of data and of label, which is zero.
template <class Gradient>
void backward(const RegressionParam& p, OpContext& ctx, Inputs in, Outputs out) {
  if (ctx.wants(0)) {
    Blob label = in[1];
    label.shape = in[0].shape;
    const double outputs = double(label.size()) / double(std::max<int64_t>(1, in[1].shape[0]));
    ew::map(ctx, ew::kLoops<Gradient>, {in[0], label, ew::Operand(p.grad_scale / outputs)}, out[0]);
  }
  if (ctx.wants(1)) std::fill_n(static_cast<char*>(out[1].data), out[1].bytes(), char(0));
}

template <class Link, class Gradient>
OpDef record(const char* name, std::vector<Name> aliases, const char* doc) {
  return {
      .name = name,
      .aliases = std::move(aliases),
      .doc = doc,
      .precision = Precision::kFull,
      .params = schema<RegressionParam>(),
      .inputs = {{"data"}, {"label"}},
      .infer = infer,
      .inplace = {{0, 0}},
      .cpu = forward<Link>,
      .backward = {.reads = {y(0), x(1)},
                   .run = backward<Gradient>,
                   .inplace = {{0, 0}},
                   .ignores_head = true},
  };
}

// --- MakeLoss -----------------------------------------------------------------------------------
enum class Normalization { kNull, kBatch, kValid };
struct MakeLossParam {
  float grad_scale = 1, valid_thresh = 0;
  Normalization normalization = Normalization::kNull;
  void fields(auto&& f) {
    f("grad_scale", grad_scale, "The gradient of every element, before normalization.");
    f("valid_thresh", valid_thresh, "Elements above it count as valid.");
    f("normalization", normalization,
      "Divides the gradient by nothing, the number of rows (of the last axis), or that of valid "
      "elements.")
        .names({"null", "batch", "valid"});
  }
};

std::vector<Ref> make_loss_reads(const MakeLossParam& p) {
  if (p.normalization == Normalization::kValid) return {x(0)};
  return {};
}

// in: data, for the normalization "valid". out: gradient of data.
void make_loss_backward(const MakeLossParam& p, OpContext&, Inputs in, Outputs out) {
  with_float(out[0].dtype, "MakeLoss", [&](auto type) {
    using T = decltype(type);
    double count = 1;
    if (p.normalization == Normalization::kBatch)  // rows of the last axis, as in MXNet
      count = double(out[0].shape.size(0, out[0].shape.rank() - 1));
    if (p.normalization == Normalization::kValid) {
      const T* x = in[0].as<T>();
      count = double(std::max<int64_t>(
          1, std::count_if(x, x + in[0].size(), [&](T v) { return float(v) > p.valid_thresh; })));
    }
    std::fill_n(out[0].as<T>(), out[0].size(), T(Wide<T>(p.grad_scale / count)));
  });
}

// --- SVMOutput ----------------------------------------------------------------------------------
struct SvmParam {
  float margin = 1, regularization_coefficient = 1;
  bool use_linear = false;
  void fields(auto&& f) {
    f("margin", margin, "Scores beyond it cost nothing.");
    f("regularization_coefficient", regularization_coefficient, "Multiplies the gradient.");
    f("use_linear", use_linear, "The hinge loss instead of its square.");
  }
};

void infer_svm(InferContext& c) {
  c.set_out(0, c.in(0));
  c.set_in(0, c.out(0));
  const Shape& x = c.in(0);
  if (x.has_rank() && x.rank() >= 1) c.set_in(1, Shape::of(x.begin(), x.end() - 1));
}

// in: output, label. out: gradients of data and of label, which is zero.
void svm_backward(const SvmParam& p, OpContext& ctx, Inputs in, Outputs out) {
  with_float(in[0].dtype, "SVMOutput", [&](auto type) {
    using T = decltype(type);
    using A = Wide<T>;
    const Shape& s = in[0].shape;
    const int64_t k = s[-1], rows = s.size() / std::max<int64_t>(1, k);
    const T *score = in[0].as<T>(), *label = in[1].as<T>();
    const A margin = A(p.margin), scale = A(p.regularization_coefficient);
    for (int64_t i = 0; ctx.wants(0) && i < rows; ++i)
      for (int64_t j = 0; j < k; ++j) {
        const bool target = j == int64_t(float(label[i]));
        const A v = A(score[i * k + j]), room = margin - (target ? v : -v);
        // A score that is no number costs the linear loss nothing, and shows in the squared one.
        const A slope = p.use_linear ? A(room > 0) : room <= 0 ? A(0) : 2 * room;
        out[0].as<T>()[i * k + j] = T((target ? -slope : slope) * scale);
      }
    if (ctx.wants(1)) std::fill_n(out[1].as<T>(), out[1].size(), T(0));
  });
}

void define(OpTable& ops) {
  ops.define(record<Identity, Difference>(
      "LinearRegressionOutput", {"_sparse_LinearRegressionOutput"},
      "Identity whose gradient is that of the squared error, data - label."));
  ops.define(record<Sigmoid, Difference>(
      "LogisticRegressionOutput", {"_sparse_LogisticRegressionOutput"},
      "Sigmoid whose gradient is that of the cross entropy, output - label."));
  ops.define(
      record<Identity, SignOfDifference>("MAERegressionOutput", {"_sparse_MAERegressionOutput"},
                                         "Identity whose gradient is that of the absolute error, "
                                         "sign(data - label)."));
  ops.define({
      .name = "MakeLoss",
      .doc =
          "Identity that makes data a loss: its gradient is grad_scale, whatever comes from above.",
      .precision = Precision::kFull,
      .params = schema<MakeLossParam>(),
      .inplace = {{0, 0}},
      .cpu = forward<Identity>,
      .backward = {.reads = make_loss_reads, .run = make_loss_backward, .ignores_head = true},
  });
  ops.define({
      .name = "SVMOutput",
      .doc = "Identity over class scores whose gradient is that of the (squared) hinge loss.",
      .precision = Precision::kFull,
      .params = schema<SvmParam>(),
      .inputs = {{"data"}, {"label"}},
      .infer = infer_svm,
      .inplace = {{0, 0}},
      .cpu = forward<Identity>,
      .backward =
          {.reads = {y(0), x(1)}, .run = svm_backward, .inplace = {{0, 0}}, .ignores_head = true},
  });
}

}  // namespace heddle::ops::regression_output
