// Updates of several weights in one call, updates whose rates are tensors, and what they need to
// know of all weights together: norms, and whether every number is finite.
#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <vector>

#include "operator/elemwise/map.h"
#include "operator/optimizer/rules.h"
#include "operator/optimizer/update.h"

namespace heddle::ops::multi_update {
using namespace opt;

// Element i of a floating tensor.
double number(const Blob& b, int64_t i = 0) {
  double v = 0;
  with_float(b.dtype, "multi_update", [&](auto t) { v = double(b.as<decltype(t)>()[i]); });
  return v;
}

// --- the sum of squares, and finiteness ---------------------------------------------------------
// Calls piece(x, n) for stretches of a tensor as doubles, and adds what it returns in a fixed
// order.
template <class Piece>
double add_pieces(OpContext& ctx, const Blob& b, Piece&& piece) {
  const int64_t n = b.size(), size = dtype_size(b.dtype),
                pieces = (n + ew::kGrain - 1) / ew::kGrain;
  double* sums = ctx.scratch_of<double>(std::max<int64_t>(1, pieces));
  const auto load = ew::load_of<double>(b.dtype);
  ctx.parallel_for(pieces, 1, [&](int64_t from, int64_t to) {
    double x[ew::kTile];
    for (int64_t i = from; i < to; ++i) {
      sums[i] = 0;
      for (int64_t at = i * ew::kGrain; at < std::min(n, (i + 1) * ew::kGrain); at += ew::kTile) {
        const int64_t some = std::min<int64_t>(ew::kTile, n - at);
        load(static_cast<const char*>(b.data) + at * size, x, some);
        sums[i] += piece(x, some);
      }
    }
  });
  double total = 0;
  for (int64_t i = 0; i < pieces; ++i) total += sums[i];
  return total;
}
double sum_of_squares(OpContext& ctx, const Blob& b) {
  return add_pieces(ctx, b, [](const double* x, int64_t n) {
    double sum = 0;
    for (int64_t i = 0; i < n; ++i) sum += x[i] * x[i];
    return sum;
  });
}
bool is_finite(OpContext& ctx, const Blob& b) {
  return add_pieces(ctx, b, [](const double* x, int64_t n) {
           double bad = 0;
           for (int64_t i = 0; i < n; ++i) bad += std::isfinite(x[i]) ? 0 : 1;
           return bad;
         }) == 0;
}

struct CountParam {
  int64_t num_arrays = 1;
  void fields(auto&& f) { f("num_arrays", num_arrays, "How many tensors.").required().at_least(1); }
};
struct FiniteParam {
  bool init_output = true;
  void fields(auto&& f) {
    f("init_output", init_output, "Start anew; otherwise a result that is 0 already stays so.");
  }
};
struct MultiFiniteParam : FiniteParam {
  int64_t num_arrays = 1;
  void fields(auto&& f) {
    f("num_arrays", num_arrays, "How many tensors.").at_least(1);
    FiniteParam::fields(f);
  }
};
template <class P, Role kRole>
std::vector<Input> arrays(const P& p) {
  std::vector<Input> in;
  for (int64_t i = 0; i < p.num_arrays; ++i)
    in.push_back({.name = format("array_{}", i), .role = kRole});
  return in;
}
void infer_any_dtype(InferContext& c) {
  for (int i = 0; i < c.outputs(); ++i) c.set_out_dtype(i, Dtype::kFloat32);
}
void infer_flag(InferContext& c) { c.set_out(0, {1}); }
void all_finite(const FiniteParam& p, OpContext& ctx, Inputs in, Outputs out) {
  float& y = *out[0].as<float>();
  bool good = p.init_output || y != 0;
  for (const Blob& b : in) {
    check(is_float(b.dtype), "[all_finite] data has dtype {}, expected a floating type", b.dtype);
    good = is_finite(ctx, b) && good;
  }
  y = good ? 1.f : 0.f;
}
void infer_sums(InferContext& c) { c.set_out(0, {c.inputs()}); }
void multi_sum_sq(OpContext& ctx, Inputs in, Outputs out) {
  for (int i = 0; i < in.count(); ++i) out[0].as<float>()[i] = float(sum_of_squares(ctx, in[i]));
}
void infer_nothing(InferContext&) {}
void reset_arrays(OpContext&, Inputs in, Outputs) {
  for (int i = 0; i < in.count(); ++i)
    std::fill_n(static_cast<char*>(in.mut(i).data), in[i].bytes(), char(0));
}

// --- multi_lars ---------------------------------------------------------------------------------
struct LarsParam {
  float eta = 0, eps = 0, rescale_grad = 1;
  void fields(auto&& f) {
    f("eta", eta, "Share of the weight's norm that a step has.").required();
    f("eps", eps, "Keeps the divisor above zero.").required();
    f("rescale_grad", rescale_grad, "Multiplies the gradients.");
  }
};
void multi_lars(const LarsParam& p, OpContext& ctx, Inputs in, Outputs out) {
  const auto store = ew::store_of<double>(out[0].dtype);
  (void)ctx;
  for (int64_t i = 0; i < out[0].size(); ++i) {
    double lr = number(in[0], i);
    const double w = std::sqrt(number(in[1], i)),
                 g = std::sqrt(number(in[2], i)) * double(p.rescale_grad);
    if (w > 0 && g > 0) lr *= double(p.eta) * w / (g + number(in[3], i) * w + double(p.eps));
    store(&lr, static_cast<char*>(out[0].data) + i * dtype_size(out[0].dtype), 1);
  }
}

// --- _contrib_group_adagrad_update --------------------------------------------------------------
struct GroupParam {
  float lr = 0, rescale_grad = 1, clip_gradient = -1, epsilon = 1e-5f;
  void fields(auto&& f) {
    f("lr", lr, "Learning rate.").required();
    f("rescale_grad", rescale_grad, "Multiplies the gradient first.");
    f("clip_gradient", clip_gradient, "Limits the gradient to [-c, c]; off when negative.");
    f("epsilon", epsilon, "Keeps the divisor above zero.");
  }
};
void infer_group(InferContext& c) {
  for (const Shape& s : {c.in(0), c.in(1), c.out(0)})
    c.set_in(0, s), c.set_in(1, s), c.set_out(0, s);
  const Shape& w = c.in(0);
  if (!w.known() || w.rank() == 0) return;
  if (!c.in(2).known()) return c.set_in(2, {w[0], 1});
  check(c.in(2).size() == w[0],
        "[_contrib_group_adagrad_update] history has shape {}, expected ({},1)", c.in(2), w[0]);
}
void group_adagrad(const GroupParam& p, OpContext& ctx, Inputs in, Outputs out) {
  with_float(in[0].dtype, "_contrib_group_adagrad_update", [&](auto type) {
    using T = decltype(type);
    const int64_t rows = in[2].size(), n = rows ? in[0].size() / rows : 0;
    const T *w = in[0].as<T>(), *g = in[1].as<T>();
    T *h = in.mut(2).as<T>(), *y = out[0].as<T>();
    const double c = double(p.clip_gradient);
    auto scaled = [&](T v) {
      const double d = double(p.rescale_grad) * double(v);
      return c >= 0 ? std::max(std::min(d, c), -c) : d;
    };
    ctx.parallel_for(rows, std::max<int64_t>(1, ew::kGrain / std::max<int64_t>(1, n)),
                     [&](int64_t from, int64_t to) {
                       for (int64_t r = from; r < to; ++r) {
                         double sum = 0;
                         for (int64_t i = r * n; i < (r + 1) * n; ++i)
                           sum += scaled(g[i]) * scaled(g[i]);
                         const double next = double(h[r]) + (n ? sum / double(n) : 0);
                         h[r] = T(next);
                         const double by = double(p.lr) / std::sqrt(next + double(p.epsilon));
                         for (int64_t i = r * n; i < (r + 1) * n; ++i)
                           y[i] = T(double(w[i]) - by * scaled(g[i]));
                       }
                     });
  });
}

// --- groups of tensors --------------------------------------------------------------------------
// An operator M over groups of tensors has
//   Param, count(p)    its parameters, and how many groups there are
//   names, last        the tensors of a group (states follow weight and grad), those after all
//   groups kPrecise           states are float32 whatever the weights are kOne               a
//   single group, whose names have no number run(p, ctx, group, last, i, out)
template <class M>
constexpr int kEach = int(M::names.size());

template <class M>
std::vector<Input> inputs(const typename M::Param& p) {
  std::vector<Input> in;
  for (int64_t i = 0; i < M::count(p); ++i)
    for (size_t k = 0; k < M::names.size(); ++k)
      in.push_back({.name = M::kOne ? std::string(M::names[k]) : format("{}_{}", M::names[k], i),
                    .role = k < 2 ? Role::kRead : Role::kMutate});
  for (const char* name : M::last) in.push_back({name});
  return in;
}
template <class M>
std::vector<Output> outputs(const typename M::Param& p) {
  std::vector<Output> out;
  for (int64_t i = 0; i < M::count(p); ++i)
    out.push_back({M::kOne ? std::string("output") : format("output{}", i)});
  return out;
}
template <class M>
std::vector<std::pair<int, int>> inplace(const typename M::Param& p) {
  std::vector<std::pair<int, int>> pairs;
  for (int i = 0; i < int(M::count(p)); ++i) pairs.emplace_back(i * kEach<M>, i);
  return pairs;
}
template <class M>
void infer(const typename M::Param& p, InferContext& c) {
  const int count = int(M::count(p));
  M::check_lists(c.op().name, p);
  for (int i = 0; i < count; ++i) {
    Shape s = c.out(i);
    for (int k = 0; k < kEach<M>; ++k)
      if (c.in(i * kEach<M> + k).has_rank()) s = c.in(i * kEach<M> + k);
    for (int k = 0; k < kEach<M>; ++k) c.set_in(i * kEach<M> + k, s);
    c.set_out(i, s);
  }
  for (size_t k = 0; k < M::last.size(); ++k)
    c.set_in(count * kEach<M> + int(k), {M::kScalarLast ? 1 : count});
}
template <class M>
void infer_dtype(const typename M::Param& p, InferContext& c) {
  const int count = int(M::count(p));
  for (int i = 0; i < count; ++i) {
    const int shared = M::kPrecise ? 2 : kEach<M>;
    Dtype d = c.out_dtype(i);
    for (int k = 0; k < shared; ++k)
      if (c.in_dtype(i * kEach<M> + k) != Dtype::kUnknown) d = c.in_dtype(i * kEach<M> + k);
    for (int k = 0; k < kEach<M>; ++k)
      c.set_in_dtype(i * kEach<M> + k, k < shared ? d : Dtype::kFloat32);
    c.set_out_dtype(i, d);
  }
  for (size_t k = 0; k < M::last.size(); ++k)  // any floating type; float32 where nothing says
    if (const int at = count * kEach<M> + int(k); c.in_dtype(at) == Dtype::kUnknown)
      c.set_in_dtype(at, Dtype::kFloat32);
}
template <class M>
void run(const typename M::Param& p, OpContext& ctx, Inputs in, Outputs out) {
  const int count = int(M::count(p));
  for (int i = 0; i < count; ++i) {
    check(is_float(in[i * kEach<M>].dtype), "[{}] weight {} has dtype {}, expected a floating type",
          M::name, i, in[i * kEach<M>].dtype);
    std::vector<Blob> group;
    for (int k = 0; k < kEach<M>; ++k)
      group.push_back(k < 2 ? in[i * kEach<M> + k] : in.mut(i * kEach<M> + k));
    std::vector<Blob> last;
    for (size_t k = 0; k < M::last.size(); ++k) last.push_back(in[count * kEach<M> + int(k)]);
    M::run(p, ctx, group, last, i, ctx.output(out, i));
  }
}
// The list for one group is always the same.
template <class M, class T>
ListOf<T> list(std::vector<T> (*f)(const typename M::Param&)) {
  if constexpr (M::kOne) return f({});
  else return f;
}
template <class M>
void define_groups(OpTable& ops) {
  ops.define({.name = M::name,
              .doc = M::doc,
              .dtypes = Dtypes::kFloating,
              .params = schema<typename M::Param>(),
              .inputs = list<M>(inputs<M>),
              .outputs = list<M>(outputs<M>),
              .variadic = M::counted,
              .infer = infer<M>,
              .infer_dtype = infer_dtype<M>,
              .inplace = list<M>(inplace<M>),
              .cpu = run<M>});
}
void check_list(std::string_view op, const char* name, size_t found, int64_t expected) {
  check(int64_t(found) == expected, "[{}] {} holds {} numbers, expected {}", op, name, found,
        expected);
}

// --- multi_sgd, preloaded_multi_sgd -------------------------------------------------------------
struct RatesParam {
  float rescale_grad = 1, clip_gradient = -1;
  int64_t num_weights = 1;
  void fields(auto&& f) {
    f("rescale_grad", rescale_grad, "Multiplies the gradients first.");
    f("clip_gradient", clip_gradient, "Limits the gradients to [-c, c]; off when negative.");
    f("num_weights", num_weights, "How many weights.").at_least(1);
  }
};
template <class R>
constexpr bool kHasMomentum = std::is_base_of_v<SgdMomUpdate, R>;

template <class R, bool kPreloaded>
struct SgdParam : RatesParam {
  std::vector<double> lrs, wds;
  float momentum = 0;
  void fields(auto&& f) {
    if constexpr (!kPreloaded) {
      f("lrs", lrs, "Learning rates.").required();
      f("wds", wds, "Weight decays.").required();
    }
    if constexpr (kHasMomentum<R>) f("momentum", momentum, "Share of the last step that is kept.");
    RatesParam::fields(f);
  }
};
template <class R, bool kPreloaded>
struct MultiSgd {
  using Param = SgdParam<R, kPreloaded>;
  static constexpr bool kPrecise =
      std::is_same_v<R, MpSgdUpdate> || std::is_same_v<R, MpSgdMomUpdate>;
  static constexpr bool kOne = false, kScalarLast = false;
  static constexpr auto counted = "num_weights";
  static constexpr auto name = [] {
    if constexpr (kPreloaded)
      return kPrecise ? (kHasMomentum<R> ? "preloaded_multi_mp_sgd_mom_update"
                                         : "preloaded_multi_mp_sgd_update")
                      : (kHasMomentum<R> ? "preloaded_multi_sgd_mom_update"
                                         : "preloaded_multi_sgd_update");
    else
      return kPrecise ? (kHasMomentum<R> ? "multi_mp_sgd_mom_update" : "multi_mp_sgd_update")
                      : (kHasMomentum<R> ? "multi_sgd_mom_update" : "multi_sgd_update");
  }();
  static constexpr auto doc = kPreloaded
                                  ? "The update of this name for several weights, whose rates and "
                                    "decays are tensors."
                                  : "The update of this name for several weights.";
  static constexpr auto names = [] {
    if constexpr (kPrecise && kHasMomentum<R>)
      return std::array{"weight", "grad", "mom", "weight32"};
    else if constexpr (kPrecise) return std::array{"weight", "grad", "weight32"};
    else if constexpr (kHasMomentum<R>) return std::array{"weight", "grad", "mom"};
    else return std::array{"weight", "grad"};
  }();
  static constexpr auto last = [] {
    if constexpr (kPreloaded) return std::array{"lrs", "wds"};
    else return std::array<const char*, 0>{};
  }();
  static int64_t count(const Param& p) { return p.num_weights; }
  static void check_lists(std::string_view op, const Param& p) {
    if (kPreloaded) return;
    check_list(op, "lrs", p.lrs.size(), p.num_weights),
        check_list(op, "wds", p.wds.size(), p.num_weights);
  }
  static void run(const Param& p, OpContext& ctx, const std::vector<Blob>& group,
                  const std::vector<Blob>& rates, int i, const Blob& out) {
    R rule;
    rule.lr = float(kPreloaded ? number(rates[0], i) : p.lrs[size_t(i)]);
    rule.wd = float(kPreloaded ? number(rates[1], i) : p.wds[size_t(i)]);
    rule.rescale_grad = p.rescale_grad, rule.clip_gradient = p.clip_gradient;
    if constexpr (kHasMomentum<R>) rule.momentum = p.momentum;
    apply(rule, ctx, group, out);
  }
};

// --- adamw --------------------------------------------------------------------------------------
struct AdamwParam {
  float lr = 0, beta1 = 0.9f, beta2 = 0.999f, epsilon = 1e-8f, wd = 0, eta = 0, clip_gradient = -1;
  int64_t num_weights = 1;
  void averages(auto&& f) {
    f("beta1", beta1, "Decay of the mean.");
    f("beta2", beta2, "Decay of the variance.");
    f("epsilon", epsilon, "Keeps the divisor above zero.");
  }
  void limit(auto&& f) {
    f("clip_gradient", clip_gradient, "Limits the gradient to [-c, c]; off when negative.");
  }
  void fields(auto&& f) {
    f("lr", lr, "Learning rate.").required();
    averages(f);
    f("wd", wd, "Weight decay, outside the gradient.");
    f("eta", eta, "Multiplies the rate and the decay.").required();
    limit(f);
  }
};
struct MultiAdamwParam : AdamwParam {
  std::vector<double> lrs, wds, etas;
  void fields(auto&& f) {
    f("lrs", lrs, "Learning rates.").required();
    averages(f);
    f("wds", wds, "Weight decays, outside the gradient.").required();
    f("etas", etas, "Multiply rates and decays.").required();
    limit(f);
    f("num_weights", num_weights, "How many weights.").at_least(1);
  }
};
template <bool kMixed, bool kMany>
struct Adamw {
  using Param = std::conditional_t<kMany, MultiAdamwParam, AdamwParam>;
  static constexpr bool kPrecise = kMixed, kOne = !kMany, kScalarLast = true;
  static constexpr auto counted = kMany ? "num_weights" : "";
  static constexpr auto name = kMany ? (kMixed ? "_multi_mp_adamw_update" : "_multi_adamw_update")
                                     : (kMixed ? "_mp_adamw_update" : "_adamw_update");
  static constexpr auto doc =
      "AdamW: mean and var average g and g^2, g = clip(rescale_grad grad); w -= eta (lr mean / "
      "(sqrt(var) + epsilon) + wd w). Does nothing where rescale_grad, a tensor, is 0 or not "
      "finite.";
  static constexpr auto names = [] {
    if constexpr (kMixed) return std::array{"weight", "grad", "mean", "var", "weight32"};
    else return std::array{"weight", "grad", "mean", "var"};
  }();
  static constexpr std::array last{"rescale_grad"};
  static int64_t count(const Param& p) { return p.num_weights; }
  static void check_lists(std::string_view op, const Param& p) {
    if constexpr (kMany) {
      check_list(op, "lrs", p.lrs.size(), p.num_weights),
          check_list(op, "wds", p.wds.size(), p.num_weights);
      check_list(op, "etas", p.etas.size(), p.num_weights);
    }
  }
  static void run(const Param& p, OpContext& ctx, const std::vector<Blob>& group,
                  const std::vector<Blob>& more, int i, const Blob& out) {
    std::conditional_t<kMixed, MpAdamwUpdate, AdamwUpdate> rule;
    rule.lr = p.lr, rule.wd = p.wd, rule.eta = p.eta;
    if constexpr (kMany)
      rule.lr = float(p.lrs[size_t(i)]), rule.wd = float(p.wds[size_t(i)]),
      rule.eta = float(p.etas[size_t(i)]);
    rule.beta1 = p.beta1, rule.beta2 = p.beta2, rule.epsilon = p.epsilon;
    rule.clip_gradient = p.clip_gradient, rule.rescale = float(number(more[0]));
    if (std::isfinite(rule.rescale) && rule.rescale != 0) return apply(rule, ctx, group, out);
    if (out.data != group[0].data) ew::copy_broadcast(ctx, group[0], out);
  }
};

// --- lamb ---------------------------------------------------------------------------------------
struct LambParam {
  float beta1 = 0.9f, beta2 = 0.999f, epsilon = 1e-6f, rescale_grad = 1, clip_gradient = -1;
  bool bias_correction = true;
  void averages(auto&& f) {
    f("beta1", beta1, "Decay of the mean.");
    f("beta2", beta2, "Decay of the variance.");
    f("epsilon", epsilon, "Keeps the divisor above zero.");
  }
  void correction(auto&& f) {
    f("bias_correction", bias_correction, "Divide both averages by 1 - beta^t.");
  }
  void scale(auto&& f) { f("rescale_grad", rescale_grad, "Multiplies the gradient first."); }
  void limit(auto&& f) {
    f("clip_gradient", clip_gradient, "Limits the gradient to [-c, c]; off when negative.");
  }
  LambDirection direction(double wd, int64_t t) const {
    LambDirection d{beta1, beta2, epsilon, float(wd), rescale_grad, clip_gradient};
    if (bias_correction) {
      d.mean_share = float(1 - std::pow(double(beta1), double(t)));
      d.var_share = float(1 - std::pow(double(beta2), double(t)));
    }
    return d;
  }
};
struct BoundsParam {
  float lower_bound = -1, upper_bound = -1;
  void fields(auto&& f) {
    f("lower_bound", lower_bound, "Least norm of the weight that counts; off when negative.");
    f("upper_bound", upper_bound, "Largest norm of the weight that counts; off when negative.");
  }
  // The norm of the weight, within bounds, by that of the direction; 1 where either is 0.
  double ratio(double weight, double direction) const {
    if (lower_bound >= 0) weight = std::max(weight, double(lower_bound));
    if (upper_bound >= 0) weight = std::min(weight, double(upper_bound));
    return weight == 0 || direction == 0 ? 1 : weight / direction;
  }
};
struct Phase1Param : LambParam {
  int64_t t = 1;
  float wd = 0;
  void fields(auto&& f) {
    averages(f);
    f("t", t, "Number of the update, from 1.").required();
    correction(f);
    f("wd", wd, "Weight decay.").required();
    scale(f), limit(f);
  }
};
struct Phase2Param : BoundsParam {
  float lr = 0;
  void fields(auto&& f) {
    f("lr", lr, "Learning rate.").required();
    BoundsParam::fields(f);
  }
};
struct MultiLambParam : LambParam, BoundsParam {
  std::vector<double> learning_rates, wds;
  std::vector<int64_t> step_count;
  int64_t num_tensors = 1;
  void fields(auto&& f) {
    f("learning_rates", learning_rates, "Learning rates.").required();
    averages(f);
    f("wds", wds, "Weight decays.").required();
    scale(f), BoundsParam::fields(f), limit(f), correction(f);
    f("step_count", step_count, "Numbers of the updates, from 1.").required();
    f("num_tensors", num_tensors, "How many weights.").at_least(1);
  }
};

// Half weights have a float32 one beside them, the last of the inputs.
void phase1(const Phase1Param& p, OpContext& ctx, Inputs in, Outputs out) {
  check(is_float(in[0].dtype), "[lamb_update_phase1] weight has dtype {}, expected a floating type",
        in[0].dtype);
  const std::vector<Blob> group{in[in.count() > 4 ? 4 : 0], in[1], in.mut(2), in.mut(3)};
  apply(p.direction(double(p.wd), p.t), ctx, group, out[0]);
}
void phase2(const Phase2Param& p, OpContext& ctx, Inputs in, Outputs out) {
  const float by = float(double(p.lr) * p.ratio(number(in[2]), number(in[3])));
  if (in.count() > 4)
    apply(MpLambStep{{by}}, ctx, std::vector<Blob>{in[0], in[1], in.mut(4)}, out[0]);
  else apply(LambStep{by}, ctx, std::vector<Blob>{in[0], in[1]}, out[0]);
}
void infer_phase2(InferContext& c) {
  Shape s = c.out(0);
  for (int i : {0, 1, 4})
    if (i < c.inputs() && c.in(i).has_rank()) s = c.in(i);
  for (int i : {0, 1, 4})
    if (i < c.inputs()) c.set_in(i, s);
  c.set_out(0, s);
  for (int i : {2, 3}) {
    if (!c.in(i).has_rank()) c.set_in(i, {1});
    check(!c.in(i).known() || c.in(i).size() == 1, "[{}] a norm has shape {}, expected one number",
          c.op().name, c.in(i));
  }
}
void infer_half_weight(InferContext& c) {  // weight and output
  c.set_out_dtype(0, c.in_dtype(0)), c.set_in_dtype(0, c.out_dtype(0));
  for (int i = 1; i < c.inputs(); ++i) c.set_in_dtype(i, Dtype::kFloat32);
}
void infer_half_gradient(InferContext& c) {  // weight and gradient
  c.set_in_dtype(1, c.in_dtype(0)), c.set_in_dtype(0, c.in_dtype(1));
  for (int i = 2; i < c.inputs(); ++i) c.set_in_dtype(i, Dtype::kFloat32);
  c.set_out_dtype(0, Dtype::kFloat32);
}

template <bool kMixed>
struct MultiLamb {
  using Param = MultiLambParam;
  static constexpr bool kPrecise = kMixed, kOne = false, kScalarLast = false;
  static constexpr auto counted = "num_tensors";
  static constexpr auto name = kMixed ? "_multi_mp_lamb_update" : "_multi_lamb_update";
  static constexpr auto doc = "LAMB for several weights: both phases of each.";
  static constexpr auto names = [] {
    if constexpr (kMixed) return std::array{"weight", "grad", "mean", "var", "weight32"};
    else return std::array{"weight", "grad", "mean", "var"};
  }();
  static constexpr std::array<const char*, 0> last{};
  static int64_t count(const Param& p) { return p.num_tensors; }
  static void check_lists(std::string_view op, const Param& p) {
    check_list(op, "learning_rates", p.learning_rates.size(), p.num_tensors);
    check_list(op, "wds", p.wds.size(), p.num_tensors);
    check_list(op, "step_count", p.step_count.size(), p.num_tensors);
  }
  static void run(const Param& p, OpContext& ctx, const std::vector<Blob>& group,
                  const std::vector<Blob>&, int i, const Blob& out) {
    const Blob& weight = group[kMixed ? 4 : 0];
    Blob direction = weight;
    direction.dtype = weight.dtype == Dtype::kFloat64 ? Dtype::kFloat64 : Dtype::kFloat32;
    direction.data = ctx.scratch(size_t(direction.bytes()));
    apply(p.direction(p.wds[size_t(i)], p.step_count[size_t(i)]), ctx,
          std::vector<Blob>{weight, group[1], group[2], group[3]}, direction);
    const double ratio =
        p.ratio(std::sqrt(sum_of_squares(ctx, weight)), std::sqrt(sum_of_squares(ctx, direction)));
    const LambStep step{float(p.learning_rates[size_t(i)] * ratio)};
    if constexpr (kMixed)
      apply(MpLambStep{step}, ctx, std::vector<Blob>{group[0], direction, weight}, out);
    else apply(step, ctx, std::vector<Blob>{weight, direction}, out);
  }
};

// --- records ------------------------------------------------------------------------------------
void define_lamb(OpTable& ops) {
  const std::vector<Input> first{{"weight"},
                                 {"grad"},
                                 {.name = "mean", .role = Role::kMutate},
                                 {.name = "var", .role = Role::kMutate}};
  const std::vector<Input> second{{"weight"}, {"g"}, {"r1"}, {"r2"}};
  std::vector<Input> mixed_first = first, mixed_second = second;
  mixed_first.push_back({"weight32"});
  mixed_second.push_back({.name = "weight32", .role = Role::kMutate});
  OpDef one{.name = "lamb_update_phase1",
            .doc =
                "The direction of LAMB's step: mean and var average g and g^2, g = "
                "clip(rescale_grad grad); mean / (sqrt(var) + epsilon) + wd weight.",
            .dtypes = Dtypes::kFloating,
            .params = schema<Phase1Param>(),
            .inputs = first,
            .cpu = phase1};
  ops.define(one);
  one.name = "mp_lamb_update_phase1", one.inputs = mixed_first,
  one.infer_dtype = infer_half_gradient;
  ops.define(one);
  OpDef two{
      .name = "lamb_update_phase2",
      .doc =
          "LAMB's step: weight - lr r1 / r2 g, where r1 and r2 are the norms of weight and of "
          "g; without their ratio where either is 0.",
      .dtypes = Dtypes::kFloating,
      .params = schema<Phase2Param>(),
      .inputs = second,
      .infer = infer_phase2,
      .inplace = {{0, 0}},
      .cpu = phase2};
  ops.define(two);
  two.name = "mp_lamb_update_phase2", two.inputs = mixed_second,
  two.infer_dtype = infer_half_weight;
  ops.define(two);
  define_groups<MultiLamb<false>>(ops);
  define_groups<MultiLamb<true>>(ops);
}

void define(OpTable& ops) {
  define_groups<MultiSgd<SgdUpdate, false>>(ops);
  define_groups<MultiSgd<SgdMomUpdate, false>>(ops);
  define_groups<MultiSgd<MpSgdUpdate, false>>(ops);
  define_groups<MultiSgd<MpSgdMomUpdate, false>>(ops);
  define_groups<MultiSgd<SgdUpdate, true>>(ops);
  define_groups<MultiSgd<SgdMomUpdate, true>>(ops);
  define_groups<MultiSgd<MpSgdUpdate, true>>(ops);
  define_groups<MultiSgd<MpSgdMomUpdate, true>>(ops);
  define_groups<Adamw<false, false>>(ops);
  define_groups<Adamw<true, false>>(ops);
  define_groups<Adamw<false, true>>(ops);
  define_groups<Adamw<true, true>>(ops);
  define_lamb(ops);
  ops.define({.name = "_contrib_group_adagrad_update",
              .doc = "AdaGrad with one history for each row: history += mean of g^2, g = "
                     "clip(rescale_grad grad); w -= lr g / sqrt(history + epsilon).",
              .dtypes = Dtypes::kFloating,
              .params = schema<GroupParam>(),
              .inputs = {{"weight"}, {"grad"}, {.name = "history", .role = Role::kMutate}},
              .infer = infer_group,
              .inplace = {{0, 0}},
              .cpu = group_adagrad});
  ops.define(
      {.name = "multi_lars",
       .doc = "Learning rates by LARS: lr eta |w| / (|g| + wd |w| + eps), from sums of squares; "
              "where either norm is 0 they stay.",
       .dtypes = Dtypes::kFloating,
       .params = schema<LarsParam>(),
       .inputs = {{"lrs"}, {"weights_sum_sq"}, {"grads_sum_sq"}, {"wds"}},
       .cpu = multi_lars});
  ops.define({.name = "multi_sum_sq",
              .doc = "The sum of the squares of each tensor, as float32.",
              .params = schema<CountParam>(),
              .inputs = arrays<CountParam, Role::kRead>,
              .variadic = "num_arrays",
              .infer = infer_sums,
              .infer_dtype = infer_any_dtype,
              .cpu = multi_sum_sq});
  ops.define({.name = "all_finite",
              .doc = "1 if every element is finite, else 0.",
              .dtypes = Dtypes::kFloating,
              .params = schema<FiniteParam>(),
              .infer = infer_flag,
              .infer_dtype = infer_any_dtype,
              .cpu = all_finite});
  ops.define({.name = "multi_all_finite",
              .doc = "1 if every element of every tensor is finite, else 0.",
              .dtypes = Dtypes::kFloating,
              .params = schema<MultiFiniteParam>(),
              .inputs = arrays<MultiFiniteParam, Role::kRead>,
              .variadic = "num_arrays",
              .infer = infer_flag,
              .infer_dtype = infer_any_dtype,
              .cpu = all_finite});
  ops.define({.name = "reset_arrays",
              .doc = "Sets every element of every tensor to 0.",
              .params = schema<CountParam>(),
              .inputs = arrays<CountParam, Role::kMutate>,
              .outputs = {},
              .variadic = "num_arrays",
              .infer = infer_nothing,
              .infer_dtype = infer_nothing,
              .cpu = reset_arrays});
}

}  // namespace heddle::ops::multi_update
