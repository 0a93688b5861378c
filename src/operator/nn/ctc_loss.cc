// CTCLoss: the probability of a sequence of labels summed over all its alignments with time, by the
// recursions of Graves and others, "Connectionist Temporal Classification" (2006), in logarithms.
#include <algorithm>
#include <cmath>
#include <limits>

#include "heddle/op.h"

namespace heddle::ops::ctc_loss {

enum class Blank { kFirst, kLast };

struct CtcLossParam {
  bool use_data_lengths = false, use_label_lengths = false;
  Blank blank_label = Blank::kFirst;
  void fields(auto&& f) {
    f("use_data_lengths", use_data_lengths, "Take the number of steps of each sequence.");
    f("use_label_lengths", use_label_lengths,
      "Take the number of labels of each sequence; otherwise they end at the first 0 (blank_label "
      "first) or -1 (last).");
    f("blank_label", blank_label, "Which of the alphabet is the blank.").names({"first", "last"});
  }
};

int label_lengths_input(const CtcLossParam& p) { return p.use_data_lengths ? 3 : 2; }

void infer(InferContext& c) {
  c.set_in(0, {-1, -1, -1});
  c.set_in(1, {-1, -1});
  c.set_out(1, c.in(0));
  c.set_in(0, c.out(1));
  c.set_in(1, {c.in(0)[1], -1});
  c.set_in(0, {-1, c.in(1)[0], -1});
  c.set_out(0, {c.in(0)[1]});
  c.set_in(0, {-1, c.out(0)[0], -1});
  for (int i = 2; i < c.inputs(); ++i) c.set_in(i, {c.in(0)[1]});
  check(c.in(0)[2] != 0, "[CTCLoss] data has shape {}, expected an alphabet with the blank in it",
        c.in(0));
}

// Labels and lengths may have dtypes of their own.
void infer_dtype(InferContext& c) {
  c.set_in_dtype(0, c.out_dtype(0));
  c.set_out_dtype(0, c.in_dtype(0));
  c.set_out_dtype(1, c.in_dtype(0));
  c.set_in_dtype(0, c.out_dtype(1));
  for (int i = 1; i < c.inputs(); ++i)
    if (c.in_dtype(i) == Dtype::kUnknown) c.set_in_dtype(i, c.in_dtype(0));
}

const int64_t* as_integers(OpContext& ctx, const Blob& b) {
  int64_t* v = ctx.scratch_of<int64_t>(b.size());
  with_dtype(b.dtype, "CTCLoss", [&](auto type) {
    const auto* from = b.as<decltype(type)>();
    constexpr double kMost = 1e18;  // what is not a number becomes one that is out of range
    for (int64_t i = 0; i < b.size(); ++i) {
      const double x = double(from[i]);
      v[i] = std::isnan(x) ? -int64_t(kMost) : int64_t(std::clamp(x, -kMost, kMost));
    }
  });
  return v;
}

void check_lengths(const int64_t* v, int64_t n, int64_t most, const char* name) {
  for (int64_t i = 0; i < n; ++i)
    check(v[i] >= 0 && v[i] <= most, "[CTCLoss] {} has the value {}, expected 0 to {}", name, v[i],
          most);
}

constexpr double kNever = -std::numeric_limits<double>::infinity();

double log_add(double a, double b) {
  const double most = std::max(a, b), least = std::min(a, b);
  return least == kNever ? most : most + std::log1p(std::exp(least - most));
}

// One sequence and its labels with blanks between them and at both ends.
template <class T>
struct Alignment {
  const T* data;  // of step 0
  int64_t step;   // elements between steps
  int64_t alphabet, steps, states;
  int64_t blank;
  const int64_t* labels;

