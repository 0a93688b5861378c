// quantized_rnn: LSTM on numbers of 8 bits, the record and the kernel that needs no library.
#include "operator/quantized/lstm.h"
#include "operator/scratch_needs.h"

namespace heddle::ops::quantized_rnn {

using rnn::RnnParam;

std::vector<Output> outputs(const RnnParam& p) {
  if (!p.state_outputs) return {{"output"}};
  return {{"output"}, {"state"}, {"state_cell"}};
}

void infer(const RnnParam& p, InferContext& c) {
  const std::string& who = c.op().name;
  check(p.lstm(), "[{}] mode is not supported, expected 'lstm'", who);
  check(!p.projection_size, "[{}] projection_size is not supported", who);
  check(!p.use_sequence_length, "[{}] use_sequence_length is not supported", who);
  check(!p.clips() || *p.lstm_state_clip_min <= *p.lstm_state_clip_max,
        "[{}] lstm_state_clip_min is above lstm_state_clip_max", who);
  for (int i : {4, 5}) c.set_in(i, {1});
  const Shape& x = c.in(0);
  if (!x.has_rank()) return;
  check(x.rank() == 3, "[{}] data has shape {}, expected (time, batch, features)", who, x);
  const int64_t h = p.state_size, d = p.directions(), layers = p.num_layers;
  c.set_out(0, {x[0], x[1], d * h});
  for (int i : {2, 3}) c.set_in(i, {layers * d, x[1], h});
  for (int i = 1; i < c.outputs(); ++i) c.set_out(i, {layers * d, x[1], h});
  if (x[2] >= 0) c.set_in(1, {d * 4 * h * (x[2] + h + (layers - 1) * (d * h + h) + 2 * layers)});
}
void infer_dtype(InferContext& c) {
  c.set_in_dtype(0, Dtype::kUint8);
  for (int i = 1; i < c.inputs(); ++i) c.set_in_dtype(i, Dtype::kFloat32);
  for (int i = 0; i < c.outputs(); ++i) c.set_out_dtype(i, Dtype::kFloat32);
}

void define(OpTable& ops) {
  ops.define({.name = "_contrib_quantized_rnn",
              .doc = "LSTM of uint8 data, as quantize_asym gives it with its scale and shift, and "
                     "of float32 parameters, which become int8; gives float32. For prediction: "
                     "nothing is dropped. The parameters are those of RNN.",
              .params = schema<RnnParam>(),
              .inputs = {{"data", "(time, batch, features), uint8"},
                         {"parameters", "all weights and biases, one after the other"},
                         {"state", "(layers * directions, batch, state_size)"},
                         {"state_cell", "(layers * directions, batch, state_size)"},
                         {"min_data", "(1): the scale of data"},
                         {"max_data", "(1): the shift of data"}},
              .outputs = outputs,
              .infer = infer,
              .infer_dtype = infer_dtype,
              .cpu = quantized::lstm<quantized::Loops>});
  ops.scratch("_contrib_quantized_rnn", quantized::scratch_of_lstm);
}

}  // namespace heddle::ops::quantized_rnn
