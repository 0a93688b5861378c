// Updates of several weights in one call, updates whose rates are tensors, and what they need to
// know of all weights together: norms, and whether every number is finite.
#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <vector>

#include "operator/elemwise/map.h"
#include "operator/optimizer/rules.h"
#include "operator/optimizer/updates.h"

namespace heddle::ops::opt {

// --- what several tensors' kernels share --------------------------------------------------------
std::vector<double> sums_of_squares(OpContext& ctx, std::span<const Blob> tensors) {
  struct Piece {
    size_t tensor;
    int64_t begin, end;
  };
  std::vector<Piece> pieces;
  for (size_t k = 0; k < tensors.size(); ++k)
    for (int64_t at = 0; at < tensors[k].size(); at += ew::kGrain)
      pieces.push_back({k, at, std::min(tensors[k].size(), at + ew::kGrain)});
  std::vector<double> part(pieces.size()), sums(tensors.size());
  auto add = [&](int64_t from, int64_t to) {
    double x[ew::kTile];
    for (int64_t i = from; i < to; ++i) {
      const Piece& piece = pieces[size_t(i)];
      const Blob& b = tensors[piece.tensor];
      const auto load = ew::load_of<double>(b.dtype);
      double sum = 0;
      for (int64_t at = piece.begin; at < piece.end; at += ew::kTile) {
        const int64_t n = std::min(ew::kTile, piece.end - at);
        load(static_cast<const char*>(b.data) + at * dtype_size(b.dtype), x, n);
        for (int64_t e = 0; e < n; ++e) sum += x[e] * x[e];
      }
      part[size_t(i)] = sum;
    }
  };
  // Threads only where they have enough to do: a piece may be one number.
  int64_t elements = 0;
  for (const Blob& b : tensors) elements += b.size();
  if (elements <= ew::kGrain) add(0, int64_t(pieces.size()));
  else ctx.parallel_for(int64_t(pieces.size()), 1, add);
  for (size_t i = 0; i < pieces.size(); ++i) sums[pieces[i].tensor] += part[i];
  return sums;
}

LambDirection LambRule::direction(double wd, int64_t t) const {
  LambDirection d{beta1, beta2, epsilon, float(wd), rescale_grad, clip_gradient};
  if (bias_correction) {
    d.mean_share = float(1 - std::pow(double(beta1), double(t)));
    d.var_share = float(1 - std::pow(double(beta2), double(t)));
  }
  return d;
}

double LambRule::ratio(double weight, double direction) const {
  if (lower_bound >= 0) weight = std::max(weight, double(lower_bound));
  if (upper_bound >= 0) weight = std::min(weight, double(upper_bound));
  return weight == 0 || direction == 0 ? 1 : weight / direction;
}

// Those tensors whose directions are in memory at one time.
void lamb_some(const LambRule& rule, OpContext& ctx, std::span<const LambTensor> tensors) {
  const ScratchScope scope;
  Updates first, second;
  std::vector<Blob> both;  // weight, direction
  for (const LambTensor& t : tensors) {
    const Blob& weight = t.master.data ? t.master : t.weight;
    Blob direction = weight;
    direction.dtype = weight.dtype == Dtype::kFloat64 ? Dtype::kFloat64 : Dtype::kFloat32;
    direction.data = ctx.scratch(size_t(direction.bytes()));
    first.add(rule.direction(t.wd, t.t), std::array{weight, t.grad, t.mean, t.var}, direction);
    both.push_back(weight), both.push_back(direction);
  }
  first.run(ctx);
  const std::vector<double> sums = sums_of_squares(ctx, both);
  for (size_t i = 0; i < tensors.size(); ++i) {
    const LambTensor& t = tensors[i];
    const LambStep step{
        float(t.lr * rule.ratio(std::sqrt(sums[2 * i]), std::sqrt(sums[2 * i + 1])))};
    if (t.master.data)
      second.add(Precise<LambStep>{step}, std::array{t.weight, both[2 * i + 1], t.master}, t.out);
    else second.add(step, std::array{t.weight, both[2 * i + 1]}, t.out);
  }
  second.run(ctx);
}

void lamb(const LambRule& rule, OpContext& ctx, std::span<const LambTensor> tensors) {
  constexpr int64_t kElements = 1 << 21;
  for (size_t from = 0; from < tensors.size();) {
    size_t to = from;
    for (int64_t elements = 0; to < tensors.size(); ++to) {
      elements += tensors[to].weight.size();
      if (to > from && elements > kElements) break;
    }
    lamb_some(rule, ctx, tensors.subspan(from, to - from));
    from = to;
  }
}

void group_adagrad(const GroupAdagrad& rule, OpContext& ctx, const Blob& weight, const Blob& grad,
                   const Blob& history, const Blob& out) {
  with_float(weight.dtype, "_contrib_group_adagrad_update", [&](auto type) {
    using T = decltype(type);
    const int64_t rows = history.size(), n = rows ? weight.size() / rows : 0;
    const T *w = weight.as<T>(), *g = grad.as<T>();
    T *h = history.as<T>(), *y = out.as<T>();
    const double c = double(rule.clip_gradient);
    auto scaled = [&](T v) {
      const double d = double(rule.rescale_grad) * double(v);
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
                         const double by = double(rule.lr) / std::sqrt(next + double(rule.epsilon));
                         for (int64_t i = r * n; i < (r + 1) * n; ++i)
                           y[i] = T(double(w[i]) - by * scaled(g[i]));
                       }
                     });
  });
}

}  // namespace heddle::ops::opt

