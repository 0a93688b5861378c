// Reduction operators and their gradients.
#include <algorithm>
#include <cmath>

#include "operator/elemwise/binary.h"
#include "operator/elemwise/loops.h"
#include "operator/elemwise/make_reduction.h"
#include "operator/scratch_needs.h"

namespace heddle::ops::ew {

constexpr Reduction kProd = make_reduction<Prod>(nullptr);
template <class F>
constexpr Reduction kReduction = make_reduction<F>(nullptr);
template <>
constexpr Reduction kReduction<NanSum> = make_reduction<NanSum>(&kSum);
template <>
constexpr Reduction kReduction<NanProd> = make_reduction<NanProd>(&kProd);
template <class P>
constexpr Reduction kReduction<ProdOfNonzero<P>> = make_reduction<ProdOfNonzero<P>>(&kProd);
template <>
constexpr Reduction kReduction<CountZeros> = make_reduction<CountZeros>(&kSum);
template <>
constexpr Reduction kReduction<SumAbs> = make_reduction<SumAbs>(&kSum);
template <>
constexpr Reduction kReduction<MaxAbs> = make_reduction<MaxAbs>(&kReduction<Max>);
template <>
constexpr Reduction kReduction<SumSquares> = [] {
  Reduction r = make_reduction<SumSquares>(&kSum);
  r.real.finish = [](double acc, int64_t) { return sqrt(acc); };
  r.whole.finish = [](int64_t acc, int64_t) { return static_cast<int64_t>(sqrt(double(acc))); };
  return r;
}();
template <>
constexpr Reduction kReduction<Mean> = kMean;

}  // namespace heddle::ops::ew

