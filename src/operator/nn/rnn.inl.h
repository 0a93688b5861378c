// What cells compute from their gates, and the gradients, for a run of hidden units of one
// sequence at one step; at each instruction-set level. Gates lie `stride` apart.
namespace heddle::ops::HEDDLE_ISA {

template <class T, bool kRelu>
void rnn_row(const rnn::ForwardRow<T> &r) {
  simd::ran(HEDDLE_LEVEL);
  T *g = r.gates, *h = r.h;
#pragma omp simd
  for (int64_t i = 0; i < r.n; ++i) {
    const T v = kRelu ? (g[i] > T(0) ? g[i] : g[i] <= T(0) ? T(0) : g[i]) : ew::tanh(g[i]);
    g[i] = v, h[i] = v;
  }
}

// Without clipping there is nothing in the loop that would keep it from being vectorised.
template <class T, bool kClips>
void lstm_row(const rnn::ForwardRow<T> &r) {
  simd::ran(HEDDLE_LEVEL);
  T *in = r.gates, *forget = in + r.stride, *update = forget + r.stride, *out = update + r.stride;
  const T *before = r.before;
  T *c = r.cell, *h = r.h;
  const T low = r.low, high = r.high, for_nan = r.clips_nan ? r.low : ew::kNan<T>;
#pragma omp simd
  for (int64_t i = 0; i < r.n; ++i) {
    const T a = ew::sigmoid(in[i]), f = ew::sigmoid(forget[i]), u = ew::tanh(update[i]);
    const T o = ew::sigmoid(out[i]), sum = f * before[i] + a * u;
    const T within = sum < low ? low : sum > high ? high : sum;
    const T m = kClips ? (sum == sum ? within : for_nan) : sum;
    in[i] = a, forget[i] = f, update[i] = u, out[i] = o, c[i] = m;
    h[i] = o * ew::tanh(m);
  }
}

// cell: what the state adds to the last gate before the reset gate.
template <class T>
void gru_row(const rnn::ForwardRow<T> &r) {
  simd::ran(HEDDLE_LEVEL);
  T *reset = r.gates, *keep = reset + r.stride, *update = keep + r.stride;
  const T *before = r.before, *bias = r.bias;
  T *c = r.cell, *h = r.h;
#pragma omp simd
  for (int64_t i = 0; i < r.n; ++i) {
    const T a = ew::sigmoid(reset[i]), z = ew::sigmoid(keep[i]), s = c[i] + bias[i];
    const T u = ew::tanh(update[i] + a * s);
    reset[i] = a, keep[i] = z, update[i] = u, c[i] = s;
    h[i] = u + z * (before[i] - u);
  }
}

template <class T, bool kRelu>
void rnn_row_backward(const rnn::BackwardRow<T> &r) {
  simd::ran(HEDDLE_LEVEL);
  const T *g = r.gates, *dh = r.dh;
  T *d = r.dgates;
#pragma omp simd
  for (int64_t i = 0; i < r.n; ++i)
    d[i] = kRelu ? (g[i] > T(0) ? dh[i] : T(0)) : dh[i] * (T(1) - g[i] * g[i]);
}

template <class T, bool kClips>
void lstm_row_backward(const rnn::BackwardRow<T> &r) {
  simd::ran(HEDDLE_LEVEL);
  const int64_t s = r.stride;
  const T *in = r.gates, *forget = in + s, *update = forget + s, *out = update + s;
  const T *before = r.before, *c = r.cell, *dh = r.dh;
  T *din = r.dgates, *dforget = din + s, *dupdate = dforget + s, *dout = dupdate + s, *dc = r.dcell;
  const T low = r.low, high = r.high;
#pragma omp simd
  for (int64_t i = 0; i < r.n; ++i) {
    const T a = in[i], f = forget[i], u = update[i], o = out[i], t = ew::tanh(c[i]);
    const T through = dc[i] + dh[i] * o * (T(1) - t * t);
    const T m = kClips && !(c[i] > low && c[i] < high) ? T(0) : through;
    dout[i] = dh[i] * t * (o * (T(1) - o));
    din[i] = m * u * (a * (T(1) - a));
    dupdate[i] = m * a * (T(1) - u * u);
    dforget[i] = m * before[i] * (f * (T(1) - f));
    dc[i] = m * f;
  }
}

// dgates: by what the inputs add to the gates; dstate: by what the state adds; carry: the share of
// dh that goes straight to the state before.
template <class T>
void gru_row_backward(const rnn::BackwardRow<T> &r) {
  simd::ran(HEDDLE_LEVEL);
  const int64_t s = r.stride;
  const T *reset = r.gates, *keep = reset + s, *update = keep + s;
  const T *before = r.before, *c = r.cell, *dh = r.dh;
  T *dreset = r.dgates, *dkeep = dreset + s, *dupdate = dkeep + s;
  T *hreset = r.dstate, *hkeep = hreset + s, *hupdate = hkeep + s, *carry = r.carry;
#pragma omp simd
  for (int64_t i = 0; i < r.n; ++i) {
    const T a = reset[i], z = keep[i], u = update[i];
    const T du = dh[i] * (T(1) - z) * (T(1) - u * u);
    const T da = du * c[i] * (a * (T(1) - a)), dz = dh[i] * (before[i] - u) * (z * (T(1) - z));
    dreset[i] = hreset[i] = da;
    dkeep[i] = hkeep[i] = dz;
    dupdate[i] = du, hupdate[i] = du * a;
    carry[i] = dh[i] * z;
  }
}

}  // namespace heddle::ops::HEDDLE_ISA
