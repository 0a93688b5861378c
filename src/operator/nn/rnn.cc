// RNN: layers of recurrent cells (plain, LSTM, GRU) over whole sequences. What inputs add to the
// gates is one product for all steps, or for a few; each step then adds one of its states, split by
// hidden units, and computes its cells while their gates are in the cache.
#include "operator/nn/rnn.h"

#include <algorithm>

#include "operator/elemwise/scalar.h"
#include "operator/in_float.h"
#include "operator/linalg.h"
#include "operator/phases.h"
#include "operator/random/philox.h"

namespace heddle::ops::rnn {

// A run of hidden units of one sequence at one step: see rnn.inl.h.
template <class T>
struct ForwardRow {
  T* gates;
  int64_t stride, n;
  const T *before, *bias;  // lstm: the cell's memory before; gru: the state before
  T *cell, *h;
  T low, high;
  bool clips_nan;
};
template <class T>
struct BackwardRow {
  const T* gates;
  int64_t stride, n;
  const T *before, *cell, *dh;
  T *dgates, *dstate, *dcell, *carry;
  T low, high;
};

}  // namespace heddle::ops::rnn

#define HEDDLE_LOOPS "operator/nn/rnn.inl.h"
#include "operator/simd/each_target.h"

namespace heddle::ops::rnn {

using linalg::Mat;
using linalg::mat;
using nn::apart;

// --- sizes ---------------------------------------------------------------------------------------
struct Sizes {
  int64_t steps, batch, features, hidden, given, layers, directions, gates;
  Sizes(const RnnParam& p, const Shape& data)
      : steps(data[0]),
        batch(data[1]),
        features(data[2]),
        hidden(p.state_size),
        given(p.given()),
        layers(p.num_layers),
        directions(p.directions()),
        gates(p.gates()) {}
  int64_t rows() const { return steps * batch; }
  int64_t out() const { return directions * given; }
  int64_t all_gates() const { return gates * hidden; }
  int64_t into(int64_t layer) const { return layer == 0 ? features : out(); }
};

// Elements of the parameters that do not depend on the features of data, and how many do for each.
struct ParameterSize {
  int64_t fixed, per_feature;
  explicit ParameterSize(const RnnParam& p) {
    const int64_t d = p.directions(), gates = p.gates() * p.state_size, r = p.given();
    const int64_t state = r + 2, layers = p.num_layers;
    per_feature = gates * d;
    fixed = per_feature * (state * layers + d * r * (layers - 1));
    if (p.projection_size) fixed += r * int64_t(p.state_size) * layers * d;
  }
};

// Where one layer and direction has its parameters; `wide`: of the panels that they are packed in.
struct Places {
  int64_t x, h, r, bias;  // weights of input, state and projection; biases of input, then of state
  int64_t size;           // of all
  Places(const RnnParam& p, const Sizes& s, int64_t layer, int64_t direction, int64_t wide = 1) {
    int64_t at = 0;
    x = h = r = bias = 0;
    for (int64_t l = 0; l < s.layers; ++l)
      for (int64_t d = 0; d < s.directions; ++d) {
        const bool here = l == layer && d == direction;
        if (here) x = at;
        at += s.gates * whole(s.hidden, wide) * s.into(l);
        if (here) h = at;
        at += s.gates * whole(s.hidden, wide) * s.given;
        if (here) r = at;
        if (p.projection_size) at += whole(s.given, wide) * s.hidden;
      }
    bias = at + (layer * s.directions + direction) * 2 * s.all_gates();
    size = at + s.layers * s.directions * 2 * s.all_gates();
  }
  static int64_t whole(int64_t n, int64_t wide) { return (n + wide - 1) / wide * wide; }
};

// What the gradient needs of one layer, within the hidden output: per direction the gates, a cell's
// memory (lstm) or what the state adds to the last gate (gru), and states before their projection;
// then, where another layer follows, the layer's output and the mask of its dropout.
struct Saved {
  int64_t gates, cell, state, direction, output, mask, size;
  Saved(const RnnParam& p, const Sizes& s) {
    const int64_t one = s.rows() * s.hidden;
    gates = 0, cell = s.gates * one;
    state = cell + (p.lstm() || p.gru() ? one : 0);
    direction = state + (p.projection_size ? one : 0);
    output = direction * s.directions;
    mask = output + s.rows() * s.out();
    size = mask + (p.p > 0 ? s.rows() * s.out() : 0);
  }
  int64_t total(const Sizes& s) const { return size * (s.layers - 1) + output; }
};

// Which input and output is which.
int cell_input(const RnnParam& p) { return p.lstm() ? 3 : -1; }
int length_input(const RnnParam& p) { return p.use_sequence_length ? (p.lstm() ? 4 : 3) : -1; }
int saved_output(const RnnParam& p) { return p.state_outputs ? (p.lstm() ? 3 : 2) : 1; }

// --- products -----------------------------------------------------------------------------------
// Pieces of a step hold at least this many multiplications, and are at most kPieces.
constexpr int64_t kWork = int64_t(1) << 18, kPieces = 16, kAlign = 32;

int64_t grain_of(int64_t columns, int64_t work_of_one) {
  const int64_t pieces = std::clamp<int64_t>(columns * work_of_one / kWork, 1, kPieces);
  return ((columns + pieces - 1) / pieces + kAlign - 1) / kAlign * kAlign;
}

// Rows of n, ld apart, that will be read after much else.
template <class T>
void bring_near(const T* x, int64_t rows, int64_t ld, int64_t n) {
  constexpr int64_t kLine = 64 / sizeof(T);
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t i = 0; i < n; i += kLine) __builtin_prefetch(x + r * ld + i, 0, 2);
}

template <class T>
void copy_rows(const T* from, int64_t ld_from, T* to, int64_t ld_to, int64_t rows, int64_t n) {
  for (int64_t r = 0; r < rows; ++r) std::copy_n(from + r * ld_from, n, to + r * ld_to);
}

// The columns of a step, in pieces.
struct Split {
  int64_t columns, grain;
  Split(int64_t n, int64_t work_of_one) : columns(n), grain(grain_of(n, work_of_one)) {}
  int64_t pieces() const { return std::max<int64_t>(1, (columns + grain - 1) / grain); }
  // f(begin, end) of a piece, if there is such a one.
  template <class F>
  void with(int64_t piece, F&& f) const {
    const int64_t begin = piece * grain, end = std::min(columns, begin + grain);
    if (begin < end) f(begin, end);
  }
};

