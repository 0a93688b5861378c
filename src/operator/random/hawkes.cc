// The log likelihood of Hawkes processes with exponential decay (Bacry, Mastromatteo and Muzy,
// "Hawkes processes in finance", 2015): process k has the intensity lda_k + alpha_k beta_k s_k(t),
// where s_k is the sum of exp(-beta_k (t - t_i)) over its events before t.
#include <algorithm>
#include <cmath>

#include "heddle/op.h"
#include "operator/scratch_needs.h"

namespace heddle::ops::hawkes {

enum { kLda, kAlpha, kBeta, kState, kLags, kMarks, kLength, kTime };

void infer(InferContext& c) {
  const Shape &lda = c.in(kLda), &lags = c.in(kLags);
  if (lda.known()) {
    check(lda.rank() == 2, "[_contrib_hawkesll] lda has shape {}, expected (samples, processes)",
          lda);
    c.set_in(kState, lda), c.set_out(1, lda), c.set_out(0, {lda[0]});
    for (int i : {kAlpha, kBeta}) c.set_in(i, {lda[1]});
    for (int i : {kLength, kTime}) c.set_in(i, {lda[0]});
  }
  if (!lags.known()) return c.set_in(kLags, c.in(kMarks));
  check(lags.rank() == 2 && (!lda.known() || lags[0] == lda[0]),
        "[_contrib_hawkesll] lags has shape {}, expected (samples, events)", lags);
  c.set_in(kMarks, lags);
}
void infer_dtype(InferContext& c) {
  Dtype d = c.out_dtype(0);
  for (int i = 0; i < c.inputs(); ++i)
    if (i != kMarks && d == Dtype::kUnknown) d = c.in_dtype(i);
  for (int i = 0; i < c.inputs(); ++i)
    if (i != kMarks) c.set_in_dtype(i, d);
  c.set_in_dtype(kMarks, Dtype::kInt32);
  c.set_out_dtype(0, d), c.set_out_dtype(1, d);
}

// What a process remembers: s, its derivatives by beta and by the state at the start, and the time
// of its last event.
struct Memory {
  double s, by_beta = 0, by_state = 1, last = 0;
  // Passes on to time t; returns the decay since the last event.
  double decay(double beta, double t) const { return std::exp(-beta * (t - last)); }
};
// A process of one sample, and the gradient of the likelihood by its parameters.
struct Process {
  double lda, alpha, beta;
  Memory m;
  double d_lda = 0, d_alpha = 0, d_beta = 0, d_state = 0;

