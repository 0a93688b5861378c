// Densities of the distributions that random_*.cc draw from. Forward passes are one loop; gradients
// are graphs of other operators, so all higher ones exist.
//
// A parameter has the first axes of `sample`; the axes that follow hold samples of one
// distribution. Of a Dirichlet distribution the last axis of both holds the coordinates of one
// sample.
#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

#include "operator/elemwise/special.h"
#include "operator/elemwise/symbolic.h"
#include "operator/tensor/view.h"

namespace heddle::ops::pdf {

using ew::Symbolic;
using view::View;
using Value = GradContext::Value;
using Values = std::vector<Value>;

struct PdfParam {
  bool is_log = false;
  void fields(auto&& f) { f("is_log", is_log, "Give the logarithm of the density."); }
};

// x log(y), and 0 where x is.
inline double times_log(double x, double y) { return x == 0 ? 0 : x * std::log(y); }

// --- the distributions --------------------------------------------------------------------------
// log_density(x, parameters...), in double; slopes(x, parameters...) are its derivatives by each of
// these as numbers that a graph is written with.
template <int kParameters>
using Slopes = std::array<Symbolic, kParameters + 1>;

struct Uniform {
  static constexpr auto name = "_random_pdf_uniform", alias = "random_pdf_uniform",
                        doc =
                            "Density of the uniform distribution, 1 / (high - low), also outside.";
  static constexpr std::array names{"low", "high"};
  static double log_density(double, double low, double high) { return -std::log(high - low); }
  static Slopes<2> slopes(const Symbolic&, const Symbolic& low, const Symbolic& high) {
    const Symbolic width = high - low;
    return {0., 1 / width, -1 / width};
  }
};
struct Normal {
  static constexpr auto name = "_random_pdf_normal", alias = "random_pdf_normal",
                        doc = "Density of the normal distribution.";
  static constexpr std::array names{"mu", "sigma"};
  static double log_density(double x, double mu, double sigma) {
    const double u = (x - mu) / sigma;
    return -u * u / 2 - std::log(sigma) - std::log(2 * std::numbers::pi) / 2;
  }
  static Slopes<2> slopes(const Symbolic& x, const Symbolic& mu, const Symbolic& sigma) {
    const Symbolic u = (x - mu) / sigma, slope = u / sigma;
    return {-slope, slope, (u * u - 1) / sigma};
  }
};
struct Gamma {
  static constexpr auto name = "_random_pdf_gamma", alias = "random_pdf_gamma",
                        doc = "Density of the gamma distribution of shape alpha and rate beta.";
  static constexpr std::array names{"alpha", "beta"};
  static double log_density(double x, double alpha, double beta) {
    return times_log(alpha, beta) + times_log(alpha - 1, x) - beta * x - std::lgamma(alpha);
  }
  static Slopes<2> slopes(const Symbolic& x, const Symbolic& alpha, const Symbolic& beta) {
    return {(alpha - 1) / x - beta, log(beta) + log(x) - digamma(alpha), alpha / beta - x};
  }
};
struct Exponential {
  static constexpr auto name = "_random_pdf_exponential", alias = "random_pdf_exponential",
                        doc = "Density of the exponential distribution, lam exp(-lam x).";
  static constexpr std::array names{"lam"};
  static double log_density(double x, double lam) { return std::log(lam) - lam * x; }
  static Slopes<1> slopes(const Symbolic& x, const Symbolic& lam) { return {-lam, 1 / lam - x}; }
};
struct Poisson {
  static constexpr auto name = "_random_pdf_poisson", alias = "random_pdf_poisson",
                        doc = "Probabilities of the Poisson distribution.";
  static constexpr std::array names{"lam"};
  static double log_density(double x, double lam) {
    return times_log(x, lam) - lam - std::lgamma(x + 1);
  }
  static Slopes<1> slopes(const Symbolic& x, const Symbolic& lam) { return {0., x / lam - 1}; }
};
struct NegativeBinomial {
  static constexpr auto
      name = "_random_pdf_negative_binomial",
      alias = "random_pdf_negative_binomial",
      doc = "Probabilities of x failures before k successes, each of probability p.";
  static constexpr std::array names{"k", "p"};
  static double log_density(double x, double k, double p) {
    return std::lgamma(x + k) - std::lgamma(x + 1) - std::lgamma(k) + times_log(k, p) +
           times_log(x, 1 - p);
  }
  static Slopes<2> slopes(const Symbolic& x, const Symbolic& k, const Symbolic& p) {
    return {0., digamma(x + k) - digamma(k) + log(p), k / p - x / (1 - p)};
  }
};
struct GeneralizedNegativeBinomial {
  static constexpr auto name = "_random_pdf_generalized_negative_binomial",
                        alias = "random_pdf_generalized_negative_binomial",
                        doc =
                            "Probabilities of the negative binomial distribution of mean mu and "
                            "dispersion alpha: k = 1 / alpha, p = 1 / (1 + mu alpha).";
  static constexpr std::array names{"mu", "alpha"};
  static double log_density(double x, double mu, double alpha) {
    return NegativeBinomial::log_density(x, 1 / alpha, 1 / (mu * alpha + 1));
  }
  static Slopes<2> slopes(const Symbolic& x, const Symbolic& mu, const Symbolic& alpha) {
    const Symbolic k = 1 / alpha, p = 1 / (mu * alpha + 1);
    const Slopes<2> by = NegativeBinomial::slopes(x, k, p);
    const Symbolic square = p * p;
    return {0., -by[2] * alpha * square, -by[1] * k * k - by[2] * mu * square};
  }
};

// --- shapes -------------------------------------------------------------------------------------
void infer(InferContext& c) {
  const Shape& x = c.in(0);
  c.set_out(0, x), c.set_in(0, c.out(0));
  if (!x.known()) return;
  for (int i = 1; i < c.inputs(); ++i) {
    if (!c.in(i).known()) continue;
    const int rank = c.in(i).rank();
    check(rank <= x.rank() && std::equal(c.in(i).begin(), c.in(i).end(), x.begin()),
          "[{}] a parameter has shape {}, expected the first axes of sample {}", c.op().name,
          c.in(i), x);
    for (int j = 1; j < c.inputs(); ++j) c.set_in(j, c.in(i));
  }
}
void infer_dirichlet(InferContext& c) {
  const Shape &x = c.in(0), &alpha = c.in(1);
  if (!x.known() || !alpha.known()) return;
  const int rank = alpha.rank();
  check(rank >= 1 && rank <= x.rank() && x[-1] == alpha[-1] &&
            std::equal(alpha.begin(), alpha.end() - 1, x.begin()),
        "[{}] alpha has shape {}, expected the first axes and the last of sample {}", c.op().name,
        alpha, x);
  Shape y = Shape::of(x.begin(), x.end() - 1);
  if (y.rank() == 0) y.append(1);
  c.set_out(0, y);
}

// --- forward ------------------------------------------------------------------------------------
template <class D, class T>
void fill(const PdfParam& p, OpContext& ctx, Inputs in, const Blob& out) {
  const T *x = in[0].as<T>(), *a = in[1].as<T>(), *b = in[in.count() - 1].as<T>();
  T* y = out.as<T>();
  const int64_t each = std::max<int64_t>(1, out.size() / std::max<int64_t>(1, in[1].size()));
  ctx.parallel_for(out.size(), 2048, [&](int64_t from, int64_t to) {
    for (int64_t i = from; i < to; ++i) {
      double v;
      if constexpr (D::names.size() == 1) v = D::log_density(double(x[i]), double(a[i / each]));
      else v = D::log_density(double(x[i]), double(a[i / each]), double(b[i / each]));
      y[i] = T(p.is_log ? v : std::exp(v));
    }
  });
}
template <class D>
void run(const PdfParam& p, OpContext& ctx, Inputs in, Outputs out) {
  with_float(in[0].dtype, D::name, [&](auto type) { fill<D, decltype(type)>(p, ctx, in, out[0]); });
}

void run_dirichlet(const PdfParam& p, OpContext& ctx, Inputs in, Outputs out) {
  with_float(in[0].dtype, "_random_pdf_dirichlet", [&](auto type) {
    using T = decltype(type);
    const T *x = in[0].as<T>(), *alpha = in[1].as<T>();
    T* y = out[0].as<T>();
    const int64_t k = in[0].shape[-1], rows = in[1].size() / std::max<int64_t>(1, k);
    const int64_t each = std::max<int64_t>(1, out[0].size() / std::max<int64_t>(1, rows));
    ctx.parallel_for(out[0].size(), 2048 / (k + 1) + 1, [&](int64_t from, int64_t to) {
      for (int64_t i = from; i < to; ++i) {
        const T* a = alpha + i / each * k;
        double sum = 0, v = 0;
        for (int64_t j = 0; j < k; ++j) {
          sum += double(a[j]);
          v += times_log(double(a[j]) - 1, double(x[i * k + j])) - std::lgamma(double(a[j]));
        }
        v += std::lgamma(sum);
        y[i] = T(p.is_log ? v : std::exp(v));
      }
    });
  });
}

// --- parameters in the shape of samples, and back -----------------------------------------------
struct TailParam {
  int tail = 0;
  void fields(auto&& f) { f("tail", tail, "How many of the last axes are common to both."); }
};
// (first axes, the repeated ones, the last ones) of `whole`, of which `small` has the outer two.
std::array<int64_t, 3> parts(const TailParam& p, const Shape& small, const Shape& whole) {
  const int lead = small.rank() - p.tail, last = whole.rank() - p.tail;
  return {whole.size(0, lead), whole.size(lead, last), whole.size(last)};
}
View repeated(const std::array<int64_t, 3>& n) {
  View v;
  return v.push(n[0], n[2]).push(n[1], 0).push(n[2], 1);
}
void copy_inner(const TailParam& p, OpContext& ctx, const Blob& small, const Blob& whole) {
  const auto n = parts(p, small.shape, whole.shape);
  View all;
  all.push(n[0], n[1] * n[2]).push(n[1], n[2]).push(n[2], 1);
  view::copy(ctx, small, repeated(n), whole, all);
}
void sum_inner(const TailParam& p, OpContext& ctx, const Blob& whole, const Blob& small) {
  const auto n = parts(p, small.shape, whole.shape);
  View kept, summed;
  kept.push(n[0], n[1] * n[2]).push(n[2], 1), summed.push(n[1], n[2]);
  view::sum(ctx, whole, kept, summed, small);
}
void infer_like(const TailParam&, InferContext& c) { c.set_out(0, c.in(1)); }
void repeat_inner(const TailParam& p, OpContext& ctx, Inputs in, Outputs out) {
  copy_inner(p, ctx, in[0], out[0]);
}
void sum_inner_like(const TailParam& p, OpContext& ctx, Inputs in, Outputs out) {
  sum_inner(p, ctx, in[0], out[0]);
}

Value zeros(GradContext& g, Value like) { return g.call("zeros_like", {like}); }
Value spread(GradContext& g, Value small, Value whole, int tail = 0) {
  return g.call("_repeat_inner_like", {small, zeros(g, whole)}, {{"tail", param::print(tail)}});
}
Value gather(GradContext& g, Value whole, Value small, int tail = 0) {
  return g.call("_sum_inner_like", {whole, zeros(g, small)}, {{"tail", param::print(tail)}});
}
// Each is the other's gradient.
Values build_repeat(GradContext& g) {
  return {gather(g, g.dy(), g.x(0), static_cast<const TailParam*>(g.params())->tail), {}};
}
Values build_sum(GradContext& g) {
  return {spread(g, g.dy(), g.x(0), static_cast<const TailParam*>(g.params())->tail), {}};
}

// --- gradients ----------------------------------------------------------------------------------
// What the derivatives of the logarithm are multiplied with.
Symbolic weight(GradContext& g) {
  const Symbolic dy(g, g.dy());
  return static_cast<const PdfParam*>(g.params())->is_log ? dy : dy * Symbolic(g, g.y());
}

template <class D>
Values build(GradContext& g) {
  const Symbolic by = weight(g), x(g, g.x(0)), a(g, spread(g, g.x(1), g.x(0)));
  auto gradient = [&](const Symbolic& slope, int i) -> Value {
    if (slope.is_constant()) return {};
    const Value whole = (by * slope).value();
    return i ? gather(g, whole, g.x(i)) : whole;
  };
  if constexpr (D::names.size() == 1) {
    const auto slope = D::slopes(x, a);
    return {gradient(slope[0], 0), gradient(slope[1], 1)};
  } else {
    const auto slope = D::slopes(x, a, Symbolic(g, spread(g, g.x(2), g.x(0))));
    return {gradient(slope[0], 0), gradient(slope[1], 1), gradient(slope[2], 2)};
  }
}

Values build_dirichlet(GradContext& g) {
  const Kwargs last{{"axis", "-1"}};
  auto along = [&](Value numbers, Value like) {
    return g.call("_expand_like", {numbers, zeros(g, like)}, last);
  };
  const Symbolic x(g, g.x(0)), a(g, spread(g, g.x(1), g.x(0), 1));
  const Symbolic by(g, along(weight(g).value(), g.x(0)));
  const Symbolic total(g, along(g.call("sum", {a.value()}, last), g.x(0)));
  const Symbolic slope = log(x) - digamma(a) + digamma(total);
  return {(by * (a - 1) / x).value(), gather(g, (by * slope).value(), g.x(1), 1)};
}

// --- records ------------------------------------------------------------------------------------
template <class D>
void define_pdf(OpTable& ops) {
  std::vector<Input> inputs{{"sample"}};
  std::vector<Ref> reads{dy(), x(0)};
  for (const char* parameter : D::names) {
    reads.push_back(x(int(inputs.size())));
    inputs.push_back({parameter});
  }
  reads.push_back(y());
  ops.define({.name = D::name,
              .aliases = {D::alias},
              .doc = D::doc,
              .dtypes = Dtypes::kFloating,
              .precision = Precision::kWidest,
              .params = schema<PdfParam>(),
              .inputs = inputs,
              .infer = infer,
              .cpu = run<D>,
              .backward = {.reads = reads, .build = build<D>}});
}

void define(OpTable& ops) {
  define_pdf<Uniform>(ops);
  define_pdf<Normal>(ops);
  define_pdf<Gamma>(ops);
  define_pdf<Exponential>(ops);
  define_pdf<Poisson>(ops);
  define_pdf<NegativeBinomial>(ops);
  define_pdf<GeneralizedNegativeBinomial>(ops);
  ops.define({.name = "_random_pdf_dirichlet",
              .aliases = {"random_pdf_dirichlet"},
              .doc = "Density of the Dirichlet distribution.",
              .dtypes = Dtypes::kFloating,
              .precision = Precision::kWidest,
              .params = schema<PdfParam>(),
              .inputs = {{"sample"}, {"alpha"}},
              .infer = infer_dirichlet,
              .cpu = run_dirichlet,
              .backward = {.reads = {dy(), x(0), x(1), y()}, .build = build_dirichlet}});
  ops.define({.name = "_repeat_inner_like",
              .doc =
                  "Repeats data between its first axes and its last `tail` ones, to the shape of "
                  "`like`.",
              .params = schema<TailParam>(),
              .inputs = {{"data"}, {.name = "like", .shape_only = true}},
              .infer = infer_like,
              .cpu = repeat_inner,
              .backward = {.reads = {dy(), shape_of(x(0))}, .build = build_repeat}});
  ops.define({.name = "_sum_inner_like",
              .doc = "Sums data over the axes that `like` lacks before its last `tail` ones.",
              .params = schema<TailParam>(),
              .inputs = {{"data"}, {.name = "like", .shape_only = true}},
              .infer = infer_like,
              .cpu = sum_inner_like,
              .backward = {.reads = {dy(), shape_of(x(0))}, .build = build_sum}});
}

}  // namespace heddle::ops::pdf