// The right factor of many products. Where there are panels, pack() comes first, for all columns;
// or they are given, `packed`.
template <class T>
class Factor {
 public:
  Factor() = default;
  Factor(OpContext& ctx, Mat<T> w, const Panels* panels, const T* packed = nullptr) : w_(w) {
    if constexpr (std::is_same_v<T, float>)
      if (panels) {
        panels_ = panels;
        packed_ = packed;
        if (!packed) packed_ = to_pack_ = ctx.scratch_of<T>(size(w, *panels));
      }
  }
  // Of the panels, which are `to`.
  Factor(Mat<T> w, const Panels& panels, T* to)
      : w_(w), panels_(&panels), packed_(to), to_pack_(to) {}
  static int64_t size(Mat<T> w, const Panels& panels) {
    return Places::whole(w.n(), panels.wide) * w.m();
  }
  int64_t panels() const { return panels_ ? (w_.n() + panels_->wide - 1) / panels_->wide : 0; }
  // The panels of columns [from, to); both are multiples of kAlign, or the end.
  void pack_columns(int64_t from, int64_t to) const {
    if (to_pack_) pack(from / panels_->wide, (to + panels_->wide - 1) / panels_->wide);
  }
  // Panels [begin, end).
  void pack(int64_t begin, int64_t end) const {
    const int64_t k = w_.m(), n = w_.n(), wide = panels_->wide;
    const int64_t row = w_.transposed ? 1 : w_.ld, column = w_.transposed ? w_.ld : 1;
    for (int64_t i = begin; i < end; ++i) {
      T* to = to_pack_ + i * wide * k;
      const T* from = w_.data + i * wide * column;
      const int64_t have = std::min(wide, n - i * wide);
      if (have == wide && !w_.transposed)
        for (int64_t q = 0; q < k; ++q) std::copy_n(from + q * row, wide, to + q * wide);
      else panels_->pack(from, row, column, k, have, to);
    }
  }
  // Columns [from, to) of a w, to c; `from` is a multiple of kAlign.
  void multiply(Mat<T> a, int64_t from, int64_t to, T* c, int64_t ld, bool accumulate) const {
    if constexpr (std::is_same_v<T, float>)
      if (panels_) return multiply_panels(a, from, to, c, ld, nullptr, accumulate);
    linalg::gemm(a, w_.t().slice(from, to).t(), Mat<T>{c, a.m(), to - from, ld}, accumulate);
  }
  // The same with a row (of w's columns) added to each.
  void multiply_add(Mat<T> a, int64_t from, int64_t to, const T* row, T* c, int64_t ld) const {
    if constexpr (std::is_same_v<T, float>) multiply_panels(a, from, to, c, ld, row + from, false);
  }

 private:
  void multiply_panels(Mat<T> a, int64_t from, int64_t to, T* c, int64_t ld, const T* start,
                       bool add) const {
    const int64_t k = w_.m();
    panels_->multiply(a.data, a.ld, a.m(), packed_ + from * k, k, c, ld, to - from, start, add);
  }
  Mat<T> w_{};
  const Panels* panels_ = nullptr;
  const T* packed_ = nullptr;
  T* to_pack_ = nullptr;
};

// --- one layer, one direction -------------------------------------------------------------------
template <class T>
struct Layer {
  const RnnParam& p;
  const Sizes& s;
  OpContext& ctx;
  const Panels* panels;
  bool packed;             // the parameters' weights are in panels
  const int64_t* lengths;  // of each sequence, or null
  int64_t into;            // features of its input
  bool backwards;          // in time
  // The parameters.
  const T *wx, *wh, *wr, *bx, *bh;
  // What is saved.
  T *gates, *cell, *state;
  bool all_kept;
  const T *h0, *c0;

  // saved: null where nobody reads it, and the memory of a few steps will do.
  Layer(const RnnParam& param, const Sizes& sizes, OpContext& context, Products products,
        const int64_t* sequence_lengths, int64_t layer, int64_t direction, const T* parameters,
        T* saved, const T* states, const T* cells)
      : p(param),
        s(sizes),
        ctx(context),
        panels(products.panels),
        packed(products.packed),
        lengths(sequence_lengths),
        into(s.into(layer)),
        backwards(direction == 1) {
    const Places at(p, s, layer, direction, packed ? panels->wide : 1);
    wx = parameters + at.x, wh = parameters + at.h, wr = parameters + at.r;
    bx = parameters + at.bias, bh = bx + s.all_gates();
    all_kept = saved != nullptr;
    if (all_kept) {
      const Saved keeps(p, s);
      T* mine = saved + layer * keeps.size + direction * keeps.direction;
      gates = mine + keeps.gates, cell = mine + keeps.cell, state = mine + keeps.state;
    } else {
      const int64_t one = s.batch * s.hidden;
      gates = ctx.scratch_of<T>(std::min(together(), s.steps) * s.gates * one);
      cell = ctx.scratch_of<T>(2 * one), state = ctx.scratch_of<T>(one);
    }
    const int64_t i = layer * s.directions + direction;
    h0 = states + i * s.batch * s.given;
    c0 = cells ? cells + i * s.batch * s.hidden : nullptr;
  }
  // The step that is number `i` in this direction.
  int64_t step(int64_t i) const { return backwards ? s.steps - 1 - i : i; }
  // Steps for which what the inputs add is computed at once: all of them, or with panels as many as
  // the cache holds.
  int64_t together() const {
    constexpr int64_t kRows = 48;
    return panels ? std::max<int64_t>(1, kRows / std::max<int64_t>(1, s.batch)) : s.steps;
  }
  // The first in time of the steps that are computed together with step number `i`.
  int64_t first_together(int64_t i) const {
    const int64_t from = i / together() * together();
    return std::min(step(from), step(std::min(from + together(), s.steps) - 1));
  }
  // What step number `i` has of its own.
  T* gates_of(int64_t i) const {
    return gates + (step(i) - (all_kept ? 0 : first_together(i))) * s.batch * s.all_gates();
  }
  T* cell_of(int64_t i) const { return cell + (all_kept ? step(i) : i % 2) * s.batch * s.hidden; }
  T* state_of(int64_t i) const { return state + (all_kept ? step(i) : 0) * s.batch * s.hidden; }
  bool beyond(int64_t t, int64_t b) const { return lengths && t >= lengths[b]; }
  // The first step of sequence b that this direction sees; -1: none.
  int64_t first(int64_t b) const {
    const int64_t n = lengths ? lengths[b] : s.steps;
    return n == 0 ? -1 : backwards ? n - 1 : 0;
  }
  T low() const { return T(p.clips() ? *p.lstm_state_clip_min : 0); }
  T high() const { return T(p.clips() ? *p.lstm_state_clip_max : 0); }
  Mat<T> weights(const T* w, int64_t rows, int64_t cols) const {
    return mat(const_cast<T*>(w), rows, cols);
  }
  // For products from the left with weights (rows, cols) of the parameters.
  Factor<T> factor(const T* w, int64_t rows, int64_t cols) const {
    return {ctx, weights(w, rows, cols).t(), panels, packed ? w : nullptr};
  }
};

