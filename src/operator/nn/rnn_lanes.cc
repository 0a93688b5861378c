// RNN in float32 with the weights of the state brought into panels once, for all steps: a step's
// few rows would not pay for what a product of a library does first.
#include "operator/in_float.h"
#include "operator/nn/rnn.h"

namespace heddle::ops::rnn_lanes {

using nn::panels;
using rnn::RnnParam;

void forward(const RnnParam& p, OpContext& ctx, Inputs in, Outputs out) {
  rnn::run(p, ctx, in, out, {&panels()});
}
void forward_packed(const RnnParam& p, OpContext& ctx, Inputs in, Outputs out) {
  rnn::run(p, ctx, in, out, {&panels(), true});
}
void backward(const RnnParam& p, OpContext& ctx, Inputs in, Outputs out) {
  rnn::run_backward(p, ctx, in, out, &panels());
}

template <bool kPacked>
ScratchNeed scratch(const RnnParam& p, const Situation& s) {
  return rnn::scratch(p, s, {&panels(), kPacked});
}
ScratchNeed scratch_backward(const RnnParam& p, const Situation& s) {
  return rnn::scratch_backward(p, s, &panels());
}

// Enough steps to pay for the panels. Halves go through float32.
bool suits(const Blob& data) {
  return (data.dtype == Dtype::kFloat32 || is_half(data.dtype)) && data.shape[0] >= 2;
}
bool accepts(const RnnParam&, const Situation& s) { return suits(s.in[0]); }
bool accepts_backward(const RnnParam&, const Situation& s) { return suits(s.in[0]); }

void infer_packed(const RnnParam& p, InferContext& c) {
  if (c.in(0).known()) c.set_out(0, {rnn::packed_size(p, c.in(0).size(), panels())});
}
void pack(const RnnParam& p, OpContext& ctx, Inputs in, Outputs out) {
  rnn::pack(p, ctx, in[0], out[0], panels());
}

void define(OpTable& ops) {
  ops.define({
      .name = "_pack_RNN_parameters",
      .doc = "The weights of RNN's parameters in the panels of this machine's kernels, then the "
             "biases: put in by plans of prediction.",
      .dtypes = Dtypes::kFloating,
      .params = schema<RnnParam>(),
      .inputs = {{"parameters"}},
      .infer = infer_packed,
      .cpu = pack,
  });
  ops.kernel("RNN", Device::kCpu, "lanes", forward, accepts);
  ops.scratch("RNN", scratch<false>);
  ops.packing("RNN", 1, "_pack_RNN_parameters", forward_packed, {}, scratch<true>);
  ops.kernel("_backward_RNN", Device::kCpu, "lanes", backward, accepts_backward);
  ops.scratch("_backward_RNN", scratch_backward);
}

}  // namespace heddle::ops::rnn_lanes
