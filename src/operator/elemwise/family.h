// Turns formulas into operator records: what the unary_*.cc and binary_*.cc files share.
#pragma once
#include <array>
#include <tuple>
#include <utility>

#include "operator/elemwise/binary_names.h"
#include "operator/elemwise/formula.h"
#include "operator/elemwise/loops.h"
#include "operator/elemwise/unary.h"

namespace heddle::ops::ew {

// --- gradients as formulas of their own ---------------------------------------------------------
template <class F, size_t... I>
constexpr bool grad_takes_x(std::index_sequence<I...>) {
  return requires { F::grad_x(1.f, 1.f, float(I)...); };
}
template <class F, size_t... I>
constexpr bool grad_takes_y(std::index_sequence<I...>) {
  return requires { F::grad_y(1.f, 1.f, float(I)...); };
}
template <class F, size_t kParams = 0>
concept HasGradX = grad_takes_x<F>(std::make_index_sequence<kParams>{});
template <class F, size_t kParams = 0>
concept HasGradY = grad_takes_y<F>(std::make_index_sequence<kParams>{});
template <class F>
concept HasGradFree = requires {
  F::grad(1.f);
};
template <class F, size_t kParams = 0>
struct UnaryGrad {
  static constexpr bool usual = HasGradX<F, kParams> && Usually<F>;
  HEDDLE_HD static auto f(auto dy, auto saved,
                          auto... params) requires(!HasGradFree<F> &&
                                                   sizeof...(params) == kParams) {
    if constexpr (HasGradY<F, kParams>) return F::grad_y(dy, saved, params...);
    else return F::grad_x(dy, saved, params...);
  }
  HEDDLE_HD static auto f(auto dy) requires HasGradFree<F> { return F::grad(dy); }
};

// --- unary --------------------------------------------------------------------------------------
template <class F, size_t kParams>
Symbolic unary_graph(const Symbolic& dy, const Symbolic& saved, const Symbolic* params) {
  if constexpr (HasGradFree<F>) return F::grad(dy);
  else return [&]<size_t... I>(std::index_sequence<I...>)->Symbolic {
      return UnaryGrad<F, kParams>::f(dy, saved, params[I]...);
    }
  (std::make_index_sequence<kParams>{});
}

template <class F, size_t kParams>
const Formula& formula() {
  static constexpr Formula f = [] {
    constexpr bool x = HasGradX<F, kParams>, y = HasGradY<F, kParams>;
    Formula made{&kLoops<F>, nullptr, nullptr,
                 x   ? Formula::kInput
                 : y ? Formula::kOutput
                     : Formula::kNothing};
    if constexpr (kGradients && (x || y || HasGradFree<F>)) {
      made.gradient = &kLoops<UnaryGrad<F, kParams>>;
      made.graph = unary_graph<F, kParams>;
    }
    if constexpr (requires { F::whole; }) made.whole = F::whole;
    return made;
  }();
  return f;
}

// A formula's parameters are what P::numbers() gives, an array.
template <class P>
auto numbers_of(const P& p) {
  if constexpr (requires { p.numbers(); }) return p.numbers();
  else return std::array<double, 0>{};
}
template <class F, class P>
const Formula& formula_with() {
  return formula<F, std::tuple_size_v<decltype(numbers_of(std::declval<const P&>()))>>();
}

template <class F, class P>
void unary(const P& p, OpContext& ctx, Inputs in, Outputs out) {
  run(formula_with<F, P>(), ctx, in[0], numbers_of(p), out[0]);
}
template <class F, class P>
void unary_grad(const P& p, OpContext& ctx, Inputs in, Outputs out) {
  run_gradient(formula_with<F, P>(), ctx, in, numbers_of(p), out[0]);
}
template <class F, class P>
std::vector<GradContext::Value> unary_build(GradContext& g) {
  return build_gradient(formula_with<F, P>(), g, numbers_of(*static_cast<const P*>(g.params())));
}

template <class F, class P = NoParam>
OpDef unary_def() {
  OpDef d{.name = F::name,
          .doc = F::doc,
          .params = schema<P>(),
          .inplace = {{0, 0}},
          .cpu = unary<F, P>,
          .wants = wants_same};
  if constexpr (requires { F::full; }) d.precision = Precision::kFull;
  if constexpr (requires { F::epilogue; })
    d.fusing.epilogue = +[](const P&) -> Kwargs { return {{"activation", F::epilogue}}; };
  const Formula& f = formula_with<F, P>();
  d.backward.zero = !f.gradient;
  if (!f.gradient) return d;
  d.backward.reads = f.reads();
  d.backward.run = unary_grad<F, P>;
  d.backward.build = unary_build<F, P>;
  d.backward.inplace = {{0, 0}};
  return d;
}

template <class... F>
void define_unary(OpTable& ops, List<F...>) {
  (ops.define(unary_def<F>()), ...);
}

// --- binary -------------------------------------------------------------------------------------
template <class F>
concept HasGradAB = requires {
  F::grad_a(1.f, 1.f, 1.f);
};
template <class F>
concept HasGradDy = requires {
  F::grad_a(1.f);
};

template <class F>
concept UsualGrad = F::usual_grad;

template <class F>
struct GradA {
  static constexpr bool usual = UsualGrad<F>;
  HEDDLE_HD static auto f(auto dy, auto a, auto b) requires HasGradAB<F> {
    return F::grad_a(dy, a, b);
  }
  HEDDLE_HD static auto f(auto dy) requires HasGradDy<F> { return F::grad_a(dy); }
};
template <class F>
struct GradB {
  static constexpr bool usual = UsualGrad<F>;
  HEDDLE_HD static auto f(auto dy, auto a, auto b) requires HasGradAB<F> {
    return F::grad_b(dy, a, b);
  }
  HEDDLE_HD static auto f(auto dy) requires HasGradDy<F> { return F::grad_b(dy); }
};

struct ScalarParam {
  double scalar = 1;
  bool is_int = true;
  void fields(auto&& f) {
    f("scalar", scalar, "The number.");
    f("is_int", is_int, "Whether the number was an integer, in MXNet's files; ignored.").ignored();
  }
};

// Both gradients: each formula is mapped over the shape of dy (in[0]; operands in[1], in[2]) and
// summed over the axes that its operand was repeated along.
void binary_gradients(OpContext& ctx, const MapLoops& a, const MapLoops& b, Inputs in, Outputs out);

template <class F>
void binary(OpContext& ctx, Inputs in, Outputs out) {
  map(ctx, kLoops<F>, {in[0], in[1]}, out[0]);
}
template <class F>
void binary_grad(OpContext& ctx, Inputs in, Outputs out) {
  binary_gradients(ctx, kLoops<GradA<F>>, kLoops<GradB<F>>, in, out);
}
template <class F>
void scalar(const ScalarParam& p, OpContext& ctx, Inputs in, Outputs out) {
  map(ctx, kLoops<F>, {in[0], p.scalar}, out[0]);
}
template <class F>
void reflected(const ScalarParam& p, OpContext& ctx, Inputs in, Outputs out) {
  map(ctx, kLoops<F>, {p.scalar, in[0]}, out[0]);
}
template <class F>
void scalar_grad(const ScalarParam& p, OpContext& ctx, Inputs in, Outputs out) {
  if constexpr (HasGradDy<F>) map(ctx, kLoops<GradA<F>>, {in[0]}, out[0]);
  else map(ctx, kLoops<GradA<F>>, {in[0], in[1], p.scalar}, out[0]);
}
template <class F>
void reflected_grad(const ScalarParam& p, OpContext& ctx, Inputs in, Outputs out) {
  if constexpr (HasGradDy<F>) map(ctx, kLoops<GradB<F>>, {in[0]}, out[0]);
  else map(ctx, kLoops<GradB<F>>, {in[0], p.scalar, in[1]}, out[0]);
}

// The gradient of one operand as a graph; G is GradA<F> or GradB<F>.
template <class F, class G>
Symbolic binary_graph(const Symbolic& dy, const Symbolic& a, const Symbolic& b) {
  if constexpr (HasGradDy<F>) return G::f(dy);
  else return G::f(dy, a, b);
}
using BinaryGraph = Symbolic (*)(const Symbolic& dy, const Symbolic& a, const Symbolic& b);

// Both gradients as graphs, of operands of one shape, of operands that broadcast, and of a tensor
// and a number.
std::vector<GradContext::Value> build_elemwise(GradContext& g, BinaryGraph a, BinaryGraph b);
std::vector<GradContext::Value> build_broadcast(GradContext& g, BinaryGraph a, BinaryGraph b);
std::vector<GradContext::Value> build_scalar(GradContext& g, const ScalarParam& p, BinaryGraph a);
std::vector<GradContext::Value> build_reflected(GradContext& g, const ScalarParam& p,
                                                BinaryGraph b);

template <class F>
std::vector<GradContext::Value> elemwise_build(GradContext& g) {
  return build_elemwise(g, binary_graph<F, GradA<F>>, binary_graph<F, GradB<F>>);
}
template <class F>
std::vector<GradContext::Value> broadcast_build(GradContext& g) {
  return build_broadcast(g, binary_graph<F, GradA<F>>, binary_graph<F, GradB<F>>);
}
template <class F>
std::vector<GradContext::Value> scalar_build(const ScalarParam& p, GradContext& g) {
  return build_scalar(g, p, binary_graph<F, GradA<F>>);
}
template <class F>
std::vector<GradContext::Value> reflected_build(const ScalarParam& p, GradContext& g) {
  return build_reflected(g, p, binary_graph<F, GradB<F>>);
}

// The kernels of one formula. Plain functions, so that the records are built once, in family.cc.
struct BinaryKernels {
  const char* doc;
  Kernel binary, scalar, reflected;
  Learned<Kernel> binary_grad, scalar_grad, reflected_grad;
  Learned<Build> elemwise_build, broadcast_build, scalar_build, reflected_build;
  bool has_grad, reads_operands;
  bool full, full_reflected;
};
template <class F>
BinaryKernels binary_kernels() {
  BinaryKernels k{.doc = F::doc,
                  .binary = binary<F>,
                  .scalar = scalar<F>,
                  .reflected = reflected<F>,
                  .binary_grad = {},
                  .scalar_grad = {},
                  .reflected_grad = {},
                  .elemwise_build = {},
                  .broadcast_build = {},
                  .scalar_build = {},
                  .reflected_build = {},
                  .has_grad = HasGradAB<F> || HasGradDy<F>,
                  .reads_operands = HasGradAB<F>,
                  .full = false,
                  .full_reflected = false};
  if constexpr (requires { F::full; }) k.full = true;
  if constexpr (requires { F::full_reflected; }) k.full_reflected = true;
  if constexpr (kGradients && (HasGradAB<F> || HasGradDy<F>)) {
    k.binary_grad = binary_grad<F>;
    k.scalar_grad = scalar_grad<F>;
    k.reflected_grad = reflected_grad<F>;
    k.elemwise_build = elemwise_build<F>;
    k.broadcast_build = broadcast_build<F>;
    k.scalar_build = scalar_build<F>;
    k.reflected_build = reflected_build<F>;
  }
  return k;
}

// Defines every form that has a name.
void define_binary(OpTable& ops, const BinaryKernels& kernels, const BinaryNames& names);

}  // namespace heddle::ops::ew