template <class T>
auto forward_row(const RnnParam& p) {
  return p.lstm() && p.clips()   ? HEDDLE_PICK(lstm_row<T, true>)
         : p.lstm()              ? HEDDLE_PICK(lstm_row<T, false>)
         : p.gru()               ? HEDDLE_PICK(gru_row<T>)
         : p.mode == Mode::kTanh ? HEDDLE_PICK(rnn_row<T, false>)
                                 : HEDDLE_PICK(rnn_row<T, true>);
}
template <class T>
auto backward_row(const RnnParam& p) {
  return p.lstm() && p.clips()   ? HEDDLE_PICK(lstm_row_backward<T, true>)
         : p.lstm()              ? HEDDLE_PICK(lstm_row_backward<T, false>)
         : p.gru()               ? HEDDLE_PICK(gru_row_backward<T>)
         : p.mode == Mode::kTanh ? HEDDLE_PICK(rnn_row_backward<T, false>)
                                 : HEDDLE_PICK(rnn_row_backward<T, true>);
}

// The weights of each gate, (hidden, from), for products from the left.
template <class T>
std::vector<Factor<T>> factors_of_gates(const Layer<T>& l, const T* w, int64_t from) {
  std::vector<Factor<T>> all;
  const int64_t rows = Places::whole(l.s.hidden, l.packed ? l.panels->wide : 1);
  for (int64_t g = 0; g < l.s.gates; ++g)
    all.push_back(l.factor(w + g * rows * from, l.s.hidden, from));
  return all;
}

// What the inputs add to the gates, and the biases; the bias of what the state adds to gru's last
// gate is left out, for the reset gate multiplies it. Without panels it is one product for all
// steps; with them it is done for a few steps at a time, by the piece that goes on with its gates.
template <class T>
class InputGates {
 public:
  InputGates(const Layer<T>& l, const T* x)
      : l_(l), ld_(l.panels ? apart<T>(l.into) : l.into), given_(x), x_(x) {
    const Sizes& s = l.s;
    const int64_t n = s.all_gates(), both = l.p.gru() ? 2 * s.hidden : n;
    bias_ = l.ctx.template scratch_of<T>(n);
    for (int64_t i = 0; i < n; ++i) bias_[i] = i < both ? l.bx[i] + l.bh[i] : l.bx[i];
    if (!l.panels) {
      linalg::gemm_bias(l.ctx, mat(const_cast<T*>(x), s.rows(), l.into),
                        l.weights(l.wx, n, l.into).t(), bias_, mat(l.gates, s.rows(), n));
      return;
    }
    factors_ = factors_of_gates(l, l.wx, l.into);
    if (ld_ == l.into) return;
    spread_ = l.ctx.template scratch_of<T>(s.rows() * ld_);
    x_ = spread_;
  }
  // Hidden units [j, e), and their share of the rows of x.
  void pack(int64_t j, int64_t e) const {
    for (const Factor<T>& f : factors_) f.pack_columns(j, e);
    if (!spread_) return;
    const int64_t rows = l_.s.rows(), from = rows * j / l_.s.hidden, to = rows * e / l_.s.hidden;
    copy_rows(given_ + from * l_.into, l_.into, spread_ + from * ld_, ld_, to - from, l_.into);
  }
  // Before step i is computed for hidden units [j, e).
  void prepare(int64_t i, int64_t j, int64_t e) const {
    if (!l_.panels || i % l_.together() != 0) return;
    const Sizes& s = l_.s;
    const int64_t from = l_.first_together(i) * s.batch, wide = s.all_gates();
    const int64_t rows = std::min(l_.together(), s.steps - i) * s.batch;
    const Mat<T> x{const_cast<T*>(x_) + from * ld_, rows, l_.into, ld_};
    T* to = l_.gates + (l_.all_kept ? from * wide : 0);
    for (int64_t g = 0; g < s.gates; ++g)
      factors_[size_t(g)].multiply_add(x, j, e, bias_ + g * s.hidden, to + g * s.hidden + j, wide);
  }

 private:
  const Layer<T>& l_;
  const int64_t ld_;
  const T *given_, *x_;  // x_: rows ld_ apart
  T *bias_, *spread_ = nullptr;
  std::vector<Factor<T>> factors_;
};

// x: (steps, batch, into). y: rows `ld` apart. h_last, c_last: null where nobody reads them.
template <class T>
void forward_layer(const Layer<T>& l, const T* x, T* y, int64_t ld, T* h_last, T* c_last) {
  ScratchScope scope;
  const RnnParam& p = l.p;
  const Sizes& s = l.s;
  const int64_t batch = s.batch, hidden = s.hidden, given = s.given, wide = s.all_gates();
  const InputGates<T> inputs(l, x);
  const auto factors = factors_of_gates(l, l.wh, given);
  Factor<T> projection;
  if (p.projection_size) projection = l.factor(l.wr, given, hidden);
  const auto row = forward_row<T>(p);
  const int64_t ldh = apart<T>(given);
  T* const states = l.ctx.template scratch_of<T>(2 * batch * ldh);
  const auto state_before = [&](int64_t i) { return states + i % 2 * batch * ldh; };
  copy_rows(l.h0, given, states, ldh, batch, given);

  const auto pack = [&](int64_t j, int64_t e) {
    inputs.pack(j, e);
    for (const Factor<T>& f : factors) f.pack_columns(j, e);
  };
  // Hidden units [j, e) of step number i.
  const auto cells = [&](int64_t i, int64_t j, int64_t e) {
    const int64_t t = l.step(i), at = t * batch, n = e - j;
    const T* h = state_before(i);
    const T* c = p.lstm() ? (i > 0 ? l.cell_of(i - 1) : l.c0) : nullptr;
    T *gates = l.gates_of(i), *cell = l.cell_of(i), *state = l.state_of(i);
    inputs.prepare(i, j, e);
    if (c) bring_near(c + j, batch, hidden, n);
    for (int64_t g = 0; g < s.gates; ++g) {
      const bool alone = p.gru() && g == 2;
      factors[size_t(g)].multiply({const_cast<T*>(h), batch, given, ldh}, j, e,
                                  alone ? cell + j : gates + g * hidden + j, alone ? hidden : wide,
                                  !alone);
    }
    for (int64_t b = 0; b < batch; ++b) {
      const int64_t here = b * hidden + j;
      const T* before = h + b * ldh + j;
      T* out = p.projection_size ? state + here : state_before(i + 1) + b * ldh + j;
      if (l.beyond(t, b)) {
        if (p.projection_size) std::fill_n(out, n, T(0));
        else std::copy_n(before, n, out);
        if (c) std::copy_n(c + here, n, cell + here);
      } else {
        row({gates + b * wide + j, hidden, n, p.lstm() ? c + here : before,
             p.gru() ? l.bh + 2 * hidden + j : nullptr, cell + here, out, l.low(), l.high(),
             p.lstm_state_clip_nan});
      }
      if (p.projection_size) continue;
      T* shown = y + (at + b) * ld + j;
      if (l.beyond(t, b)) std::fill_n(shown, n, T(0));
      else std::copy_n(out, n, shown);
    }
  };
  // Columns [j, e) of the projected state.
  const auto project = [&](int64_t i, int64_t j, int64_t e) {
    const int64_t t = l.step(i);
    T* next = state_before(i + 1);
    projection.multiply(mat(l.state_of(i), batch, hidden), j, e, next + j, ldh, false);
    for (int64_t b = 0; b < batch; ++b) {
      T *shown = y + (t * batch + b) * ld, *now = next + b * ldh;
      if (l.beyond(t, b)) std::copy_n(state_before(i) + b * ldh + j, e - j, now + j);
      if (l.beyond(t, b)) std::fill_n(shown + j, e - j, T(0));
      else std::copy_n(now + j, e - j, shown + j);
    }
  };

  const int64_t each = p.projection_size ? 2 : 1;  // phases of a step, after the one that packs
  const Split units(hidden, batch * given * s.gates), columns(given, batch * hidden);
  Phases(1 + each * s.steps, std::max(units.pieces(), each > 1 ? columns.pieces() : 1))
      .run(l.ctx, [&](int64_t phase, int64_t piece) {
        const int64_t i = (phase - 1) / each;
        if (phase == 0) {
          units.with(piece, pack);
          if (p.projection_size)
            columns.with(piece, [&](int64_t j, int64_t e) { projection.pack_columns(j, e); });
        } else if ((phase - 1) % each == 0) {
          units.with(piece, [&](int64_t j, int64_t e) { cells(i, j, e); });
        } else {
          columns.with(piece, [&](int64_t j, int64_t e) { project(i, j, e); });
        }
      });
  if (h_last) copy_rows(state_before(s.steps), ldh, h_last, given, batch, given);
  if (c_last) std::copy_n(s.steps > 0 ? l.cell_of(s.steps - 1) : l.c0, batch * hidden, c_last);
}

