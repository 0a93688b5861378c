// LSTM on numbers of 8 bits: all but the product of matrices, which a kernel brings along (a Gemm
// of dense.h). Products are int32; gates, biases and the memory of cells are float32.
//
// Data is uint8, x * scale + shift. Each row of the weights has a step of its own, its reach over
// 127. States lie within (-1, 1), so that they are int8 in steps of 1 / 127 from one step to the
// next, and from layer to layer; what is given out is not rounded.
#pragma once
#include "operator/nn/rnn.h"
#include "operator/quantized/dense.h"

namespace heddle::ops::quantized {

// A matrix (rows, columns) of floats as int8.
struct RowSteps {
  std::vector<int8_t> q;
  std::vector<float> step;
  std::vector<int32_t> zero;  // nothing is added to products
  std::vector<float> sum;     // of each row, as floats
  RowSteps(const float* w, int64_t rows, int64_t columns)
      : q(size_t(rows * columns)), step(size_t(rows)), zero(size_t(rows), 0), sum(size_t(rows)) {
    for (int64_t i = 0; i < rows; ++i) {
      const float* row = w + i * columns;
      float reach = 0;
      for (int64_t j = 0; j < columns; ++j) reach = std::max(reach, std::abs(row[j]));
      const float scale = reach > 0 ? 127 / reach : 0;
      int64_t total = 0;
      for (int64_t j = 0; j < columns; ++j) {
        const auto v = nearest<int8_t>(row[j] * scale);
        q[size_t(i * columns + j)] = v, total += v;
      }
      step[size_t(i)] = reach / 127, sum[size_t(i)] = reach / 127 * float(total);
    }
  }
};

constexpr float kStateScale = 127;

// One layer in one direction.
template <class Input>
struct LstmLayer {
  int64_t steps, batch, features, hidden;
  bool backwards;
  const Input* x;      // (steps, batch, features)
  float scale, shift;  // of x
  const RowSteps &from_input, &from_state;
  const float *input_bias, *state_bias;
  const float *h, *c;      // at the beginning, (batch, hidden)
  float *last_h, *last_c;  // at the end, or missing
  float* y;                // (steps, batch, width), or missing
  int8_t* q;               // the same as int8
  int64_t width;           // of a row of y and q, which has both directions
  float low, high;         // clips the memory, unless low > high
  bool clips_nan;

