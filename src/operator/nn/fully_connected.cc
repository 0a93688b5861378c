// FullyConnected: the linear layer, on the matrix products of linalg.h.
#include "operator/nn/fully_connected.h"

#include "operator/linalg.h"
#include "operator/scratch_needs.h"
#include "operator/tensor/view.h"

namespace heddle::ops::nn {

void infer_fully_connected(const FullyConnectedParam& p, InferContext& c) {
  c.set_in(1, {p.num_hidden, -1});
  if (!p.no_bias) c.set_in(2, {p.num_hidden});
  const Shape& x = c.in(0);
  if (!x.has_rank()) return;
  check(x.rank() >= 1, "[{}] data has shape {}, expected at least one axis", c.op().name, x);
  if (p.flatten) {
    c.set_out(0, {x[0], p.num_hidden});
    if (c.out(0).has_rank() && x[0] < 0) {
      Shape batch = Shape::unknown(x.rank());
      batch[0] = c.out(0)[0];
      c.set_in(0, batch);
    }
  } else {
    Shape y = x;
    y[-1] = p.num_hidden;
    c.set_out(0, y);
    Shape back = c.out(0);
    back[-1] = c.in(1)[1];
    c.set_in(0, back);
  }
  bool known = true;
  for (int i = p.flatten ? 1 : x.rank() - 1; i < x.rank(); ++i) known = known && x[i] >= 0;
  if (known) c.set_in(1, {p.num_hidden, features(p, x)});
  else if (p.flatten && x.rank() == 2) c.set_in(0, {-1, c.in(1)[1]});
}

void connect(const FullyConnectedParam& p, OpContext& ctx, Inputs in, Outputs out) {
  with_float(in[0].dtype, "FullyConnected", [&](auto type) {
    using T = decltype(type);
    const int64_t n = rows(p, in[0].shape), k = features(p, in[0].shape), h = p.num_hidden;
    linalg::gemm_bias(ctx, linalg::mat(in[0].as<T>(), n, k), linalg::mat(in[1].as<T>(), h, k).t(),
                      p.no_bias ? nullptr : in[2].as<T>(), linalg::mat(out[0].as<T>(), n, h));
  });
}

ScratchNeed scratch_of_fully_connected(const FullyConnectedParam& p, const Situation& s) {
  return linalg::scratch(rows(p, s.in[0].shape), p.num_hidden, features(p, s.in[0].shape),
                         s.in[0].dtype);
}
double flops_of_fully_connected(const FullyConnectedParam& p, const Situation& s) {
  return 2 * double(s.out[0].size()) * double(s.in[1].size()) / double(p.num_hidden);
}

}  // namespace heddle::ops::nn

namespace heddle::ops::fully_connected {

using linalg::mat;
using nn::features;
using nn::FullyConnectedParam;
using nn::rows;

// in: dy, data, weight. out: gradients of data, weight and (with a bias) bias. That of the weight
// is written, or added to what lies there.
void differentiate(const FullyConnectedParam& p, OpContext& ctx, Inputs in, Outputs out,
                   bool adds) {
  with_float(in[0].dtype, "FullyConnected", [&](auto type) {
    using T = decltype(type);
    const int64_t n = rows(p, in[1].shape), k = features(p, in[1].shape), h = p.num_hidden;
    const auto dy = mat(in[0].as<T>(), n, h);
    if (ctx.wants(0)) linalg::gemm(ctx, dy, mat(in[2].as<T>(), h, k), mat(out[0].as<T>(), n, k));
    if (ctx.wants(1))
      linalg::gemm(ctx, dy.t(), mat(in[1].as<T>(), n, k), mat(out[1].as<T>(), h, k), adds);
    if (!p.no_bias && ctx.wants(2)) linalg::sum_rows(ctx, dy.data, n, h, out[2].as<T>());
  });
}
void backward(const FullyConnectedParam& p, OpContext& ctx, Inputs in, Outputs out) {
  differentiate(p, ctx, in, out, false);
}

// The same with one more input, the sum of other gradients of the weight.
void adding_backward(const FullyConnectedParam& p, OpContext& ctx, Inputs in, Outputs out) {
  if (ctx.wants(1)) view::copy_all(ctx, in[3], out[1]);
  differentiate(p, ctx, in, out, true);
}
std::vector<Output> adding_outputs(const FullyConnectedParam& p) {
  std::vector<Output> out = {{"grad_data"}, {"grad_weight"}};
  if (!p.no_bias) out.push_back({"grad_bias"});
  return out;
}
void infer_adding(const FullyConnectedParam& p, InferContext& c) {
  const Shape& x = c.in(1);
  if (x.known()) {
    check(x.rank() >= 1, "[{}] data has shape {}, expected at least one axis", c.op().name, x);
    Shape y = p.flatten ? Shape{x[0], p.num_hidden} : x;
    y[-1] = p.num_hidden;
    c.set_in(0, y);
    c.set_in(2, {p.num_hidden, features(p, x)});
  }
  c.set_in(3, c.in(2));
  c.set_out(0, c.in(1));
  c.set_out(1, c.in(2));
  if (!p.no_bias) c.set_out(2, {p.num_hidden});
}

ScratchNeed scratch_backward(const FullyConnectedParam& p, const Situation& s) {
  const int64_t n = rows(p, s.in[1].shape), k = features(p, s.in[1].shape), h = p.num_hidden;
  return either(s.wants(0) ? linalg::scratch(n, k, h, s.in[0].dtype) : ScratchNeed{},
                s.wants(1) ? linalg::scratch(h, k, n, s.in[0].dtype) : ScratchNeed{});
}

// Axis 1 is that of the units where data is taken as two axes.
bool folds(const FullyConnectedParam& p) { return p.flatten; }

void define(OpTable& ops) {
  ops.define({
      .name = "FullyConnected",
      .aliases = {"_npx_fully_connected", "_sparse_FullyConnected"},
      .doc = "Linear layer: data * weight^T + bias.",
      .dtypes = Dtypes::kFloating,
      .precision = Precision::kNarrow,
      .params = schema<FullyConnectedParam>(),
      .inputs = {{"data", "(batch, ...)"},
                 {"weight", "(num_hidden, features)"},
                 {.name = "bias", .doc = "(num_hidden)", .when = when("no_bias", false)}},
      .infer = nn::infer_fully_connected,
      .cpu = nn::connect,
      .scratch = nn::scratch_of_fully_connected,
      .flops = nn::flops_of_fully_connected,
      .backward = {.reads = {dy(), x(0), x(1)},
                   .run = backward,
                   .scratch = scratch_backward,
                   .linear = Linear::kFactors},
      .fusing = {.with = "_fused_fully_connected", .folds = folds},
  });
  if (!kGradients) return;
  ops.define({
      .name = "_adding_backward_FullyConnected",
      .doc = "Gradient of FullyConnected, that of the weight added to others: what gradients of "
             "unrolled networks are made of.",
      .dtypes = Dtypes::kFloating,
      .params = schema<FullyConnectedParam>(),
      .inputs = {{"grad_output"}, {"data"}, {"weight"}, {"sum"}},
      .outputs = adding_outputs,
      .infer = infer_adding,
      .inplace = {{3, 1}},
      .cpu = adding_backward,
      .scratch = scratch_backward,
  });
}

}  // namespace heddle::ops::fully_connected