template <class T>
struct LayerGradients {
  const T* dy;
  const T *dh_last, *dc_last;  // may be null
  T* dx;                       // null: not wanted
  bool add_dx;
  T* dparameters;  // null: not wanted
  T *dh0, *dc0;    // null: not wanted
};

// The gradients of gates at every step.
template <class T>
struct GateGradients {
  T *by_input, *by_state;  // the same but for gru
  T* given;                // of the projected states; or null
};

// From the last step to the first.
template <class T>
GateGradients<T> backward_steps(const Layer<T>& l, const T* y, int64_t ld,
                                const LayerGradients<T>& g) {
  const RnnParam& p = l.p;
  const Sizes& s = l.s;
  OpContext& ctx = l.ctx;
  const int64_t batch = s.batch, hidden = s.hidden, given = s.given, wide = s.all_gates();
  GateGradients<T> d{ctx.scratch_of<T>(s.rows() * wide), nullptr, nullptr};
  d.by_state = p.gru() ? ctx.scratch_of<T>(s.rows() * wide) : d.by_input;
  if (p.projection_size) d.given = ctx.scratch_of<T>(s.rows() * given);
  const Factor<T> back(ctx, l.weights(l.wh, wide, given), l.panels);
  Factor<T> projection;
  if (p.projection_size) projection = {ctx, l.weights(l.wr, given, hidden), l.panels};
  const auto row = backward_row<T>(p);
  T *dh = ctx.scratch_of<T>(batch * given), *carry = ctx.scratch_of<T>(batch * given);
  T* dstate = p.projection_size ? ctx.scratch_of<T>(batch * hidden) : nullptr;
  T* dc = p.lstm() ? ctx.scratch_of<T>(batch * hidden) : nullptr;
  std::fill_n(carry, batch * given, T(0));
  if (dc && g.dc_last) std::copy_n(g.dc_last, batch * hidden, dc);
  else if (dc) std::fill_n(dc, batch * hidden, T(0));
  const bool carries = p.gru() || l.lengths;

  // dh[from, to): the gradient of what step i gave to step i + 1.
  const auto from_next = [&](int64_t i, int64_t j, int64_t e) {
    if (i == s.steps - 1) {
      for (int64_t b = 0; b < batch; ++b)
        if (g.dh_last) std::copy_n(g.dh_last + b * given + j, e - j, dh + b * given + j);
        else std::fill_n(dh + b * given + j, e - j, T(0));
      return;
    }
    back.multiply(mat(d.by_state + l.step(i + 1) * batch * wide, batch, wide), j, e, dh + j, given,
                  false);
    if (!carries) return;
    for (int64_t b = 0; b < batch; ++b)
      for (int64_t k = b * given + j; k < b * given + e; ++k) dh[k] += carry[k];
  };
  // Adds what the output's gradient brings; a sequence that is over only passes on.
  const auto add_head = [&](int64_t t, int64_t j, int64_t e) {
    for (int64_t b = 0; b < batch; ++b) {
      T *to = dh + b * given, *pass = carry + b * given;
      const T* dy = g.dy + (t * batch + b) * ld;
      if (l.beyond(t, b)) std::copy_n(to + j, e - j, pass + j);
      else
        for (int64_t k = j; k < e; ++k) to[k] += dy[k];
      if (l.lengths && !l.beyond(t, b) && !p.gru()) std::fill_n(pass + j, e - j, T(0));
    }
  };
  const auto cells = [&](int64_t i, int64_t j, int64_t e, const T* from) {
    const int64_t t = l.step(i), at = t * batch, n = e - j;
    const int64_t before = i > 0 ? l.step(i - 1) * batch : 0;
    for (int64_t b = 0; b < batch; ++b) {
      const int64_t here = b * hidden + j;
      T *by_input = d.by_input + (at + b) * wide + j, *by_state = d.by_state + (at + b) * wide + j;
      if (l.beyond(t, b)) {
        for (int64_t q = 0; q < s.gates; ++q)
          std::fill_n(by_input + q * hidden, n, T(0)), std::fill_n(by_state + q * hidden, n, T(0));
        continue;
      }
      const T* earlier = nullptr;
      if (p.lstm()) earlier = i > 0 ? l.cell + before * hidden + here : l.c0 + here;
      else earlier = t == l.first(b) ? l.h0 + here : y + (before + b) * ld + j;
      row({l.gates + (at + b) * wide + j, hidden, n, earlier, l.cell + at * hidden + here,
           from + here, by_input, by_state, dc ? dc + here : nullptr, carry + here, l.low(),
           l.high()});
    }
  };
  // Columns [j, e) of what step i gave.
  const auto gave = [&](int64_t i, int64_t j, int64_t e) {
    const int64_t t = l.step(i);
    from_next(i, j, e);
    add_head(t, j, e);
    if (!p.projection_size) return cells(i, j, e, dh);
    for (int64_t b = 0; b < batch; ++b) {
      T* to = d.given + (t * batch + b) * given;
      if (l.beyond(t, b)) std::fill_n(to + j, e - j, T(0));
      else std::copy_n(dh + b * given + j, e - j, to + j);
    }
  };
  const auto projected = [&](int64_t i, int64_t j, int64_t e) {
    projection.multiply(mat(d.given + l.step(i) * batch * given, batch, given), j, e, dstate + j,
                        hidden, false);
    cells(i, j, e, dstate);
  };
  const int64_t each = p.projection_size ? 2 : 1;  // phases of a step, between packing and dh0
  const Split columns(given, batch * wide), units(hidden, batch * given);
  Phases(2 + each * s.steps, std::max(columns.pieces(), each > 1 ? units.pieces() : 1))
      .run(ctx, [&](int64_t phase, int64_t piece) {
        const int64_t i = s.steps - 1 - (phase - 1) / each;
        if (phase == 0) {
          columns.with(piece, [&](int64_t j, int64_t e) { back.pack_columns(j, e); });
          if (p.projection_size)
            units.with(piece, [&](int64_t j, int64_t e) { projection.pack_columns(j, e); });
        } else if (i < 0) {
          if (g.dh0) columns.with(piece, [&](int64_t j, int64_t e) { from_next(-1, j, e); });
        } else if ((phase - 1) % each == 0) {
          columns.with(piece, [&](int64_t j, int64_t e) { gave(i, j, e); });
        } else {
          units.with(piece, [&](int64_t j, int64_t e) { projected(i, j, e); });
        }
      });
  if (g.dh0) std::copy_n(dh, batch * given, g.dh0);
  if (g.dc0) std::copy_n(dc, batch * hidden, g.dc0);
  return d;
}

