// A linear layer and what follows it, at once: what the pass that fuses puts in (symbol/fuse.cc).
#include "operator/nn/fully_connected.h"

namespace heddle::ops::nn {

void connect_fused(const FusedFullyConnectedParam& p, OpContext& ctx, Inputs in, Outputs out) {
  const Blob addend = addend_beside(p, ctx, in, out[0]);
  connect(p, ctx, in, out);
  finish(p, ctx, addend, out[0]);
}

}  // namespace heddle::ops::nn

namespace heddle::ops::fused_fully_connected {

using FusedParam = nn::FusedFullyConnectedParam;

void infer(const FusedParam& p, InferContext& c) {
  nn::infer_fully_connected(p, c);
  nn::infer_addend(p, c);
}

double flops(const FusedParam& p, const Situation& s) { return nn::flops_of_fully_connected(p, s); }

ScratchNeed scratch(const FusedParam& p, const Situation& s) {
  return nn::beside_addend(p, nn::scratch_of_fully_connected(p, s), s.out[0]);
}

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
      .cpu = nn::connect_fused,
      .scratch = scratch,
      .flops = flops,
  });
}

}  // namespace heddle::ops::fused_fully_connected
