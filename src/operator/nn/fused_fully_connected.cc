// A linear layer and what follows it, at once: what the pass that fuses puts in (symbol/fuse.cc).
#include "operator/nn/epilogue.h"
#include "operator/nn/fully_connected.h"

namespace heddle::ops::fused_fully_connected {

using FusedParam = nn::Fused<nn::FullyConnectedParam>;

void forward(const FusedParam& p, OpContext& ctx, Inputs in, Outputs out) {
  const Blob addend = nn::addend_beside(p, ctx, in, out[0]);
  nn::connect(p, ctx, in, out);
  nn::finish(p, ctx, addend, out[0]);
}

void infer(const FusedParam& p, InferContext& c) {
  nn::infer_fully_connected(p, c);
  nn::infer_addend(p, c);
}

double flops(const FusedParam& p, const Situation& s) { return nn::flops_of_fully_connected(p, s); }

void define(OpTable& ops) {
  ops.define({
      .name = "_fused_fully_connected",
      .doc = "FullyConnected, then the sum with another tensor, then relu or clip: put in by plans "
             "of prediction.",
      .dtypes = Dtypes::kFloating,
      .params = schema<FusedParam>(),
      .inputs = {{"data", "(batch, ...)"},
                 {"weight", "(num_hidden, features)"},
                 {.name = "bias", .doc = "(num_hidden)", .when = when("no_bias", false)},
                 {.name = "addend", .doc = "As the output.", .when = when("sum", true)}},
      .infer = infer,
      .inplace = nn::inplace_addend<nn::FullyConnectedParam>,
      .cpu = forward,
      .flops = flops,
  });
}

}  // namespace heddle::ops::fused_fully_connected