// The gradient of the weights of the state: of each step's gates by the state before, which is y
// one step earlier, or h0. Beyond the end of a sequence gates have no gradient, and y is 0.
template <class T>
void state_weights(const Layer<T>& l, const T* by_state, const T* y, int64_t ld, T* dw) {
  const Sizes& s = l.s;
  const int64_t wide = s.all_gates(), less = std::max<int64_t>(0, s.rows() - s.batch);
  const int64_t shift = s.rows() - less;
  const auto gates = mat(const_cast<T*>(by_state) + (l.backwards ? 0 : shift * wide), less, wide);
  const Mat<T> before{const_cast<T*>(y) + (l.backwards ? shift * ld : 0), less, s.given, ld};
  const auto to = mat(dw, wide, s.given);
  linalg::gemm(l.ctx, gates.t(), before, to);
  T* starts = l.ctx.template scratch_of<T>(s.batch * wide);
  for (int64_t b = 0; b < s.batch; ++b) {
    const int64_t t = s.steps > 0 ? l.first(b) : -1;
    if (t < 0) std::fill_n(starts + b * wide, wide, T(0));
    else std::copy_n(by_state + (t * s.batch + b) * wide, wide, starts + b * wide);
  }
  linalg::gemm(l.ctx, mat(starts, s.batch, wide).t(), l.weights(l.h0, s.batch, s.given), to, true);
}

// x, y, dy: as in forward_layer.
template <class T>
void backward_layer(const Layer<T>& l, int64_t layer, int64_t direction, const T* x, const T* y,
                    int64_t ld, const LayerGradients<T>& g) {
  ScratchScope scope;
  const Sizes& s = l.s;
  const int64_t wide = s.all_gates(), rows = s.rows();
  const GateGradients<T> d = backward_steps(l, y, ld, g);
  const auto by_input = mat(d.by_input, rows, wide);
  if (g.dx)
    linalg::gemm(l.ctx, by_input, l.weights(l.wx, wide, l.into), mat(g.dx, rows, l.into), g.add_dx);
  if (!g.dparameters) return;
  const Places at(l.p, s, layer, direction);
  T* to = g.dparameters;
  linalg::gemm(l.ctx, by_input.t(), mat(const_cast<T*>(x), rows, l.into),
               mat(to + at.x, wide, l.into));
  state_weights(l, d.by_state, y, ld, to + at.h);
  if (d.given)
    linalg::gemm(l.ctx, mat(d.given, rows, s.given).t(), mat(l.state, rows, s.hidden),
                 mat(to + at.r, s.given, s.hidden));
  linalg::sum_rows(l.ctx, d.by_input, rows, wide, to + at.bias);
  if (l.p.gru()) linalg::sum_rows(l.ctx, d.by_state, rows, wide, to + at.bias + wide);
  else std::copy_n(to + at.bias, wide, to + at.bias + wide);
}

// --- all layers ---------------------------------------------------------------------------------
const int64_t* lengths_of(const RnnParam& p, OpContext& ctx, const Blob* lengths, const Sizes& s) {
  if (!p.use_sequence_length) return nullptr;
  int64_t* n = ctx.scratch_of<int64_t>(s.batch);
  with_dtype(lengths->dtype, "RNN", [&](auto type) {
    const auto* from = lengths->as<decltype(type)>();
    for (int64_t b = 0; b < s.batch; ++b) {
      const double v = double(from[b]);
      n[b] = v > 0 ? int64_t(std::min(v, double(s.steps))) : 0;
    }
  });
  return n;
}

constexpr int64_t kElements = 16384;

template <class T>
void scale(OpContext& ctx, const T* x, const T* by, int64_t n, T* y) {
  ctx.parallel_for(n, kElements, [&](int64_t from, int64_t to) {
    for (int64_t i = from; i < to; ++i) y[i] = x[i] * by[i];
  });
}

// The factors of dropout on the way to layer + 1.
template <class T>
void fill_mask(const RnnParam& p, OpContext& ctx, int64_t layer, int64_t n, T* mask) {
  if (!ctx.training) return std::fill_n(mask, n, T(1)), void();
  const float keep = 1 - p.p;
  const T scale = keep > 0 ? T(1) / T(keep) : T(0);
  ctx.parallel_for(n, kElements, [&](int64_t from, int64_t to) {
    constexpr int64_t kChunk = 256;
    float u[kChunk];
    for (int64_t i = from; i < to; i += kChunk) {
      const int64_t m = std::min(kChunk, to - i);
      philox::uniforms(ctx.seed, layer * n + i, m, u);
      for (int64_t j = 0; j < m; ++j) mask[i + j] = u[j] < keep ? scale : T(0);
    }
  });
}

void check_params(const RnnParam& p) {
  const bool fits = !p.projection_size || (p.lstm() && *p.projection_size > 0);
  check(fits, "[RNN] projection_size has the value {}, expected {}", p.projection_size.value_or(0),
        p.lstm() ? "at least 1" : "None unless mode is lstm");
  const bool low = p.lstm_state_clip_min.has_value(), high = p.lstm_state_clip_max.has_value();
  check(low == high, "[RNN] found lstm_state_clip_{} alone, expected both ends of the range",
        low ? "min" : "max");
  check(!p.clips() || *p.lstm_state_clip_min <= *p.lstm_state_clip_max,
        "[RNN] lstm_state_clip_min has the value {}, expected at most lstm_state_clip_max, {}",
        p.lstm_state_clip_min.value_or(0), p.lstm_state_clip_max.value_or(0));
}

