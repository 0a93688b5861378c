// A convolution and what follows it, at once: what the pass that fuses puts in (symbol/fuse.cc).
// The kernel here does one after the other; those of libraries do both while a result is in
// registers.
#include "operator/nn/convolution.h"

namespace heddle::ops::fused_convolution {

using nn::FusedConvolutionParam;

void forward(const FusedConvolutionParam& p, OpContext& ctx, Inputs in, Outputs out) {
  const Blob addend = nn::addend_beside(p, ctx, in, out[0]);
  nn::convolve(p, ctx, in, out);
  nn::finish(p, ctx, addend, out[0]);
}

void infer(const FusedConvolutionParam& p, InferContext& c) {
  nn::infer_convolution(p, c);
  nn::infer_addend(p, c);
}

ScratchNeed scratch(const FusedConvolutionParam& p, const Situation& s) {
  return nn::beside_addend(p, nn::scratch_of_convolution(p, s), s.out[0]);
}

void define(OpTable& ops) {
  ops.define({
      .name = "_fused_convolution",
      .doc = "Convolution, then the sum with another tensor, then relu or clip: put in by plans of "
             "prediction.",
      .dtypes = Dtypes::kFloating,
      .params = schema<FusedConvolutionParam>(),
      .inputs = {{"data", "(n, c, ...)"},
                 {"weight", "(num_filter, c / num_group, *kernel)"},
                 {.name = "bias", .doc = "(num_filter)", .when = when("no_bias", false)},
                 {.name = "addend", .doc = "As the output.", .when = when("sum", true)}},
      .infer = infer,
      .inplace = nn::inplace_addend<nn::ConvolutionParam>,
      .cpu = forward,
      .scratch = scratch,
  });
}

}  // namespace heddle::ops::fused_convolution