  // What the expected number of events since the last one takes from the likelihood.
  double wait(double t) {
    const double d = t - m.last, e = m.decay(beta, t);
    d_lda -= d;
    d_alpha -= m.s * (1 - e);
    d_beta -= alpha * (m.by_beta * (1 - e) + m.s * d * e);
    d_state -= alpha * m.by_state * (1 - e);
    return -(lda * d + alpha * m.s * (1 - e));
  }
  void pass(double t) {
    const double d = t - m.last, e = m.decay(beta, t);
    m.by_beta = (m.by_beta - d * m.s) * e, m.by_state *= e, m.s *= e, m.last = t;
  }
  double event(double t) {
    double sum = wait(t);
    pass(t);
    const double intensity = lda + alpha * beta * m.s;
    d_lda += 1 / intensity;
    d_alpha += beta * m.s / intensity;
    d_beta += alpha * (m.s + beta * m.by_beta) / intensity;
    d_state += alpha * beta * m.by_state / intensity;
    m.s += 1;
    return sum + std::log(intensity);
  }
};

template <class T>
double follow(Inputs in, int first, int64_t i, Process* processes) {
  auto at = [&](int k) -> const T* { return in[first + k].as<T>(); };
  const int64_t k = in[first + kLda].shape[1], events = in[first + kLags].shape[1];
  for (int64_t j = 0; j < k; ++j)
    processes[j] = {double(at(kLda)[i * k + j]),
                    double(at(kAlpha)[j]),
                    double(at(kBeta)[j]),
                    {double(at(kState)[i * k + j])}};
  const double length = double(at(kLength)[i]);
  check(length >= 0 && length <= double(events),
        "[_contrib_hawkesll] valid_length holds {}, expected 0 to {}", length, events);
  double sum = 0, t = 0;
  for (int64_t e = 0; e < int64_t(length); ++e) {
    const int32_t mark = in[first + kMarks].as<int32_t>()[i * events + e];
    check(mark >= 0 && mark < k, "[_contrib_hawkesll] marks holds {}, expected 0 to {}", mark,
          k - 1);
    t += double(at(kLags)[i * events + e]);
    sum += processes[mark].event(t);
  }
  for (int64_t j = 0; j < k; ++j) {
    sum += processes[j].wait(double(at(kTime)[i]));
    processes[j].pass(double(at(kTime)[i]));
  }
  return sum;
}

void forward(OpContext& ctx, Inputs in, Outputs out) {
  with_float(in[0].dtype, "_contrib_hawkesll", [&](auto type) {
    using T = decltype(type);
    const int64_t n = in[kLda].shape[0], k = in[kLda].shape[1];
    Process* all = ctx.scratch_of<Process>(n * k + 1);
    for (int64_t i = 0; i < n; ++i) {
      const double sum = follow<T>(in, 0, i, all + i * k);
      if (ctx.wants(0)) out[0].as<T>()[i] = T(sum);
      for (int64_t j = 0; ctx.wants(1) && j < k; ++j)
        out[1].as<T>()[i * k + j] = T(all[i * k + j].m.s);
    }
  });
}

// in: gradients of the likelihood and of out_state, then the inputs.
void backward(OpContext& ctx, Inputs in, Outputs out) {
  for (int i : {int(kLags), int(kTime)})
    check(!ctx.wants(i), "[_contrib_hawkesll] has no gradient by {}",
          i == kLags ? "lags" : "max_time");
  with_float(in[0].dtype, "_contrib_hawkesll", [&](auto type) {
    using T = decltype(type);
    const int64_t n = in[2].shape[0], k = in[2].shape[1];
    Process* all = ctx.scratch_of<Process>(k + 1);
    double* sums = ctx.scratch_of<double>(2 * k + 1);
    std::fill_n(sums, 2 * k, 0.0);
    for (int64_t i = 0; i < n; ++i) {
      follow<T>(in, 2, i, all);
      const double dy = double(in[0].as<T>()[i]);
      for (int64_t j = 0; j < k; ++j) {
        const Process& p = all[j];
        const double ds = double(in[1].as<T>()[i * k + j]);
        sums[j] += dy * p.d_alpha, sums[k + j] += dy * p.d_beta + ds * p.m.by_beta;
        if (ctx.wants(kLda)) out[kLda].as<T>()[i * k + j] = T(dy * p.d_lda);
        if (ctx.wants(kState))
          out[kState].as<T>()[i * k + j] = T(dy * p.d_state + ds * p.m.by_state);
      }
    }
    for (int64_t j = 0; j < k; ++j) {
      if (ctx.wants(kAlpha)) out[kAlpha].as<T>()[j] = T(sums[j]);
      if (ctx.wants(kBeta)) out[kBeta].as<T>()[j] = T(sums[k + j]);
    }
    if (ctx.wants(kMarks)) std::fill_n(out[kMarks].as<int32_t>(), out[kMarks].size(), 0);
    if (ctx.wants(kLength)) std::fill_n(out[kLength].as<T>(), n, T(0));
  });
}

void define(OpTable& ops) {
  ops.define(
      {.name = "_contrib_hawkesll",
       .doc = "The log likelihood of Hawkes processes with exponential decay, observed from 0 to "
              "max_time, and what they remember then.",
       .dtypes = Dtypes::kFloating,
       .precision = Precision::kFull,
       .inputs = {{"lda", "(samples, processes): intensities without events"},
                  {"alpha", "(processes): events that each event causes"},
                  {"beta", "(processes): how fast that decays"},
                  {"state", "(samples, processes): what is remembered at the start"},
                  {"lags", "(samples, events): time since the event before"},
                  {"marks", "(samples, events): the process of each event, int32"},
                  {"valid_length", "(samples): how many events there are"},
                  {"max_time", "(samples): the end of the observation"}},
       .outputs = {{"output"}, {"out_state"}},
       .infer = infer,
       .infer_dtype = infer_dtype,
       .cpu = forward,
       .backward = {.reads = {dy(0), dy(1), x(0), x(1), x(2), x(3), x(4), x(5), x(6), x(7)},
                    .run = backward}});
  ops.scratch("_contrib_hawkesll", copies_scratch<128>);
  ops.scratch("_backward__contrib_hawkesll", copies_scratch<128>);
}

}  // namespace heddle::ops::hawkes