template <class T>
void forward(const RnnParam& p, OpContext& ctx, Inputs in, Outputs out, Products products) {
  const Sizes s(p, in[0].shape);
  const Saved keeps(p, s);
  const int64_t* lengths =
      lengths_of(p, ctx, p.use_sequence_length ? &in[length_input(p)] : nullptr, s);
  T* saved = ctx.wants(saved_output(p)) ? out[size_t(saved_output(p))].as<T>() : nullptr;
  T* shown = ctx.output(out, 0).template as<T>();
  T* states = p.state_outputs && ctx.wants(1) ? out[1].as<T>() : nullptr;
  T* cells = p.state_outputs && p.lstm() && ctx.wants(2) ? out[2].as<T>() : nullptr;
  const T* x = in[0].as<T>();
  const int64_t n = s.rows() * s.out();
  const bool drops = p.p > 0 && ctx.training && s.layers > 1;
  T* dropped = drops ? ctx.scratch_of<T>(n) : nullptr;
  // In the place of what is saved between layers.
  T *mask = drops && !saved ? ctx.scratch_of<T>(n) : nullptr, *between[2] = {};
  for (int64_t i = 0; i < std::min<int64_t>(s.layers - 1, 2) && !saved; ++i)
    between[i] = ctx.scratch_of<T>(n);
  for (int64_t i = 0; i < s.layers; ++i) {
    if (saved) mask = saved + i * keeps.size + keeps.mask;
    T* y = i == s.layers - 1 ? shown
           : saved           ? saved + i * keeps.size + keeps.output
                             : between[i % 2];
    for (int64_t d = 0; d < s.directions; ++d) {
      ScratchScope scope;
      const Layer<T> l(p, s, ctx, products, lengths, i, d, in[1].as<T>(), saved, in[2].as<T>(),
                       p.lstm() ? in[cell_input(p)].as<T>() : nullptr);
      const int64_t k = i * s.directions + d;
      forward_layer(l, x, y + d * s.given, s.out(),
                    states ? states + k * s.batch * s.given : nullptr,
                    cells ? cells + k * s.batch * s.hidden : nullptr);
    }
    x = y;
    if (p.p == 0 || i == s.layers - 1) continue;
    if (mask) fill_mask(p, ctx, i, n, mask);
    if (!dropped) continue;
    scale(ctx, y, mask, n, dropped);
    x = dropped;
  }
}

template <class T>
void zero(OpContext& ctx, Outputs out, int i) {
  if (i >= 0 && ctx.wants(i)) std::fill_n(out[size_t(i)].as<T>(), out[size_t(i)].size(), T(0));
}

// in: gradients of what is shown, then data, parameters, state, state_cell, sequence_length as
// there are, then the output and what was saved.
template <class T>
void backward(const RnnParam& p, OpContext& ctx, Inputs in, Outputs out, const Panels* panels) {
  const int heads = saved_output(p), inputs = in.count() - heads - 2;
  const Sizes s(p, in[heads].shape);
  const Saved keeps(p, s);
  const T *data = in[heads].as<T>(), *parameters = in[heads + 1].as<T>();
  const T* h0 = in[heads + 2].as<T>();
  const T* c0 = p.lstm() ? in[heads + 3].as<T>() : nullptr;
  const int64_t* lengths =
      lengths_of(p, ctx, p.use_sequence_length ? &in[heads + length_input(p)] : nullptr, s);
  const T* shown = in[heads + inputs].as<T>();
  T* saved = in[heads + inputs + 1].as<T>();
  const T* dh = p.state_outputs ? in[1].as<T>() : nullptr;
  const T* dc = p.state_outputs && p.lstm() ? in[2].as<T>() : nullptr;
  T* dparameters = ctx.wants(1) ? out[1].as<T>() : nullptr;
  T* dh0 = ctx.wants(2) ? out[2].as<T>() : nullptr;
  T* dc0 = p.lstm() && ctx.wants(3) ? out[3].as<T>() : nullptr;
  if (p.use_sequence_length && ctx.wants(length_input(p))) {
    const Blob& b = out[size_t(length_input(p))];
    with_dtype(b.dtype, "RNN", [&](auto type) {
      std::fill_n(b.as<decltype(type)>(), b.size(), decltype(type)(0));
    });
  }
  const int64_t n = s.rows() * s.out();
  T* between[2] = {};
  if (s.layers > 1) between[0] = ctx.scratch_of<T>(n);
  if (s.layers > 2) between[1] = ctx.scratch_of<T>(n);
  T* dropped = p.p > 0 && s.layers > 1 ? ctx.scratch_of<T>(n) : nullptr;
  const T* dy = in[0].as<T>();
  for (int64_t i = s.layers - 1; i >= 0; --i) {
    const T* y = i == s.layers - 1 ? shown : saved + i * keeps.size + keeps.output;
    const T* below = i == 0 ? data : saved + (i - 1) * keeps.size + keeps.output;
    const T* mask = i > 0 && dropped ? saved + (i - 1) * keeps.size + keeps.mask : nullptr;
    const T* x = below;
    if (mask) scale(ctx, below, mask, n, dropped), x = dropped;
    T* dx = i > 0          ? between[i % 2 == 0 && between[1] ? 1 : 0]
            : ctx.wants(0) ? out[0].as<T>()
                           : nullptr;
    for (int64_t d = 0; d < s.directions; ++d) {
      const Layer<T> l(p, s, ctx, {panels}, lengths, i, d, parameters, saved, h0, c0);
      const int64_t k = i * s.directions + d, of_h = k * s.batch * s.given,
                    of_c = k * s.batch * s.hidden;
      backward_layer(l, i, d, x, y + d * s.given, s.out(),
                     LayerGradients<T>{dy + d * s.given, dh ? dh + of_h : nullptr,
                                       dc ? dc + of_c : nullptr, dx, d > 0, dparameters,
                                       dh0 ? dh0 + of_h : nullptr, dc0 ? dc0 + of_c : nullptr});
    }
    if (mask) scale(ctx, dx, mask, n, dx);
    dy = dx;
  }
}

void run(const RnnParam& p, OpContext& ctx, Inputs in, Outputs out, Products products) {
  if (in[0].dtype == Dtype::kFloat64) return forward<double>(p, ctx, in, out, products);
  check(in[0].dtype == Dtype::kFloat32 || is_half(in[0].dtype),
        "[RNN] data has dtype {}, expected a floating type", in[0].dtype);
  in_float(ctx, in, out, [&](Inputs x, Outputs y) { forward<float>(p, ctx, x, y, products); });
}
void run_backward(const RnnParam& p, OpContext& ctx, Inputs in, Outputs out, const Panels* panels) {
  if (in[0].dtype == Dtype::kFloat64) return backward<double>(p, ctx, in, out, panels);
  in_float(ctx, in, out, [&](Inputs x, Outputs y) { backward<float>(p, ctx, x, y, panels); });
}

Sizes sizes_of(const RnnParam& p, int64_t parameters) {
  const ParameterSize size(p);
  return {p, {0, 0, (parameters - size.fixed) / size.per_feature}};
}
int64_t packed_size(const RnnParam& p, int64_t parameters, const Panels& panels) {
  return Places(p, sizes_of(p, parameters), 0, 0, panels.wide).size;
}

