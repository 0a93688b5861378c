// Folds a normalisation by statistics that are there into the filters before it: for each filter k
//   s = gamma / sqrt(variance + eps),  weight' = s weight,  bias' = beta + s (bias - mean).
#include <cmath>
#include <type_traits>

#include "heddle/op.h"
#include "operator/scratch_needs.h"

namespace heddle::ops::fold {

struct FoldParam {
  double eps = 1e-3;
  bool fix_gamma = true, no_bias = false;
  void fields(auto&& f) {
    f("eps", eps, "Added to the variance.");
    f("fix_gamma", fix_gamma, "Take 1 for gamma.");
    f("no_bias", no_bias, "There is no bias yet.");
  }
  int first() const { return no_bias ? 1 : 2; }  // of gamma, beta, mean, variance
};

void infer(const FoldParam& p, InferContext& c) {
  c.set_out(0, c.in(0));
  c.set_in(0, c.out(0));
  const Shape& weight = c.in(0);
  if (!weight.has_rank()) return;
  check(weight.rank() >= 1, "[{}] weight has shape {}, expected one axis or more", c.op().name,
        weight);
  for (int i = 1; i < p.first() + 4; ++i) c.set_in(i, {weight[0]});
  c.set_out(1, {weight[0]});
}

// In runs of a fixed length, which compilers make vectors of.
template <class T, class Wide>
void scaled(const T* from, int64_t n, double scale, T* to) {
  constexpr int64_t kRun = 8;
  int64_t i = 0;
  for (; i + kRun <= n; i += kRun) {
    T run[kRun];
    for (int64_t j = 0; j < kRun; ++j) run[j] = T(Wide(scale * double(Wide(from[i + j]))));
    for (int64_t j = 0; j < kRun; ++j) to[i + j] = run[j];
  }
  for (; i < n; ++i) to[i] = T(Wide(scale * double(Wide(from[i]))));
}

void forward(const FoldParam& p, OpContext& ctx, Inputs in, Outputs out) {
  with_float(in[0].dtype, "_fold_normalization", [&](auto type) {
    using T = decltype(type);
    using Wide = std::conditional_t<(sizeof(T) < 4), float, T>;
    const auto wide = [](T x) { return double(Wide(x)); };
    const int64_t filters = in[0].shape[0], each = filters > 0 ? in[0].size() / filters : 0;
    const T *w = in[0].as<T>(), *bias = p.no_bias ? nullptr : in[1].as<T>();
    const T *gamma = in[p.first()].as<T>(), *beta = in[p.first() + 1].as<T>();
    const T *mean = in[p.first() + 2].as<T>(), *variance = in[p.first() + 3].as<T>();
    const bool plain = out[0].stored.plain();
    T* const to = plain ? ctx.output(out, 0).as<T>() : ctx.scratch_of<T>(out[0].size());
    T* const shift = ctx.output(out, 1).as<T>();
    ctx.parallel_for(
        filters, std::max<int64_t>(1, 32768 / std::max<int64_t>(1, each)),
        [&](int64_t begin, int64_t end) {
          for (int64_t k = begin; k < end; ++k) {
            const double scale =
                (p.fix_gamma ? 1.0 : wide(gamma[k])) / std::sqrt(wide(variance[k]) + p.eps);
            scaled<T, Wide>(w + k * each, each, scale, to + k * each);
            shift[k] =
                T(Wide(wide(beta[k]) + scale * ((bias ? wide(bias[k]) : 0.0) - wide(mean[k]))));
          }
        });
    if (plain || !ctx.wants(0)) return;
    Blob from = out[0];
    from.data = to, from.stored = {};
    run_kernel(*make_reorder(out[0].stored.layout), ctx, {&from, 1}, out.first(1));
  });
}

ScratchNeed scratch(const Situation& s) {
  ScratchNeed need = unwanted(s);
  if (!s.out[0].stored.plain()) need.take(s.out[0].bytes()), need.take(s.out[0].bytes());
  return need;
}

void define(OpTable& ops) {
  ops.define({
      .name = "_fold_normalization",
      .doc =
          "The weights and biases of filters whose outputs are normalised by statistics that are "
          "there: put in by plans of prediction.",
      .dtypes = Dtypes::kFloating,
      .params = schema<FoldParam>(),
      .inputs = {{"weight", "(filters, ...)"},
                 {.name = "bias", .doc = "(filters)", .when = when("no_bias", false)},
                 {"gamma", "(filters)"},
                 {"beta", "(filters)"},
                 {"mean", "(filters)"},
                 {"variance", "(filters)"}},
      .outputs = {{.name = "weight"}, {.name = "bias"}},
      .infer = infer,
      .cpu = forward,
      .scratch = scratch,
      .meaning = Meaning::kFold,
      .any_order = true,
  });
}

}  // namespace heddle::ops::fold
