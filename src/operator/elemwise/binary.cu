// CUDA kernels of the binary operators in all their forms, from the lists of binary_names.h.
#include "operator/elemwise/map.cuh"

namespace heddle::ops::binary_cuda {
using namespace ew;

// The gradient of a formula for its first or second operand.
template <class G, bool kReadsOperands>
void gradient(const OpContext& ctx, const Operand& dy, const Operand& a, const Operand& b,
              const Blob& out) {
  if constexpr (kReadsOperands) ew_cuda::map<G>(ctx, {dy, a, b}, out);
  else ew_cuda::map<G>(ctx, {dy}, out);
}

template <class F>
struct Kernels {
  static constexpr bool kReads = HasGradAB<F>;

  static void binary(OpContext& ctx, Inputs in, Outputs out) {
    ew_cuda::map<F>(ctx, {Operand(in[0]), Operand(in[1])}, out[0]);
  }
  static void binary_grad(OpContext& ctx, Inputs in, Outputs out) {
    const Blob &a = in[kReads ? 1 : 0], &b = in[kReads ? 2 : 0];
    if (ctx.wants(0)) gradient<GradA<F>, kReads>(ctx, in[0], a, b, out[0]);
    if (ctx.wants(1)) gradient<GradB<F>, kReads>(ctx, in[0], a, b, out[1]);
  }
  static void scalar(const ScalarParam& p, OpContext& ctx, Inputs in, Outputs out) {
    ew_cuda::map<F>(ctx, {Operand(in[0]), Operand(p.scalar)}, out[0]);
  }
  static void scalar_grad(const ScalarParam& p, OpContext& ctx, Inputs in, Outputs out) {
    gradient<GradA<F>, kReads>(ctx, in[0], in[kReads ? 1 : 0], p.scalar, out[0]);
  }
  static void reflected(const ScalarParam& p, OpContext& ctx, Inputs in, Outputs out) {
    ew_cuda::map<F>(ctx, {Operand(p.scalar), Operand(in[0])}, out[0]);
  }
  static void reflected_grad(const ScalarParam& p, OpContext& ctx, Inputs in, Outputs out) {
    gradient<GradB<F>, kReads>(ctx, in[0], p.scalar, in[kReads ? 1 : 0], out[0]);
  }
};

// The gradient of an operand that was repeated is a sum, which has no kernel here yet.
bool nothing_repeats(const Situation& s) {
  for (const Blob& b : s.out)
    if (!(b.shape == s.in[0].shape)) return false;
  return true;
}

template <class F>
void add(OpTable& ops, const BinaryNames& names) {
  using K = Kernels<F>;
  constexpr bool kGrad = HasGradAB<F> || HasGradDy<F>;
  auto put = [&](const std::string& name, Kernel run, Kernel grad, Accepts accepts) {
    if (name.empty()) return;
    ops.kernel(name, Device::kCuda, "cuda", run);
    if (grad) ops.kernel("_backward_" + name, Device::kCuda, "cuda", grad, accepts);
  };
  if constexpr (kGrad) {
    put(names.elemwise, K::binary, K::binary_grad, nothing_repeats);
    put(names.broadcast, K::binary, K::binary_grad, nothing_repeats);
    put(names.scalar, K::scalar, K::scalar_grad, nullptr);
    put(names.reflected, K::reflected, K::reflected_grad, nullptr);
  } else {
    put(names.elemwise, K::binary, nullptr, nullptr);
    put(names.broadcast, K::binary, nullptr, nullptr);
    put(names.scalar, K::scalar, nullptr, nullptr);
    put(names.reflected, K::reflected, nullptr, nullptr);
  }
}

void define(OpTable& ops) {
  auto each = [&]<class F>(F, const BinaryNames& names) { add<F>(ops, names); };
  each_binary_arithmetic(each);
  each_binary_math(each);
  each_binary_logic(each);
}

}  // namespace heddle::ops::binary_cuda
