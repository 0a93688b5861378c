// Update rules over whole tensors, for the operators of one weight and of many, and for optimizers.
#pragma once
#include <array>
#include <cstddef>
#include <cstring>
#include <span>
#include <type_traits>
#include <vector>

#include "heddle/op.h"
#include "operator/elemwise/map.h"

namespace heddle::ops::opt {

// The loops of a rule, which is one of those that update.cc names, or Precise<> of it.
template <class R>
const ew::MapLoops& loops();

// in: weight, gradient, states. The new weight goes to `out`, which may be the old one; states are
// changed in place. Computes in float64 where `out` has it, else in float32.
template <class R>
void apply(const R& rule, const OpContext& ctx, std::span<const Blob> in, const Blob& out);

// Tensors with their rules, which are updated side by side.
class Updates {
 public:
  // As apply(), at run().
  template <class R>
  void add(const R& rule, std::span<const Blob> in, const Blob& out) {
    static_assert(sizeof(R) <= kRuleBytes && std::is_trivially_copyable_v<R>);
    std::memcpy(add(loops<R>(), in, out), &rule, sizeof(R));
  }
  void run(const OpContext& ctx) const;

 private:
  static constexpr size_t kRuleBytes = 96;
  struct One {
    const ew::MapLoops* loops;
    size_t inputs;
    std::array<Blob, ew::kMaxInputs> in;    // weight, gradient, states
    std::array<Blob, ew::kMaxOutputs> out;  // weight, states
    alignas(double) std::array<std::byte, kRuleBytes> rule;
  };
  std::byte* add(const ew::MapLoops& loops, std::span<const Blob> in, const Blob& out);
  std::vector<One> all_;
};

// The sum of the squares of each tensor, in float64, added in an order that its size decides.
std::vector<double> sums_of_squares(OpContext& ctx, std::span<const Blob> tensors);

// One weight under LAMB. `master`: the float32 weight beside a half one; without data there is
// none.
struct LambDirection;
struct LambTensor {
  Blob weight, grad, mean, var, master, out;
  double lr, wd;
  int64_t t;  // number of the update, from 1
};
struct LambRule {
  float beta1 = 0.9f, beta2 = 0.999f, epsilon = 1e-6f, rescale_grad = 1, clip_gradient = -1;
  bool bias_correction = true;
  float lower_bound = -1, upper_bound = -1;  // of the weight's norm; off when negative
  LambDirection direction(double wd, int64_t t) const;
  // The norm of the weight, within bounds, by that of the direction; 1 where either is 0.
  double ratio(double weight, double direction) const;
};
// Both phases: the directions, their norms and the weights', and the steps.
void lamb(const LambRule& rule, OpContext& ctx, std::span<const LambTensor> tensors);

// lr, or lr eta |w| / (|g| + wd |w| + eps) where both norms are above 0.
inline double lars(double lr, double wd, double eta, double eps, double w, double g) {
  return w > 0 && g > 0 ? lr * eta * w / (g + wd * w + eps) : lr;
}

// AdaGrad with one history for each row: history += mean of g^2, g = clip(rescale_grad grad);
// out = weight - lr g / sqrt(history + epsilon).
struct GroupAdagrad {
  float lr = 0, rescale_grad = 1, clip_gradient = -1, epsilon = 1e-5f;
};
void group_adagrad(const GroupAdagrad& rule, OpContext& ctx, const Blob& weight, const Blob& grad,
                   const Blob& history, const Blob& out);

}  // namespace heddle::ops::opt