namespace heddle::ops::multi_update {
using namespace opt;

// Element i of a floating tensor.
double number(const Blob& b, int64_t i = 0) {
  double v = 0;
  with_float(b.dtype, "multi_update", [&](auto t) { v = double(b.as<decltype(t)>()[i]); });
  return v;
}

// --- finiteness, and the sum of squares ---------------------------------------------------------
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
  const auto sums = sums_of_squares(ctx, {in.begin(), in.end()});
  for (int i = 0; i < in.count(); ++i) out[0].as<float>()[i] = float(sums[size_t(i)]);
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
    const double w = std::sqrt(number(in[1], i)),
                 g = std::sqrt(number(in[2], i)) * double(p.rescale_grad),
                 lr = lars(number(in[0], i), number(in[3], i), double(p.eta), double(p.eps), w, g);
    store(&lr, static_cast<char*>(out[0].data) + i * dtype_size(out[0].dtype), 1);
  }
}

// --- _contrib_group_adagrad_update --------------------------------------------------------------
struct GroupParam : GroupAdagrad {
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
  opt::group_adagrad(p, ctx, in[0], in[1], in.mut(2), out[0]);
}

// --- groups of tensors --------------------------------------------------------------------------
// An operator M over groups of tensors has
//   Param, count(p)    its parameters, and how many groups there are
//   names, last        the tensors of a group (states follow weight and grad), those after all
//   groups kPrecise           states are float32 whatever the weights are kOne               a
//   single group, whose names have no number run(p, ctx, groups, last)
struct Group {
  std::vector<Blob> tensors;
  Blob out;
};
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
  std::vector<Group> groups;
  for (int i = 0; i < count; ++i) {
    check(is_float(in[i * kEach<M>].dtype), "[{}] weight {} has dtype {}, expected a floating type",
          M::name, i, in[i * kEach<M>].dtype);
    Group& group = groups.emplace_back();
    for (int k = 0; k < kEach<M>; ++k)
      group.tensors.push_back(k < 2 ? in[i * kEach<M> + k] : in.mut(i * kEach<M> + k));
    group.out = ctx.output(out, i);
  }
  std::vector<Blob> last;
  for (size_t k = 0; k < M::last.size(); ++k) last.push_back(in[count * kEach<M> + int(k)]);
  M::run(p, ctx, groups, last);
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
  static constexpr bool kPrecise = opt::kPrecise<R>;
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
  static void run(const Param& p, OpContext& ctx, const std::vector<Group>& groups,
                  const std::vector<Blob>& rates) {
    Updates updates;
    for (size_t i = 0; i < groups.size(); ++i) {
      R rule;
      rule.lr = float(kPreloaded ? number(rates[0], int64_t(i)) : p.lrs[i]);
      rule.wd = float(kPreloaded ? number(rates[1], int64_t(i)) : p.wds[i]);
      rule.rescale_grad = p.rescale_grad, rule.clip_gradient = p.clip_gradient;
      if constexpr (kHasMomentum<R>) rule.momentum = p.momentum;
      updates.add(rule, groups[i].tensors, groups[i].out);
    }
    updates.run(ctx);
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
  static void run(const Param& p, OpContext& ctx, const std::vector<Group>& groups,
                  const std::vector<Blob>& more) {
    std::conditional_t<kMixed, Precise<AdamwUpdate>, AdamwUpdate> rule;
    rule.lr = p.lr, rule.wd = p.wd, rule.eta = p.eta;
    rule.beta1 = p.beta1, rule.beta2 = p.beta2, rule.epsilon = p.epsilon;
    rule.clip_gradient = p.clip_gradient, rule.rescale = float(number(more[0]));
    if (!std::isfinite(rule.rescale) || rule.rescale == 0) {
      for (const Group& g : groups)
        if (g.out.data != g.tensors[0].data) ew::copy_broadcast(ctx, g.tensors[0], g.out);
      return;
    }
    Updates updates;
    for (size_t i = 0; i < groups.size(); ++i) {
      if constexpr (kMany)
        rule.lr = float(p.lrs[i]), rule.wd = float(p.wds[i]), rule.eta = float(p.etas[i]);
      updates.add(rule, groups[i].tensors, groups[i].out);
    }
    updates.run(ctx);
  }
};