  int64_t symbol(int64_t s) const { return s % 2 ? labels[s / 2] : blank; }
  // Whether state s may follow s - 2: the blank between two like labels must not be skipped.
  bool skips(int64_t s) const { return s % 2 && s > 1 && symbol(s) != symbol(s - 2); }
  double value(int64_t t, int64_t a) const { return double(float_or_double(data[t * step + a])); }
  static auto float_or_double(T v) {
    if constexpr (sizeof(T) < 8) return float(v);
    else return v;
  }
  // Each label takes a step, and so does the blank between two like ones.
  bool fits() const {
    int64_t least = states / 2;
    for (int64_t s = 3; s < states; s += 2) least += symbol(s) == symbol(s - 2);
    return least <= steps;
  }
};

// The logarithm of the sum of exp over the alphabet at each step.
template <class T>
void normalisers(const Alignment<T>& a, double* log_sum) {
  for (int64_t t = 0; t < a.steps; ++t) {
    double most = a.value(t, 0), sum = 0;
    for (int64_t k = 1; k < a.alphabet; ++k) most = std::max(most, a.value(t, k));
    for (int64_t k = 0; k < a.alphabet; ++k) sum += std::exp(a.value(t, k) - most);
    log_sum[t] = most + std::log(sum);
  }
}

// alpha(t, s): of all ways to be in state s at step t, with what was seen up to t. Returns the
// logarithm of the whole.
template <class T>
double forward_sums(const Alignment<T>& a, const double* log_sum, double* alpha) {
  const int64_t n = a.states;
  for (int64_t t = 0; t < a.steps; ++t) {
    double* now = alpha + t * n;
    const double* before = now - n;
    for (int64_t s = 0; s < n; ++s) {
      double sum = kNever;
      if (t == 0) {
        sum = s < 2 ? 0 : kNever;
      } else {
        sum = before[s];
        if (s > 0) sum = log_add(sum, before[s - 1]);
        if (a.skips(s)) sum = log_add(sum, before[s - 2]);
      }
      now[s] = sum == kNever ? sum : sum + a.value(t, a.symbol(s)) - log_sum[t];
    }
  }
  const double* last = alpha + (a.steps - 1) * n;
  return n > 1 ? log_add(last[n - 1], last[n - 2]) : last[0];
}

// The gradient at each step: what softmax gives minus how much of the whole passes each symbol.
// beta(s): of all ways on from state s, without what is seen at the step itself.
template <class T>
void gradient(const Alignment<T>& a, const double* log_sum, const double* alpha, double whole,
              double* beta, double* row, T* out) {
  const int64_t n = a.states;
  double* next = beta + n;  // beta of the step after, with what is seen there
  for (int64_t t = a.steps - 1; t >= 0; --t) {
    for (int64_t s = 0; s < n; ++s) {
      double sum = kNever;
      if (t == a.steps - 1) {
        sum = s >= n - 2 ? 0 : kNever;
      } else {
        sum = next[s];
        if (s + 1 < n) sum = log_add(sum, next[s + 1]);
        if (s + 2 < n && a.skips(s + 2)) sum = log_add(sum, next[s + 2]);
      }
      beta[s] = sum;
    }
    for (int64_t k = 0; k < a.alphabet; ++k) row[k] = std::exp(a.value(t, k) - log_sum[t]);
    for (int64_t s = 0; s < n; ++s) {
      const int64_t k = a.symbol(s);
      if (alpha[t * n + s] != kNever && beta[s] != kNever)
        row[k] -= std::exp(alpha[t * n + s] + beta[s] - whole);
      next[s] = beta[s] + a.value(t, k) - log_sum[t];
    }
    for (int64_t k = 0; k < a.alphabet; ++k) out[t * a.step + k] = T(row[k]);
  }
}

// The loss of one sequence; `grad` may be null. As in MXNet, labels that do not fit into the steps
// have no loss and no gradient.
template <class T>
double sequence(const Alignment<T>& a, T* grad) {
  if (!a.fits() || a.steps == 0) {
    for (int64_t t = 0; grad && t < a.steps; ++t) std::fill_n(grad + t * a.step, a.alphabet, T(0));
    return 0;
  }
  ScratchScope scope;
  const auto doubles = [](int64_t n) {
    return static_cast<double*>(thread_scratch(size_t(n) * sizeof(double)));
  };
  double *log_sum = doubles(a.steps), *alpha = doubles(a.steps * a.states);
  normalisers(a, log_sum);
  const double whole = forward_sums(a, log_sum, alpha);
  if (grad) gradient(a, log_sum, alpha, whole, doubles(2 * a.states), doubles(a.alphabet), grad);
  return -whole;
}

int64_t count_labels(const CtcLossParam& p, const int64_t* labels, int64_t most) {
  const int64_t end = p.blank_label == Blank::kFirst ? 0 : -1;
  return std::find(labels, labels + most, end) - labels;
}

template <class T>
void run(const CtcLossParam& p, OpContext& ctx, Inputs in, Outputs out) {
  const Shape& x = in[0].shape;
  const int64_t steps = x[0], batch = x[1], alphabet = x[2], most = in[1].shape[1];
  const int64_t* labels = as_integers(ctx, in[1]);
  const int64_t* data_lengths = p.use_data_lengths ? as_integers(ctx, in[2]) : nullptr;
  const int64_t* label_lengths =
      p.use_label_lengths ? as_integers(ctx, in[label_lengths_input(p)]) : nullptr;
  if (data_lengths) check_lengths(data_lengths, batch, steps, "data_lengths");
  if (label_lengths) check_lengths(label_lengths, batch, most, "label_lengths");
  int64_t* counts = ctx.scratch_of<int64_t>(batch);
  for (int64_t b = 0; b < batch; ++b) {
    counts[b] = label_lengths ? label_lengths[b] : count_labels(p, labels + b * most, most);
    for (int64_t i = 0; i < counts[b]; ++i)
      check(labels[b * most + i] >= 0 && labels[b * most + i] < alphabet,
            "[CTCLoss] label has the value {}, expected 0 to {}", labels[b * most + i],
            alphabet - 1);
  }
  T* grad = ctx.wants(1) ? out[1].as<T>() : nullptr;
  T* loss = ctx.wants(0) ? out[0].as<T>() : nullptr;
  ctx.parallel_for(batch, 1, [&](int64_t from, int64_t to) {
    for (int64_t b = from; b < to; ++b) {
      const Alignment<T> a{in[0].as<T>() + b * alphabet,
                           batch * alphabet,
                           alphabet,
                           data_lengths ? data_lengths[b] : steps,
                           2 * counts[b] + 1,
                           p.blank_label == Blank::kFirst ? 0 : alphabet - 1,
                           labels + b * most};
      const double v = sequence(a, grad ? grad + b * alphabet : nullptr);
      if (loss) loss[b] = T(v);
      for (int64_t t = a.steps; grad && t < steps; ++t)
        std::fill_n(grad + t * a.step + b * alphabet, alphabet, T(0));
    }
  });
}

void forward(const CtcLossParam& p, OpContext& ctx, Inputs in, Outputs out) {
  with_float(in[0].dtype, "CTCLoss", [&](auto type) { run<decltype(type)>(p, ctx, in, out); });
}

// in: dy (batch), the gradient for heads of 1. Labels and lengths have none.
void backward(const CtcLossParam&, OpContext& ctx, Inputs in, Outputs out) {
  for (int i = 1; i < int(out.size()); ++i)
    if (ctx.wants(i))
      with_dtype(out[size_t(i)].dtype, "CTCLoss", [&](auto type) {
        using T = decltype(type);
        std::fill_n(out[size_t(i)].as<T>(), out[size_t(i)].size(), T(0));
      });
  if (!ctx.wants(0)) return;
  const Shape& x = in[1].shape;
  const int64_t batch = x[1], alphabet = x[2];
  with_float(in[1].dtype, "CTCLoss", [&](auto type) {
    using T = decltype(type);
    using Wide = std::conditional_t<(sizeof(T) < 8), float, double>;
    const T *dy = in[0].as<T>(), *grad = in[1].as<T>();
    T* dx = out[0].as<T>();
    const int64_t grain = std::max<int64_t>(1, 16384 / alphabet);
    ctx.parallel_for(x[0] * batch, grain, [&](int64_t from, int64_t to) {
      for (int64_t i = from; i < to; ++i)
        for (int64_t k = i * alphabet; k < (i + 1) * alphabet; ++k)
          dx[k] = T(Wide(grad[k]) * Wide(dy[i % batch]));
    });
  });
}

// In a piece, the sums of one sequence with as many labels as there can be.
ScratchNeed scratch(const CtcLossParam&, const Situation& s) {
  const int64_t steps = s.in[0].shape[0], states = 2 * s.in[1].shape[1] + 1;
  ScratchNeed need{.piece = 8 * (steps + steps * states + 2 * states + s.in[0].shape[2]),
                   .pieces = s.in[0].shape[1]};
  for (size_t i = 1; i < s.in.size(); ++i) need.take(8 * s.in[i].size());
  need.take(8 * s.in[0].shape[1]);
  return need;
}

void define(OpTable& ops) {
  ops.define({
      .name = "CTCLoss",
      .aliases = {"ctc_loss", "_contrib_CTCLoss", "_contrib_ctc_loss"},
      .doc = "Connectionist temporal classification: for each sequence, minus the logarithm of the "
             "probability of its labels, summed over all alignments with time; the probabilities "
             "of a step are the softmax of data. Labels that do not fit into the steps have the "
             "loss 0 and no gradient.",
      .dtypes = Dtypes::kFloating,
      .precision = Precision::kFull,
      .params = schema<CtcLossParam>(),
      .inputs = {{"data", "(time, batch, alphabet), before any softmax"},
                 {"label", "(batch, labels)"},
                 {.name = "data_lengths", .doc = "(batch)", .when = when("use_data_lengths", true)},
                 {.name = "label_lengths",
                  .doc = "(batch)",
                  .when = when("use_label_lengths", true)}},
      .outputs = {{"output0"}, {"output1", true}},
      .infer = infer,
      .infer_dtype = infer_dtype,
      .cpu = forward,
      .scratch = scratch,
      .backward = {.reads = {dy(), y(1)}, .run = backward},
  });
}

}  // namespace heddle::ops::ctc_loss
