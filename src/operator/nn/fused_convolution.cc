// A convolution and what follows it, at once: what the pass that fuses puts in (symbol/fuse.cc).
// The kernel here does one after the other; those of libraries do both while a result is in
// registers.
#include <cstring>
#include <limits>

#include "operator/elemwise/loops.h"
#include "operator/nn/convolution.h"

namespace heddle::ops::nn {

struct SumWithin {
  HEDDLE_HD static auto f(auto x, auto addend, auto low, auto high) {  // a NaN stays
    const auto y = x + addend;
    return ew::select(y > high, high, ew::select(y < low, low, y));
  }
};

Blob addend_beside(const FusedConvolutionParam& p, OpContext& ctx, Inputs in, const Blob& y) {
  if (!p.sum) return {};
  Blob addend = in[p.addend()];
  if (addend.data != y.data) return addend;
  void* const copy = ctx.scratch(size_t(addend.bytes()));
  std::memcpy(copy, addend.data, size_t(addend.bytes()));
  addend.data = copy;
  return addend;
}

void finish(const FusedConvolutionParam& p, const OpContext& ctx, const Blob& addend,
            const Blob& y) {
  constexpr double kInf = std::numeric_limits<double>::infinity();
  if (!p.sum && p.activation == Epilogue::kNone) return;
  const bool clips = p.activation == Epilogue::kClip;
  const double low = clips ? p.low : p.activation == Epilogue::kRelu ? 0 : -kInf;
  ew::map(ctx, ew::kLoops<SumWithin>,
          {y, p.sum ? ew::Operand(addend) : ew::Operand(0.0), low, clips ? p.high : kInf}, y);
}

}  // namespace heddle::ops::nn

namespace heddle::ops::fused_convolution {

using nn::FusedConvolutionParam;

void forward(const FusedConvolutionParam& p, OpContext& ctx, Inputs in, Outputs out) {
  const Blob addend = nn::addend_beside(p, ctx, in, out[0]);
  nn::convolve(p, ctx, in, out);
  nn::finish(p, ctx, addend, out[0]);
}

void infer(const FusedConvolutionParam& p, InferContext& c) {
  nn::infer_convolution(p, c);
  if (!p.sum) return;
  c.set_in(p.addend(), c.out(0));
  c.set_out(0, c.in(p.addend()));
}

std::vector<std::pair<int, int>> inplace(const FusedConvolutionParam& p) {
  if (!p.sum) return {};
  return {{p.addend(), 0}};
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
      .inplace = inplace,
      .cpu = forward,
  });
}

}  // namespace heddle::ops::fused_convolution
