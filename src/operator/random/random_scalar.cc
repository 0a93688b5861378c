// random_*: draws whose parameters are numbers.
#include <cmath>

#include "base/multiply_high.h"
#include "operator/random/random.h"

namespace heddle::ops::random_scalar {

using random::Sequence;

// The draws' parameters are checked by the kernel, so that a bad one fails the task and is raised
// by whoever reads the result, as MXNet's scripts expect.
enum class RealType { kNone, kFloat32, kFloat64, kFloat16 };
constexpr Dtype kRealTypes[] = {Dtype::kFloat32, Dtype::kFloat32, Dtype::kFloat64, Dtype::kFloat16};

struct Uniform {
  static constexpr auto name = "uniform", doc = "Uniform numbers in [low, high).";
  float low = 0, high = 1;
  void fields(auto&& f) {
    f("low", low, "The smallest number.");
    f("high", high, "The end of the range, itself left out.");
  }
  void check_values() const {
    check(low <= high, "[random_uniform] found low {} and high {}, expected low <= high", low,
          high);
  }
  double draw(Sequence& s) const { return random::draw_uniform(s, low, high); }
  void bulk(uint64_t seed, int64_t begin, int64_t n, float* to) const {
    const float top = std::nextafter(high, low);  // rounding must not reach `high`
    philox::uniforms(seed, begin, n, to);
    for (int64_t i = 0; i < n; ++i) {
      const float v = low + (high - low) * to[i];
      to[i] = v == high ? top : v;
    }
  }
};
struct Normal {
  static constexpr auto name = "normal", doc = "Normally distributed numbers.";
  float loc = 0, scale = 1;
  void fields(auto&& f) {
    f("loc", loc, "Mean.");
    f("scale", scale, "Standard deviation, at least 0.");
  }
  void check_values() const {
    check(scale >= 0, "[random_normal] found scale {}, expected at least 0", scale);
  }
  double draw(Sequence& s) const { return random::draw_normal(s, loc, scale); }
  void bulk(uint64_t seed, int64_t begin, int64_t n, float* to) const {
    philox::normals(seed, begin, n, to);
    for (int64_t i = 0; i < n; ++i) to[i] = loc + scale * to[i];
  }
};
struct Gamma {
  static constexpr auto name = "gamma", doc = "Gamma-distributed numbers, of mean alpha * beta.";
  float alpha = 1, beta = 1;
  void fields(auto&& f) {
    f("alpha", alpha, "Shape, above 0.");
    f("beta", beta, "Scale, at least 0.");
  }
  void check_values() const {
    check(alpha > 0, "[random_gamma] found alpha {}, expected above 0", alpha);
    check(beta >= 0, "[random_gamma] found beta {}, expected at least 0", beta);
  }
  double draw(Sequence& s) const { return random::draw_gamma(s, alpha, beta); }
};
struct Exponential {
  static constexpr auto name = "exponential",
                        doc = "Exponentially distributed numbers, of mean 1 / lam.";
  float lam = 1;
  void fields(auto&& f) { f("lam", lam, "Rate, above 0."); }
  void check_values() const {
    check(lam > 0, "[random_exponential] found lam {}, expected above 0", lam);
  }
  double draw(Sequence& s) const { return random::draw_exponential(s, lam); }
};
struct Poisson {
  static constexpr auto name = "poisson", doc = "Poisson-distributed counts.";
  float lam = 1;
  void fields(auto&& f) { f("lam", lam, "Mean, at least 0."); }
  void check_values() const {
    check(lam >= 0, "[random_poisson] found lam {}, expected at least 0", lam);
  }
  double draw(Sequence& s) const { return random::draw_poisson(s, lam); }
};
struct NegativeBinomial {
  static constexpr auto name = "negative_binomial",
                        doc = "How often one fails before the k-th success of probability p.";
  int k = 1;
  float p = 1;
  void fields(auto&& f) {
    f("k", k, "Successes to wait for, at least 1.");
    f("p", p, "Probability of a success, above 0 and at most 1.");
  }
  void check_values() const {
    check(k >= 1, "[random_negative_binomial] found k {}, expected at least 1", k);
    check(p > 0 && p <= 1, "[random_negative_binomial] found p {}, expected in (0, 1]", p);
  }
  double draw(Sequence& s) const { return random::draw_negative_binomial(s, k, p); }
};
struct GeneralizedNegativeBinomial {
  static constexpr auto name = "generalized_negative_binomial",
                        doc = "Negative binomial counts of mean mu and dispersion alpha.";
  float mu = 1, alpha = 1;
  void fields(auto&& f) {
    f("mu", mu, "Mean, at least 0.");
    f("alpha", alpha, "Dispersion, at least 0, which is Poisson.");
  }
  void check_values() const {
    check(mu >= 0, "[random_generalized_negative_binomial] found mu {}, expected at least 0", mu);
    check(alpha >= 0, "[random_generalized_negative_binomial] found alpha {}, expected at least 0",
          alpha);
  }
  double draw(Sequence& s) const {
    return random::draw_generalized_negative_binomial(s, mu, alpha);
  }
};

// The parameters of random_<name>: those of the distribution, then what the result is.
template <class P>
struct Whole : P {
  Shape shape;
  std::string ctx;
  RealType dtype = RealType::kNone;
  void fields(auto&& f) {
    P::fields(f);
    f("shape", shape, "The result's shape; (1,) when it is not given.");
    f("ctx", ctx, "The device, as \"cpu(0)\"; for eager calls.");
    f("dtype", dtype, "The dtype of the result; None is that of `out`, else float32.")
        .names({"None", "float32", "float64", "float16"});
  }
};

void set_shape(const Shape& shape, InferContext& c) {
  if (shape.rank() <= 0 && c.out(0).known()) return;
  c.set_out(0, shape.rank() > 0 ? shape : Shape{1});
}
template <class P>
void infer(const Whole<P>& p, InferContext& c) {
  set_shape(p.shape, c);
}
template <class P>
void infer_dtype(const Whole<P>& p, InferContext& c) {
  if (p.dtype == RealType::kNone && is_float(c.out_dtype(0))) return;
  c.set_out_dtype(0, kRealTypes[int(p.dtype)]);
}

// One by one, with 53 bits each; those that can be made in bulk are, where floats will do.
template <class P>
void run(const P& p, OpContext& ctx, Inputs, Outputs out) {
  p.check_values();
  if constexpr (requires { &P::bulk; }) {
    if (out[0].dtype != Dtype::kFloat64)
      return random::fill_bulk(ctx, out[0], [&](int64_t begin, int64_t n, float* to) {
        p.bulk(ctx.seed, begin, n, to);
      });
  }
  random::fill(ctx, out[0], [&](Sequence& s, int64_t) { return p.draw(s); });
}

// random_<name>, and random_<name>_like, which takes the shape and dtype of a tensor.
template <class P>
void define_one(OpTable& ops, std::vector<Name> aliases = {}) {
  const std::string name = std::string("_random_") + P::name;
  aliases.insert(aliases.begin(), name.substr(1));
  ops.define({.name = name,
              .aliases = aliases,
              .doc = P::doc,
              .params = schema<Whole<P>>(),
              .inputs = {},
              .infer = infer<P>,
              .infer_dtype = infer_dtype<P>,
              .cpu = run<Whole<P>>,
              .backward = {.zero = true},
              .draws = draws_always});
  ops.define({.name = name + "_like",
              .doc = std::string(P::doc) + " In the shape and dtype of data.",
              .params = schema<P>(),
              .inputs = {{.name = "data", .shape_only = true}},
              .cpu = run<P>,
              .backward = {.zero = true},
              .draws = draws_always});
}

// --- randint ------------------------------------------------------------------------------------
enum class IntType { kNone, kInt32, kInt64 };

struct RandintParam {
  int64_t low = 0, high = 0;
  Shape shape;
  std::string ctx;
  IntType dtype = IntType::kNone;
  void fields(auto&& f) {
    f("low", low, "The smallest number.").required();
    f("high", high, "The end of the range, itself left out.").required();
    f("shape", shape, "The result's shape; (1,) when it is not given.");
    f("ctx", ctx, "The device, as \"cpu(0)\"; for eager calls.");
    f("dtype", dtype, "The dtype of the result; None is int32.").names({"None", "int32", "int64"});
  }
};
void infer_randint(const RandintParam& p, InferContext& c) { set_shape(p.shape, c); }
void infer_randint_dtype(const RandintParam& p, InferContext& c) {
  c.set_out_dtype(0, p.dtype == IntType::kInt64 ? Dtype::kInt64 : Dtype::kInt32);
}
void randint(const RandintParam& p, OpContext& ctx, Inputs, Outputs out) {
  check(p.low < p.high, "[random_randint] found low {} and high {}, expected low < high", p.low,
        p.high);
  const uint64_t range = uint64_t(p.high) - uint64_t(p.low);
  auto draw = [&](int64_t i) {
    Sequence s(ctx.seed, i);
    const uint64_t bits = uint64_t(s.next()) << 32 | s.next();
    return int64_t(uint64_t(p.low) + base::multiply_high(bits, range));
  };
  ctx.parallel_for(out[0].size(), ew::kGrain / 16, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      if (out[0].dtype == Dtype::kInt64) static_cast<int64_t*>(out[0].data)[i] = draw(i);
      else static_cast<int32_t*>(out[0].data)[i] = int32_t(draw(i));
    }
  });
}

void define(OpTable& ops) {
  define_one<Uniform>(ops, {"uniform"});
  define_one<Normal>(ops, {"normal"});
  define_one<Gamma>(ops);
  define_one<Exponential>(ops);
  define_one<Poisson>(ops);
  define_one<NegativeBinomial>(ops, {"_sample_negbinomial"});  // names of MXNet 0.10
  define_one<GeneralizedNegativeBinomial>(ops, {"_sample_gennegbinomial"});
  ops.define({.name = "_random_randint",
              .aliases = {"random_randint"},
              .doc = "Integers in [low, high), all equally likely.",
              .params = schema<RandintParam>(),
              .inputs = {},
              .infer = infer_randint,
              .infer_dtype = infer_randint_dtype,
              .cpu = randint,
              .backward = {.zero = true},
              .draws = draws_always});
}

}  // namespace heddle::ops::random_scalar