template <class T>
void pack(const RnnParam& p, OpContext& ctx, const Sizes& s, const T* from, const Panels& panels,
          T* packed) {
  const auto one = [&](int64_t rows, int64_t cols, int64_t at, int64_t packed_at) {
    const Factor<T> f(mat(const_cast<T*>(from) + at, rows, cols).t(), panels, packed + packed_at);
    const int64_t all = f.panels();
    ctx.parallel_for(all, std::max<int64_t>(1, all / kPieces),
                     [&](int64_t begin, int64_t end) { f.pack(begin, end); });
  };
  for (int64_t layer = 0; layer < s.layers; ++layer)
    for (int64_t d = 0; d < s.directions; ++d) {
      const Places at(p, s, layer, d), there(p, s, layer, d, panels.wide);
      const int64_t apart = Places::whole(s.hidden, panels.wide);
      for (int64_t g = 0; g < s.gates; ++g)
        for (const auto& [cols, x, y] :
             {std::tuple{s.into(layer), at.x, there.x}, std::tuple{s.given, at.h, there.h}})
          one(s.hidden, cols, x + g * s.hidden * cols, y + g * apart * cols);
      if (p.projection_size) one(s.given, s.hidden, at.r, there.r);
    }
  const Places at(p, s, 0, 0), there(p, s, 0, 0, panels.wide);
  std::copy_n(from + at.bias, at.size - at.bias, packed + there.bias);
}

void pack(const RnnParam& p, OpContext& ctx, const Blob& parameters, const Blob& to,
          const Panels& panels) {
  with_float(parameters.dtype, "RNN", [&](auto type) {
    using T = decltype(type);
    pack(p, ctx, sizes_of(p, parameters.size()), parameters.as<T>(), panels, to.as<T>());
  });
}

void portable(const RnnParam& p, OpContext& ctx, Inputs in, Outputs out) {
  run(p, ctx, in, out, {});
}
void portable_backward(const RnnParam& p, OpContext& ctx, Inputs in, Outputs out) {
  run_backward(p, ctx, in, out, nullptr);
}

// --- scratch memory ------------------------------------------------------------------------------
// In the order of the functions that take it.
class Needs {
 public:
  Needs(const RnnParam& p, const Situation& s, const Sizes& sizes, const Panels* panels)
      : p_(p),
        s_(sizes),
        panels_(panels),
        type_(s.in[0].dtype == Dtype::kFloat64 ? Dtype::kFloat64 : Dtype::kFloat32) {
    if (panels && type_ != Dtype::kFloat32) panels_ = nullptr;
    const auto copies = [&](std::span<const Blob> blobs, bool written) {
      for (size_t i = 0; i < blobs.size(); ++i)
        if (is_half(blobs[i].dtype) && (!written || s.wants(i))) take(4 * blobs[i].size());
    };
    copies(s.in, false), copies(s.out, true);
    if (p.use_sequence_length) take(8 * s_.batch);
  }
  void take(int64_t bytes) { all_.take(bytes); }
  void elements(int64_t n) { take(n * dtype_size(type_)); }

  // Of one layer and direction.
  ScratchNeed forward(int64_t layer, bool saved, bool packed) const {
    Needs n(*this);
    n.all_ = {};
    const int64_t one = s_.batch * s_.hidden, wide = s_.all_gates(), into = s_.into(layer);
    if (!saved) {
      const int64_t few =
          panels_ ? std::max<int64_t>(1, 48 / std::max<int64_t>(1, s_.batch)) : s_.steps;
      n.elements(std::min(few, s_.steps) * s_.gates * one), n.elements(2 * one), n.elements(one);
    }
    n.elements(wide);
    if (!panels_) n.of_all(s_.rows(), wide, into);
    for (int64_t g = 0; panels_ && !packed && g < s_.gates; ++g)
      n.factor(into, s_.hidden), n.factor(s_.given, s_.hidden);
    if (panels_ && apart<float>(into) != into) n.elements(s_.rows() * apart<float>(into));
    if (p_.projection_size && panels_ && !packed) n.factor(s_.hidden, s_.given);
    n.elements(2 * s_.batch * apart<double>(s_.given) + 128);
    n.product(s_.batch, wide, std::max(s_.given, s_.hidden));
    return n.all_;
  }
  ScratchNeed backward(int64_t layer, bool wants_parameters) const {
    Needs n(*this);
    n.all_ = {};
    const int64_t wide = s_.all_gates(), into = s_.into(layer), rows = s_.rows();
    n.elements(rows * wide);
    if (p_.gru()) n.elements(rows * wide);
    if (p_.projection_size) n.elements(rows * s_.given), n.elements(s_.batch * s_.hidden);
    Needs steps(n), input(n), weights(n);
    steps.all_ = input.all_ = weights.all_ = {};
    if (panels_) n.factor(wide, s_.given);
    if (panels_ && p_.projection_size) n.factor(s_.given, s_.hidden);
    n.elements(s_.batch * s_.given), n.elements(s_.batch * s_.given);
    if (p_.lstm()) n.elements(s_.batch * s_.hidden);
    steps.product(s_.batch, s_.given, wide);
    input.of_all(rows, into, wide);
    if (wants_parameters) {
      weights.of_all(wide, into, rows);
      Needs of_state(weights);
      of_state.all_ = {};
      of_state.of_all(wide, s_.given, rows);
      of_state.elements(s_.batch * wide), of_state.of_all(wide, s_.given, s_.batch);
      if (p_.projection_size) of_state.of_all(s_.given, s_.hidden, rows);
      weights.most(of_state.all_);
    }
    steps.most(input.all_), steps.most(weights.all_);
    n.add(steps.all_);
    return n.all_;
  }
  void add(const ScratchNeed& more) {
    all_.call += more.call, all_.piece = std::max(all_.piece, more.piece);
  }
  void most(const ScratchNeed& other) {
    all_.call = std::max(all_.call, other.call), all_.piece = std::max(all_.piece, other.piece);
  }
  const ScratchNeed& all() const { return all_; }

 private:
  void factor(int64_t rows, int64_t columns) {
    elements(Places::whole(columns, panels_->wide) * rows);
  }
  // By all threads.
  void of_all(int64_t m, int64_t n, int64_t k) {
    const ScratchNeed need = linalg::scratch(m, n, k, type_);
    all_.call += need.call, all_.piece = std::max(all_.piece, need.piece);
  }
  void product(int64_t m, int64_t n, int64_t k) {
    all_.piece = std::max(all_.piece, linalg::gemm_scratch(m, n, k, type_));
  }
  const RnnParam& p_;
  Sizes s_;
  const Panels* panels_;
  Dtype type_;
  ScratchNeed all_;
};

