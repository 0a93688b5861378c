// sample_*: draws whose parameters are tensors. The result has their shape followed by `shape`.
#include <cmath>

#include "operator/random/random.h"

namespace heddle::ops::random_sample {

using random::Sequence;

enum class RealType { kNone, kFloat16, kFloat32, kFloat64 };
constexpr Dtype kRealTypes[] = {Dtype::kUnknown, Dtype::kFloat16, Dtype::kFloat32, Dtype::kFloat64};

struct Param {
  Shape shape = Shape::unknown(0);
  RealType dtype = RealType::kNone;
  void fields(auto&& f) {
    f("shape", shape, "The shape of the draws for each element of the parameters.");
    f("dtype", dtype, "The dtype of the result; None is float32.")
        .names({"None", "float16", "float32", "float64"});
  }
};

void infer(const Param& p, InferContext& c) {
  for (int i = 0; i < c.inputs(); ++i)
    for (int j = 0; j < c.inputs(); ++j) c.set_in(i, c.in(j));
  Shape y = c.in(0);
  if (!y.has_rank()) return;
  for (int64_t d : p.shape) y.append(d);
  c.set_out(0, y);
}
void infer_dtype(const Param& p, InferContext& c) {
  for (int i = 0; i < c.inputs(); ++i)
    for (int j = 0; j < c.inputs(); ++j) c.set_in_dtype(i, c.in_dtype(j));
  const bool given = p.dtype != RealType::kNone;
  c.set_out_dtype(0, given ? kRealTypes[int(p.dtype)] : Dtype::kFloat32);
}

double number(const Blob& b, int64_t i) {
  double v;
  ew::load_of<double>(b.dtype)(static_cast<const char*>(b.data) + i * dtype_size(b.dtype), &v, 1);
  return v;
}

double uniform(Sequence& s, double low, double high) { return random::draw_uniform(s, low, high); }
double normal(Sequence& s, double mu, double sigma) { return random::draw_normal(s, mu, sigma); }
double gamma(Sequence& s, double alpha, double beta) {
  return alpha > 0 ? random::draw_gamma(s, alpha, beta) : NAN;
}
double exponential(Sequence& s, double lam, double) { return random::draw_exponential(s, lam); }
double poisson(Sequence& s, double lam, double) {
  return lam >= 0 && std::isfinite(lam) ? random::draw_poisson(s, lam) : NAN;
}
double negative_binomial(Sequence& s, double k, double p) {
  return k > 0 && p > 0 ? random::draw_negative_binomial(s, k, p) : NAN;
}
double generalized_negative_binomial(Sequence& s, double mu, double alpha) {
  return mu >= 0 && alpha >= 0 ? random::draw_generalized_negative_binomial(s, mu, alpha) : NAN;
}

template <double (*kDraw)(Sequence&, double, double)>
void run(const Param&, OpContext& ctx, Inputs in, Outputs out) {
  const int64_t each = in[0].size() ? out[0].size() / in[0].size() : 1;
  random::fill(ctx, out[0], [&](Sequence& s, int64_t i) {
    const double a = number(in[0], i / each), b = in.count() > 1 ? number(in[1], i / each) : 0;
    return kDraw(s, a, b);
  });
}

void define_one(OpTable& ops, const std::string& word, const char* doc, ListOf<Input> inputs,
                Kernel run) {
  ops.define({.name = "_sample_" + word,
              .aliases = {"sample_" + word},
              .doc = doc,
              .params = schema<Param>(),
              .inputs = std::move(inputs),
              .infer = infer,
              .infer_dtype = infer_dtype,
              .cpu = run,
              .backward = {.zero = true},
              .draws = draws_always});
}

void define(OpTable& ops) {
  define_one(ops, "uniform", "Uniform numbers in [low, high).", {{"low"}, {"high"}}, run<uniform>);
  define_one(ops, "normal", "Normally distributed numbers of mean mu and deviation sigma.",
             {{"mu"}, {"sigma"}}, run<normal>);
  define_one(ops, "gamma", "Gamma-distributed numbers, of mean alpha * beta.",
             {{"alpha"}, {"beta"}}, run<gamma>);
  define_one(ops, "exponential", "Exponentially distributed numbers, of mean 1 / lam.", {{"lam"}},
             run<exponential>);
  define_one(ops, "poisson", "Poisson-distributed counts, of mean lam.", {{"lam"}}, run<poisson>);
  define_one(ops, "negative_binomial", "How often one fails before the k-th success.",
             {{"k"}, {"p"}}, run<negative_binomial>);
  define_one(ops, "generalized_negative_binomial",
             "Negative binomial counts of mean mu and dispersion alpha.", {{"mu"}, {"alpha"}},
             run<generalized_negative_binomial>);
}

}  // namespace heddle::ops::random_sample