  // The sequences [from, to).
  template <class Gemm>
  void run(int64_t from, int64_t to) const {
    const int64_t n = to - from, gates = 4 * hidden;
    ScratchScope scope;
    auto* wx = static_cast<int32_t*>(thread_scratch(size_t(n * gates) * 4));
    auto* wh = static_cast<int32_t*>(thread_scratch(size_t(n * gates) * 4));
    auto* state = static_cast<int8_t*>(thread_scratch(size_t(n * hidden)));
    auto* now = static_cast<float*>(thread_scratch(size_t(n * hidden) * 4));
    auto* memory = static_cast<float*>(thread_scratch(size_t(n * hidden) * 4));
    std::copy_n(h + from * hidden, n * hidden, now);
    std::copy_n(c + from * hidden, n * hidden, memory);
    for (int64_t i = 0; i < n * hidden; ++i) state[i] = nearest<int8_t>(now[i] * kStateScale);
    for (int64_t k = 0; k < steps; ++k) {
      const int64_t t = backwards ? steps - 1 - k : k;
      Gemm::product_with_rows(n, gates, features, x + (t * batch + from) * features,
                              from_input.q.data(), from_input.zero.data(), wx, gates);
      Gemm::product_with_rows(n, gates, hidden, state, from_state.q.data(), from_state.zero.data(),
                              wh, gates);
      for (int64_t i = 0; i < n; ++i) {
        const int64_t at = (t * batch + from + i) * width;
        for (int64_t j = 0; j < hidden; ++j) {
          const auto gate = [&](int64_t g) {
            const auto r = size_t(g * hidden + j);
            const float in = float(wx[i * gates + int64_t(r)]) * from_input.step[r];
            const float back = float(wh[i * gates + int64_t(r)]) * from_state.step[r];
            return (in - shift * from_input.sum[r]) / scale + back / kStateScale + input_bias[r] +
                   state_bias[r];
          };
          const auto sigmoid = [](float v) { return 1 / (1 + std::exp(-v)); };
          float& m = memory[i * hidden + j];
          m = sigmoid(gate(1)) * m + sigmoid(gate(0)) * std::tanh(gate(2));
          if (low <= high && (clips_nan || m == m)) m = m > low ? (m < high ? m : high) : low;
          const float out = sigmoid(gate(3)) * std::tanh(m);
          now[i * hidden + j] = out;
          state[i * hidden + j] = q[at + j] = nearest<int8_t>(out * kStateScale);
          if (y) y[at + j] = out;
        }
      }
    }
    if (last_h) std::copy_n(now, n * hidden, last_h + from * hidden);
    if (last_c) std::copy_n(memory, n * hidden, last_c + from * hidden);
  }
};

// in: data, parameters, state, state_cell, scale, shift.
template <class Gemm>
void lstm(const rnn::RnnParam& p, OpContext& ctx, Inputs in, Outputs out) {
  const Shape& s = in[0].shape;
  const int64_t steps = s[0], batch = s[1], hidden = p.state_size, directions = p.directions();
  const int64_t width = directions * hidden, layers = p.num_layers, cells = batch * hidden;
  const auto features = [&](int64_t layer) { return layer == 0 ? s[2] : width; };
  const float* weight = in[1].as<float>();
  const float* bias = weight;
  for (int64_t l = 0; l < layers; ++l) bias += directions * 4 * hidden * (features(l) + hidden);
  const auto state_out = [&](int i, int64_t at) {
    return p.state_outputs && ctx.wants(i) ? out[size_t(i)].as<float>() + at * cells : nullptr;
  };
  int8_t* lines[2];  // what a layer gives, and what the one before gave
  for (int8_t*& line : lines) line = ctx.scratch_of<int8_t>(steps * batch * width);
  for (int64_t l = 0; l < layers; ++l)
    for (int64_t d = 0; d < directions; ++d) {
      const int64_t k = features(l), at = l * directions + d;
      const RowSteps from_input(weight, 4 * hidden, k);
      weight += 4 * hidden * k;
      const RowSteps from_state(weight, 4 * hidden, hidden);
      weight += 4 * hidden * hidden;
      const auto go = [&](const auto* x, float scale, float shift) {
        const LstmLayer<std::remove_cvref_t<decltype(*x)>> layer{
            steps,
            batch,
            k,
            hidden,
            d == 1,
            x,
            scale,
            shift,
            from_input,
            from_state,
            bias,
            bias + 4 * hidden,
            in[2].as<float>() + at * cells,
            in[3].as<float>() + at * cells,
            state_out(1, at),
            state_out(2, at),
            l + 1 == layers && ctx.wants(0) ? out[0].as<float>() + d * hidden : nullptr,
            lines[l % 2] + d * hidden,
            width,
            p.clips() ? float(*p.lstm_state_clip_min) : 1.f,
            p.clips() ? float(*p.lstm_state_clip_max) : -1.f,
            p.lstm_state_clip_nan};
        ctx.parallel_for(batch, std::max<int64_t>(1, (batch + 7) / 8),
                         [&](int64_t from, int64_t to) { layer.template run<Gemm>(from, to); });
      };
      if (l == 0) go(in[0].as<uint8_t>(), *in[4].as<float>(), *in[5].as<float>());
      else go(lines[(l + 1) % 2], kStateScale, 0);
      bias += 8 * hidden;
    }
}

// What two layers give, and in a piece the gates and states of its sequences.
inline ScratchNeed scratch_of_lstm(const rnn::RnnParam& p, const Situation& s) {
  const Shape& x = s.in[0].shape;
  const int64_t hidden = p.state_size, sequences = (x[1] + 7) / 8;
  ScratchNeed need{.piece = sequences * hidden * (2 * 4 * 4 + 1 + 4 + 4)};
  for (int i = 0; i < 2; ++i) need.take(x[0] * x[1] * p.directions() * hidden);
  return need;
}

}  // namespace heddle::ops::quantized