// --- lamb ---------------------------------------------------------------------------------------
struct LambParam : LambRule {
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
  void bounds(auto&& f) {
    f("lower_bound", lower_bound, "Least norm of the weight that counts; off when negative.");
    f("upper_bound", upper_bound, "Largest norm of the weight that counts; off when negative.");
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
struct Phase2Param : LambParam {
  float lr = 0;
  void fields(auto&& f) {
    f("lr", lr, "Learning rate.").required();
    bounds(f);
  }
};
struct MultiLambParam : LambParam {
  std::vector<double> learning_rates, wds;
  std::vector<int64_t> step_count;
  int64_t num_tensors = 1;
  void fields(auto&& f) {
    f("learning_rates", learning_rates, "Learning rates.").required();
    averages(f);
    f("wds", wds, "Weight decays.").required();
    scale(f), bounds(f), limit(f), correction(f);
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
    apply(Precise<LambStep>{{by}}, ctx, std::vector<Blob>{in[0], in[1], in.mut(4)}, out[0]);
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
  static void run(const Param& p, OpContext& ctx, const std::vector<Group>& groups,
                  const std::vector<Blob>&) {
    std::vector<LambTensor> tensors;
    for (size_t i = 0; i < groups.size(); ++i) {
      const std::vector<Blob>& t = groups[i].tensors;
      tensors.push_back({t[0], t[1], t[2], t[3], kMixed ? t[4] : Blob{}, groups[i].out,
                         p.learning_rates[i], p.wds[i], p.step_count[i]});
    }
    lamb(p, ctx, tensors);
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
  define_groups<MultiSgd<Precise<SgdUpdate>, false>>(ops);
  define_groups<MultiSgd<Precise<SgdMomUpdate>, false>>(ops);
  define_groups<MultiSgd<SgdUpdate, true>>(ops);
  define_groups<MultiSgd<SgdMomUpdate, true>>(ops);
  define_groups<MultiSgd<Precise<SgdUpdate>, true>>(ops);
  define_groups<MultiSgd<Precise<SgdMomUpdate>, true>>(ops);
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