namespace heddle::ops::reduce {
using namespace ew;

void infer(const ReduceParam& p, InferContext& c) {
  c.set_out(0, reduced_shape(c.op().name, c.in(0), p.axis, p.exclude, p.keepdims));
}

// Of nothing there is no largest element.
void infer_extremum(const ReduceParam& p, InferContext& c) {
  infer(p, c);
  const Shape &x = c.in(0), &y = c.out(0);
  check(!x.known() || !y.known() || x.size() > 0 || y.size() == 0,
        "[{}] data has shape {}, expected elements along the axes that are reduced", c.op().name,
        x);
}

template <class F>
void run(const ReduceParam& p, OpContext& ctx, Inputs in, Outputs out) {
  const Shape kept = kept_shape(F::name, in[0].shape, p.axis, p.exclude);
  if constexpr (std::is_base_of_v<Sum, F>) sum_up(ctx, kReduction<F>, in[0], kept, out[0]);
  else ew::reduce(ctx, kReduction<F>, in[0], kept, out[0]);
}

template <class P>
ScratchNeed scratch_of_run(std::string_view op, const P& p, bool exclude, const Blob& x) {
  return reduce_scratch(x.shape, kept_shape(op, x.shape, p.axis, exclude));
}
template <class F>
ScratchNeed scratch(const ReduceParam& p, const Situation& s) {
  return scratch_of_run(F::name, p, p.exclude, s.in[0]);
}

// dy as x sees it: with 1 for every reduced axis.
Blob kept_view(std::string_view op, const Blob& dy, const Shape& x, const Shape& axis,
               bool exclude) {
  Blob b = dy;
  b.shape = kept_shape(op, x, axis, exclude);
  return b;
}

template <class F>
struct Gradient {
  HEDDLE_HD static auto f(auto dy, auto x, auto y) { return F::grad(dy, x, y); }
};
// in: dy, x, y
template <class F>
void run_gradient(const ReduceParam& p, OpContext& ctx, Inputs in, Outputs out) {
  const Shape& x = out[0].shape;
  map(ctx, kLoops<Gradient<F>>,
      {kept_view(F::name, in[0], x, p.axis, p.exclude), in[1],
       kept_view(F::name, in[2], x, p.axis, p.exclude)},
      out[0]);
}

// in: dy, x
template <class P, class F>
void prod_gradient(const ReduceParam& p, OpContext& ctx, Inputs in, Outputs out) {
  const Blob& x = in[1];
  const Shape kept = kept_shape(P::name, x.shape, p.axis, p.exclude);
  auto reduced = [&](const Reduction& reduction) {
    const Dtype wide = x.dtype == Dtype::kFloat64 ? x.dtype : Dtype::kFloat32;
    const Blob b{ctx.scratch(size_t(kept.size()) * sizeof(double)), kept, wide, x.device};
    ew::reduce(ctx, reduction, x, kept, b);
    return b;
  };
  const Blob product = reduced(kReduction<ProdOfNonzero<P>>);
  const Blob zeros = reduced(kReduction<CountZeros>);
  map(ctx, kLoops<F>, {kept_view(P::name, in[0], x.shape, p.axis, p.exclude), x, product, zeros},
      out[0]);
}

template <class P>
ScratchNeed prod_scratch(const ReduceParam& p, const Situation& s) {
  const Shape& x = s.in[1].shape;
  const Shape kept = kept_shape(P::name, x, p.axis, p.exclude);
  ScratchNeed need = reduce_scratch(x, kept);
  need.take(8 * kept.size()), need.take(8 * kept.size());
  return need;
}

void sum_gradient(const ReduceParam& p, OpContext& ctx, Inputs in, Outputs out) {
  copy_broadcast(ctx, kept_view("sum", in[0], out[0].shape, p.axis, p.exclude), out[0]);
}
void mean_gradient(const ReduceParam& p, OpContext& ctx, Inputs in, Outputs out) {
  const Blob dy = kept_view("mean", in[0], out[0].shape, p.axis, p.exclude);
  const double n = double(out[0].size()) / double(std::max<int64_t>(dy.size(), 1));
  map(ctx, kLoops<Div>, {dy, n}, out[0]);
}

// The gradient of sum or mean as a graph: dy, repeated.
template <bool kAverage>
std::vector<GradContext::Value> expand(GradContext& g) {
  Kwargs kw{{"average", kAverage ? "True" : "False"}};
  for (const char* key : {"axis", "keepdims", "exclude"})
    if (auto it = g.kwargs().find(key); it != g.kwargs().end()) kw.insert(*it);
  return {g.call("_expand_like", {g.dy(), g.call("zeros_like", {g.x()})}, kw)};
}

// What a reduction gave, or its gradient, as x sees it.
GradContext::Value expanded(GradContext& g, GradContext::Value v) {
  Kwargs kw;
  for (const char* key : {"axis", "keepdims", "exclude"})
    if (auto it = g.kwargs().find(key); it != g.kwargs().end()) kw.insert(*it);
  return g.call("_expand_like", {v, g.x()}, kw);
}
GradContext::Value zeros(GradContext& g) { return g.call("zeros_like", {g.x()}); }

// max, min: dy where x is the one that was found.
std::vector<GradContext::Value> build_chosen(GradContext& g) {
  const auto found = g.call("_equal", {g.x(), expanded(g, g.y())});
  return {g.call("where", {found, expanded(g, g.dy()), zeros(g)})};
}
// nansum: dy where x is a number.
std::vector<GradContext::Value> build_numbers(GradContext& g) {
  const auto number = g.call("_equal", {g.x(), g.x()});
  return {g.call("where", {number, expanded(g, g.dy()), zeros(g)})};
}

template <class F>
OpDef reduce_def(std::vector<Name> aliases) {
  OpDef d{.name = F::name,
          .aliases = std::move(aliases),
          .doc = F::doc,
          .params = schema<ReduceParam>(),
          .infer = infer,
          .cpu = run<F>,
          .scratch = scratch<F>};
  if constexpr (requires { F::full; }) d.precision = Precision::kFull;
  if constexpr (requires { F::grad(1.f, 1.f, 1.f); })
    d.backward = {.reads = {dy(), x(), y()},
                  .run = run_gradient<F>,
                  .build = std::is_same_v<F, NanSum> ? build_numbers : build_chosen};
  return d;
}

// --- norm ---------------------------------------------------------------------------------------
enum class NormType { kFloat16, kFloat32, kFloat64, kInt64, kInt32, kInt8 };

struct NormParam {
  int ord = 2;
  Shape axis;
  std::optional<NormType> out_dtype;
  bool keepdims = false;
  void fields(auto&& f) {
    f("ord", ord, "1: sum of absolute values; 2: root of the sum of squares.").range(1, 2);
    f("axis", axis, "The axes to reduce; all when None or ().");
    f("out_dtype", out_dtype, "The dtype of the result; that of data when None.")
        .names({"float16", "float32", "float64", "int64", "int32", "int8"});
    f("keepdims", keepdims, "Leave reduced axes in the result with size 1.");
  }
};

void infer_norm(const NormParam& p, InferContext& c) {
  c.set_out(0, reduced_shape("norm", c.in(0), p.axis, false, p.keepdims));
}
void infer_norm_dtype(const NormParam& p, InferContext& c) {
  constexpr Dtype kTypes[] = {Dtype::kFloat16, Dtype::kFloat32, Dtype::kFloat64,
                              Dtype::kInt64,   Dtype::kInt32,   Dtype::kInt8};
  c.set_out_dtype(0, p.out_dtype ? kTypes[int(*p.out_dtype)] : c.in_dtype(0));
}
// Have the squares of n float32 elements on the way to this norm overflowed, or lost their digits?
bool has_left_float(double norm, double n) {
  return !std::isfinite(norm) || norm * norm < n * 0x1p-100;
}
bool has_left_double(double norm, double n) {
  return !std::isfinite(norm) || norm < std::sqrt(n) * 0x1p-480;
}

// The root of the sum of squares. What single precision cannot hold on the way is computed in
// double; what double cannot, from elements divided by the largest one.
void length(OpContext& ctx, const Blob& x, const Shape& kept, const Blob& y) {
  const double n = double(x.size()) / double(std::max<int64_t>(1, y.size()));
  const auto wide = [&](const Shape& s) {
    return Blob{ctx.scratch_of<double>(s.size()), s, Dtype::kFloat64, x.device};
  };
  const Blob norms = wide(kept);
  const auto any = [&](bool (*left)(double, double)) {
    const double* v = norms.as<double>();
    return std::any_of(v, v + norms.size(), [&](double norm) { return left(norm, n); });
  };
  if (is_float(x.dtype)) ew::reduce(ctx, kReduction<SumSquares>, x, kept, norms);
  else reduce_wide(ctx, kReduction<SumSquares>, x, kept, norms);
  if (is_float(x.dtype) && x.dtype != Dtype::kFloat64 && any(has_left_float))
    reduce_wide(ctx, kReduction<SumSquares>, x, kept, norms);
  if (x.dtype == Dtype::kFloat64 && any(has_left_double)) {
    const Blob most = wide(kept), scaled = wide(x.shape);
    ew::reduce(ctx, kReduction<MaxAbs>, x, kept, most);
    map(ctx, kLoops<Scaled>, {x, most}, scaled);
    ew::reduce(ctx, kReduction<SumSquares>, scaled, kept, norms);
    map(ctx, kLoops<Unscaled>, {norms, most}, norms);
  }
  Blob to = y;
  to.shape = kept;
  copy_broadcast(ctx, norms, to);
}

void norm(const NormParam& p, OpContext& ctx, Inputs in, Outputs out) {
  const Shape kept = kept_shape("norm", in[0].shape, p.axis, false);
  if (p.ord == 1) sum_up(ctx, kReduction<SumAbs>, in[0], kept, out[0]);
  else length(ctx, in[0], kept, out[0]);
}
ScratchNeed norm_scratch(const NormParam& p, const Situation& s) {
  const Shape& x = s.in[0].shape;
  const Shape kept = kept_shape("norm", x, p.axis, false);
  ScratchNeed need = reduce_scratch(x, kept);
  if (p.ord == 1) return need;
  need.take(8 * kept.size());
  if (s.in[0].dtype == Dtype::kFloat64) need.take(8 * kept.size()), need.take(8 * x.size());
  return need;
}
void norm_gradient(const NormParam& p, OpContext& ctx, Inputs in, Outputs out) {
  const Shape& x = out[0].shape;
  map(ctx, p.ord == 1 ? kLoops<Gradient<SumAbs>> : kLoops<Gradient<SumSquares>>,
      {kept_view("norm", in[0], x, p.axis, false), in[1],
       kept_view("norm", in[2], x, p.axis, false)},
      out[0]);
}

// dy * x / y, or dy * sign(x). Where y is 0, so is x. Not where y has another dtype.
std::vector<GradContext::Value> build_norm(const NormParam& p, GradContext& g) {
  if (p.out_dtype) return {};
  const auto dy = expanded(g, g.dy());
  if (p.ord == 1) return {g.call("elemwise_mul", {dy, g.call("sign", {g.x()})})};
  const auto y =
      g.call("elemwise_add", {g.y(), g.call("_equal_scalar", {g.y()}, {{"scalar", "0"}})});
  return {g.call("elemwise_mul", {dy, g.call("elemwise_div", {g.x(), expanded(g, y)})})};
}

void define(OpTable& ops) {
  OpDef sum = reduce_def<Sum>({"sum_axis"}), mean = reduce_def<Mean>({});
  sum.backward = {.reads = {dy()}, .run = sum_gradient, .build = expand<false>};
  mean.backward = {.reads = {dy()}, .run = mean_gradient, .build = expand<true>};
  OpDef prod = reduce_def<Prod>({}), nanprod = reduce_def<NanProd>({});
  prod.backward = {.reads = {dy(), x()},
                   .run = prod_gradient<Prod, ProdGradient>,
                   .scratch = prod_scratch<Prod>};
  nanprod.backward = {.reads = {dy(), x()},
                      .run = prod_gradient<NanProd, NanProdGradient>,
                      .scratch = prod_scratch<NanProd>};
  ops.define(sum);
  ops.define(mean);
  ops.define(reduce_def<NanSum>({}));
  ops.define(prod);
  ops.define(nanprod);
  OpDef max = reduce_def<Max>({"max_axis"}), min = reduce_def<Min>({"min_axis"});
  max.infer = min.infer = infer_extremum;
  ops.define(max);
  ops.define(min);
  ops.define({.name = "norm",
              .doc = "Norm over the given axes.",
              .precision = Precision::kFull,
              .params = schema<NormParam>(),
              .infer = infer_norm,
              .infer_dtype = infer_norm_dtype,
              .cpu = norm,
              .scratch = norm_scratch,
              .backward = {.reads = {dy(), x(), y()}, .run = norm_gradient, .build = build_norm}});
}

}  // namespace heddle::ops::reduce
