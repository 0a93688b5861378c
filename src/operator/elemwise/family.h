// Turns formulas into operator records: what the unary_*.cc and binary_*.cc files share.
#pragma once
#include "operator/elemwise/binary_names.h"
#include "operator/elemwise/gradients.h"
#include "operator/elemwise/loops.h"
#include "operator/elemwise/unary.h"

namespace heddle::ops::ew {

// --- gradients as formulas of their own ---------------------------------------------------------
template <class F>
concept HasGradX = requires {
  F::grad_x(1.f, 1.f);
};
template <class F>
concept HasGradY = requires {
  F::grad_y(1.f, 1.f);
};
template <class F>
concept HasGradFree = requires {
  F::grad(1.f);
};

template <class F>
struct UnaryGrad {
  HD static auto f(auto dy, auto saved) requires(!HasGradFree<F>) {
    if constexpr (HasGradY<F>) return F::grad_y(dy, saved);
    else return F::grad_x(dy, saved);
  }
  HD static auto f(auto dy) requires HasGradFree<F> { return F::grad(dy); }
};

// --- unary --------------------------------------------------------------------------------------
template <class F>
void unary(OpContext& ctx, Inputs in, Outputs out) {
  map(ctx, kLoops<F>, {in[0]}, out[0]);
}

template <class F>
void unary_grad(OpContext& ctx, Inputs in, Outputs out) {
  if constexpr (HasGradFree<F>) map(ctx, kLoops<UnaryGrad<F>>, {in[0]}, out[0]);
  else map(ctx, kLoops<UnaryGrad<F>>, {in[0], in[1]}, out[0]);
}

template <class F>
OpDef unary_def() {
  OpDef d{.name = F::name, .doc = F::doc, .inplace = {{0, 0}}, .cpu = unary<F>};
  if constexpr (HasGradX<F>) d.backward.reads = {dy(), x()};
  else if constexpr (HasGradY<F>) d.backward.reads = {dy(), y()};
  else if constexpr (HasGradFree<F>) d.backward.reads = {dy()};
  if constexpr (HasGradX<F> || HasGradY<F> || HasGradFree<F>) {
    d.backward.run = unary_grad<F>;
    d.backward.inplace = {{0, 0}};
    d.backward.build = composed_gradient(F::name);
  } else {
    d.backward.zero = true;
  }
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
struct GradA {
  HD static auto f(auto dy, auto a, auto b) requires HasGradAB<F> { return F::grad_a(dy, a, b); }
  HD static auto f(auto dy) requires HasGradDy<F> { return F::grad_a(dy); }
};
template <class F>
struct GradB {
  HD static auto f(auto dy, auto a, auto b) requires HasGradAB<F> { return F::grad_b(dy, a, b); }
  HD static auto f(auto dy) requires HasGradDy<F> { return F::grad_b(dy); }
};

struct ScalarParam {
  double scalar = 1;
  bool is_int = true;
  void fields(auto&& f) {
    f("scalar", scalar, "The number.");
    f("is_int", is_int, "Kept for MXNet's files: whether the number was an integer.");
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

// The kernels of one formula. Plain functions, so that the records are built once, in family.cc.
struct BinaryKernels {
  const char* doc;
  Kernel binary, binary_grad, scalar, scalar_grad, reflected, reflected_grad;
  bool has_grad, reads_operands;
};
template <class F>
BinaryKernels binary_kernels() {
  BinaryKernels k{.doc = F::doc,
                  .binary = binary<F>,
                  .binary_grad = {},
                  .scalar = scalar<F>,
                  .scalar_grad = {},
                  .reflected = reflected<F>,
                  .reflected_grad = {},
                  .has_grad = HasGradAB<F> || HasGradDy<F>,
                  .reads_operands = HasGradAB<F>};
  if constexpr (HasGradAB<F> || HasGradDy<F>) {
    k.binary_grad = binary_grad<F>;
    k.scalar_grad = scalar_grad<F>;
    k.reflected_grad = reflected_grad<F>;
  }
  return k;
}

// Defines every form that has a name.
void define_binary(OpTable& ops, const BinaryKernels& kernels, const BinaryNames& names);

}  // namespace heddle::ops::ew
