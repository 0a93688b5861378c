// RNN: its parameters, the sizes that follow from them, and the kernels, which run on any product
// of a step's states with the recurrent weights.
#pragma once
#include <optional>

#include "heddle/op.h"
#include "operator/nn/panels.h"

namespace heddle::ops::rnn {

enum class Mode { kRelu, kTanh, kLstm, kGru };

struct RnnParam {
  uint32_t state_size = 0, num_layers = 0;
  bool bidirectional = false;
  Mode mode = Mode::kRelu;
  float p = 0;
  bool state_outputs = false;
  std::optional<int64_t> projection_size;
  std::optional<double> lstm_state_clip_min, lstm_state_clip_max;
  bool lstm_state_clip_nan = false;
  bool use_sequence_length = false;
  void fields(auto&& f) {
    f("state_size", state_size, "Elements of the state of each layer and direction.")
        .required()
        .at_least(1);
    f("num_layers", num_layers, "Layers on top of each other.").required().at_least(1);
    f("bidirectional", bidirectional, "Run each layer from both ends of time.");
    f("mode", mode, "What a cell computes.")
        .required()
        .names({"rnn_relu", "rnn_tanh", "lstm", "gru"});
    f("p", p, "In training, the share of elements dropped between layers.").range(0, 1);
    f("state_outputs", state_outputs, "Give the last states too.");
    f("projection_size", projection_size,
      "lstm: elements of the projection of the state, which is what cells see and give.");
    f("lstm_state_clip_min", lstm_state_clip_min, "lstm: the least a cell's memory may be.");
    f("lstm_state_clip_max", lstm_state_clip_max, "lstm: the most a cell's memory may be.");
    f("lstm_state_clip_nan", lstm_state_clip_nan,
      "lstm: clip NaN too, to lstm_state_clip_min, instead of passing it on.");
    f("use_sequence_length", use_sequence_length, "Take the length of each sequence.");
  }
  bool lstm() const { return mode == Mode::kLstm; }
  bool gru() const { return mode == Mode::kGru; }
  bool clips() const { return lstm_state_clip_min && lstm_state_clip_max; }
  int64_t gates() const { return lstm() ? 4 : gru() ? 3 : 1; }
  int64_t directions() const { return bidirectional ? 2 : 1; }
  // What a cell gives to the next step and the next layer.
  int64_t given() const { return projection_size.value_or(int64_t(state_size)); }
};

using nn::Panels;

// How products with weights are done: by linalg.h where there are no panels. `packed`: the
// parameters are what pack() made of them.
struct Products {
  const Panels* panels = nullptr;
  bool packed = false;
};
void run(const RnnParam& p, OpContext& ctx, Inputs in, Outputs out, Products products);
// The weights of parameters in panels, then the biases.
int64_t packed_size(const RnnParam& p, int64_t parameters, const Panels& panels);
void pack(const RnnParam& p, OpContext& ctx, const Blob& parameters, const Blob& to,
          const Panels& panels);

// What they take of scratch memory.
ScratchNeed scratch(const RnnParam& p, const Situation& s, Products products);
ScratchNeed scratch_backward(const RnnParam& p, const Situation& s, const Panels* panels);

void run_backward(const RnnParam& p, OpContext& ctx, Inputs in, Outputs out, const Panels* panels);

}  // namespace heddle::ops::rnn
