// CUDA kernels of the unary operators and their gradients, from the lists of unary.h.
#include "operator/elemwise/map.cuh"

namespace heddle::ops::unary_cuda {
using namespace ew;

template <class F>
void unary(OpContext& ctx, Inputs in, Outputs out) {
  ew_cuda::map<F>(ctx, {Operand(in[0])}, out[0]);
}

template <class F>
void unary_grad(OpContext& ctx, Inputs in, Outputs out) {
  if constexpr (HasGradFree<F>) ew_cuda::map<UnaryGrad<F>>(ctx, {Operand(in[0])}, out[0]);
  else ew_cuda::map<UnaryGrad<F>>(ctx, {Operand(in[0]), Operand(in[1])}, out[0]);
}

template <class F>
void add(OpTable& ops) {
  const std::string name = F::name;
  ops.kernel(name, Device::kCuda, "cuda", unary<F>);
  if constexpr (HasGradX<F> || HasGradY<F> || HasGradFree<F>)
    ops.kernel("_backward_" + name, Device::kCuda, "cuda", unary_grad<F>);
}

template <class... F>
void add_all(OpTable& ops, List<F...>) {
  (add<F>(ops), ...);
}

void define(OpTable& ops) {
  add_all(ops, UnaryArithmetic{});
  add_all(ops, UnaryMath{});
  add_all(ops, UnaryTrig{});
  add_all(ops, UnarySpecial{});
}

}  // namespace heddle::ops::unary_cuda