ScratchNeed scratch(const RnnParam& p, const Situation& situation, Products products) {
  const Sizes s(p, situation.in[0].shape);
  Needs needs(p, situation, s, products.panels);
  const bool saved = situation.wants(size_t(saved_output(p)));
  const int64_t n = s.rows() * s.out();
  if (!situation.wants(0)) needs.elements(n);
  if (p.p > 0 && situation.training && s.layers > 1) {
    needs.elements(n);
    if (!saved) needs.elements(n);
  }
  for (int64_t i = 0; i < std::min<int64_t>(s.layers - 1, 2) && !saved; ++i) needs.elements(n);
  ScratchNeed most = needs.forward(0, saved, products.packed);
  if (s.layers > 1) {
    const ScratchNeed other = needs.forward(1, saved, products.packed);
    most = {std::max(most.call, other.call), std::max(most.piece, other.piece)};
  }
  needs.add(most);
  return needs.all();
}

ScratchNeed scratch_backward(const RnnParam& p, const Situation& situation, const Panels* panels) {
  const Sizes s(p, situation.in[size_t(saved_output(p))].shape);
  Needs needs(p, situation, s, panels);
  const int64_t n = s.rows() * s.out();
  for (int64_t i = 0; i < std::min<int64_t>(s.layers - 1, 2); ++i) needs.elements(n);
  if (p.p > 0 && s.layers > 1) needs.elements(n);
  const bool wants_parameters = situation.wants(1);
  ScratchNeed most = needs.backward(0, wants_parameters);
  if (s.layers > 1) {
    const ScratchNeed other = needs.backward(1, wants_parameters);
    most = {std::max(most.call, other.call), std::max(most.piece, other.piece)};
  }
  needs.add(most);
  return needs.all();
}

ScratchNeed portable_scratch(const RnnParam& p, const Situation& s) { return scratch(p, s, {}); }
ScratchNeed portable_scratch_backward(const RnnParam& p, const Situation& s) {
  return scratch_backward(p, s, nullptr);
}

// --- the record ---------------------------------------------------------------------------------
void infer(const RnnParam& p, InferContext& c) {
  check_params(p);
  const int64_t d = p.directions(), layers = p.num_layers * d, given = p.given();
  // The batch, from whoever knows it.
  c.set_in(0, {-1, -1, -1});
  c.set_out(0, {c.in(0)[0], c.in(0)[1], d * given});
  c.set_in(0, {c.out(0)[0], c.out(0)[1], -1});
  c.set_in(2, {layers, c.in(0)[1], given});
  c.set_in(0, {-1, c.in(2)[1], -1});
  const int64_t batch = c.in(0)[1];
  c.set_out(0, {-1, batch, d * given});
  if (p.lstm()) c.set_in(3, {layers, batch, int64_t(p.state_size)});
  if (p.use_sequence_length) c.set_in(length_input(p), {batch});
  if (p.state_outputs) c.set_out(1, {layers, batch, given});
  if (p.state_outputs && p.lstm()) c.set_out(2, {layers, batch, int64_t(p.state_size)});
  // The features, from the parameters, or the other way round.
  const ParameterSize size(p);
  const Shape& parameters = c.in(1);
  if (parameters.has_rank() && parameters.rank() == 1 && parameters[0] >= 0) {
    const int64_t features = (parameters[0] - size.fixed) / size.per_feature;
    check(features >= 0 && features * size.per_feature + size.fixed == parameters[0],
          "[RNN] parameters has shape {}, expected {} + {} elements for each feature of data",
          parameters, size.fixed, size.per_feature);
    c.set_in(0, {-1, -1, features});
  }
  const Shape& data = c.in(0);
  c.set_in(1, {data[2] < 0 ? -1 : size.fixed + size.per_feature * data[2]});
  if (!data.known()) return;
  const Sizes s(p, data);
  c.set_out(saved_output(p), {Saved(p, s).total(s)});
}

void infer_dtype(const RnnParam& p, InferContext& c) {
  const int length = length_input(p);
  Dtype found = Dtype::kUnknown;
  for (int i = 0; i < c.inputs(); ++i)
    if (i != length && found == Dtype::kUnknown) found = c.in_dtype(i);
  const int saved = saved_output(p);
  for (int i = 0; i < saved; ++i)
    if (found == Dtype::kUnknown) found = c.out_dtype(i);
  if (found == Dtype::kUnknown) return;
  for (int i = 0; i < c.inputs(); ++i)
    if (i != length) c.set_in_dtype(i, found);
  for (int i = 0; i < saved; ++i) c.set_out_dtype(i, found);
  c.set_out_dtype(saved, found == Dtype::kFloat64 ? found : Dtype::kFloat32);
  if (length >= 0 && c.in_dtype(length) == Dtype::kUnknown) c.set_in_dtype(length, found);
}

std::vector<Output> outputs(const RnnParam& p) {
  std::vector<Output> all{{"output"}};
  if (p.state_outputs) all.push_back({"state_output"});
  if (p.state_outputs && p.lstm()) all.push_back({"statecell_output"});
  all.push_back({"saved", true});
  return all;
}

std::vector<Ref> reads(const RnnParam& p) {
  const int last = saved_output(p), inputs = 3 + p.lstm() + p.use_sequence_length;
  std::vector<Ref> all;
  for (int i = 0; i < last; ++i) all.push_back(dy(i));
  for (int i = 0; i < inputs; ++i) all.push_back(x(i));
  all.push_back(y(0));
  all.push_back(y(last));
  return all;
}

bool draws(const RnnParam& p, bool training) { return training && p.p > 0 && p.num_layers > 1; }

// Every weight is used once for every step of every sequence.
double flops(const RnnParam&, const Situation& s) {
  return 2 * double(s.in[1].size()) * double(s.in[0].shape[0]) * double(s.in[0].shape[1]);
}

void define(OpTable& ops) {
  ops.define({
      .name = "RNN",
      .aliases = {"_npx_rnn"},
      .doc =
          "Layers of recurrent cells over whole sequences: plain ones, h = act(W x + b + U h + "
          "d), LSTM (gates i, f, c, o) or GRU (gates r, z, o; the reset gate multiplies U h + d). "
          "`parameters` holds, for each layer and direction, the weights of the input, of the "
          "state and of the projection, then in the same order the biases of input and state.",
      .dtypes = Dtypes::kFloating,
      .precision = Precision::kNarrow,
      .params = schema<RnnParam>(),
      .inputs = {{"data", "(time, batch, features)"},
                 {"parameters", "all weights and biases, one after the other"},
                 {"state", "(layers * directions, batch, state_size or projection_size)"},
                 {.name = "state_cell",
                  .doc = "(layers * directions, batch, state_size): lstm's memory",
                  .when = when("mode", "lstm")},
                 {.name = "sequence_length",
                  .doc = "(batch): steps beyond give 0 and leave the state",
                  .when = when("use_sequence_length", true)}},
      .outputs = outputs,
      .infer = infer,
      .infer_dtype = infer_dtype,
      .cpu = portable,
      .scratch = portable_scratch,
      .flops = flops,
      .backward = {.reads = reads, .run = portable_backward, .scratch = portable_scratch_backward},
      .draws = draws,
  });
}

}  // namespace heddle::ops::rnn
