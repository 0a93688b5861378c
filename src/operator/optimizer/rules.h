// Optimizer update rules: the struct is the parameters, step() is the rule for one element. It
// returns the new weight and changes the states. To add one: write the struct, name it in
// update.cc.
//   states                 names of the state inputs, after weight and grad
//   step(w, g, states...)  the rule
// Freestanding, so that CUDA instantiates the same rules.
#pragma once
#include "operator/elemwise/scalar.h"

namespace heddle::ops::opt {

// x in [-c, c]; what is not a number stays none.
template <class T>
HEDDLE_HD T clamped(T x, T c) {
  return ew::select(x > c, c, ew::select(x < -c, -c, x));
}

struct Step {  // shared by most rules
  float lr = 0, wd = 0, rescale_grad = 1, clip_gradient = -1;
  void fields(auto&& f) {
    fields(f, [] {});
  }
  // With those of a rule after the rate: programs give parameters by position, in MXNet's order.
  void fields(auto&& f, auto&& of_rule) {
    f("lr", lr, "Learning rate.").required();
    of_rule();
    f("wd", wd, "Weight decay.");
    f("rescale_grad", rescale_grad, "Multiplies the gradient first.");
    f("clip_gradient", clip_gradient, "Limits the gradient to [-c, c]; off when negative.");
  }
  template <class T>
  HEDDLE_HD T clip(T g) const {
    const T c = T(clip_gradient);
    return clip_gradient >= 0 ? clamped(g, c) : g;
  }
  template <class T>
  HEDDLE_HD T scaled(T g) const {
    return clip(T(rescale_grad) * g);
  }
  // With the decay inside, before clipping.
  template <class T>
  HEDDLE_HD T decayed(T w, T g) const {
    return clip(T(rescale_grad) * g + T(wd) * w);
  }
};

struct Lazy {  // of operators that MXNet also runs on row-sparse gradients
  bool lazy_update = true;
  void fields(auto&& f) {
    f("lazy_update", lazy_update,
      "Leave rows alone that a row-sparse gradient does not name; gradients are dense.")
        .ignored();
  }
};

struct SgdUpdate : Step, Lazy {
  static constexpr auto name = "sgd_update",
                        doc = "Gradient descent: w = (1 - lr wd) w - lr clip(rescale_grad g).";
  void fields(auto&& f) { Step::fields(f), Lazy::fields(f); }
  template <class T>
  HEDDLE_HD T step(T w, T g) const {
    return (1 - T(lr) * T(wd)) * w - T(lr) * this->scaled(g);
  }
};
struct SgdMomUpdate : Step, Lazy {
  static constexpr auto
      name = "sgd_mom_update",
      doc =
          "Gradient descent with momentum: mom = momentum mom - lr (clip(rescale_grad "
          "g) + wd w); w += mom.";
  static constexpr const char* states[] = {"mom"};
  float momentum = 0;
  void fields(auto&& f) {
    Step::fields(f, [&] { f("momentum", momentum, "Share of the last step that is kept."); });
    Lazy::fields(f);
  }
  template <class T>
  HEDDLE_HD T step(T w, T g, T& mom) const {
    mom = T(momentum) * mom - T(lr) * T(wd) * w - T(lr) * this->scaled(g);
    return w + mom;
  }
};
struct NagMomUpdate : Step {
  static constexpr auto
      name = "nag_mom_update",
      doc =
          "Nesterov's accelerated gradient: w += (momentum + 1) (momentum mom - lr (d + wd w)) - "
          "momentum mom; mom = momentum mom - lr (d + wd (the new w)), d = clip(rescale_grad g).";
  static constexpr const char* states[] = {"mom"};
  float momentum = 0;
  void fields(auto&& f) {
    Step::fields(f, [&] { f("momentum", momentum, "Share of the last step that is kept."); });
  }
  template <class T>
  HEDDLE_HD T step(T w, T g, T& mom) const {
    const T kept = T(momentum) * mom, d = this->scaled(g);
    const T next = w - kept + (T(momentum) + 1) * (kept - T(lr) * (d + T(wd) * w));
    // MXNet's kernel writes the weight first and reads it once more for the momentum. Programs
    // write over the weight, so the decay that stays in the momentum is that of the new weight;
    // models trained there rely on it. Here it is so wherever the new weight goes.
    mom = kept - T(lr) * (d + T(wd) * next);
    return next;
  }
};
struct AdamUpdate : Step, Lazy {
  static constexpr auto
      name = "adam_update",
      doc =
          "Adam: mean and var average d = clip(rescale_grad g + wd w) and d^2; w -= lr "
          "mean / (sqrt(var) + epsilon). The caller corrects lr for the bias.";
  static constexpr const char* states[] = {"mean", "var"};
  float beta1 = 0.9f, beta2 = 0.999f, epsilon = 1e-8f;
  void fields(auto&& f) {
    Step::fields(f, [&] {
      f("beta1", beta1, "Decay of the mean.");
      f("beta2", beta2, "Decay of the variance.");
      f("epsilon", epsilon, "Keeps the divisor above zero.");
    });
    Lazy::fields(f);
  }
  template <class T>
  HEDDLE_HD T step(T w, T g, T& mean, T& var) const {
    const T d = this->decayed(w, g);
    mean = T(beta1) * mean + (1 - T(beta1)) * d;
    var = T(beta2) * var + (1 - T(beta2)) * d * d;
    return w - T(lr) * mean / (ew::sqrt(var) + T(epsilon));
  }
};

struct ClipWeights : Step {
  float clip_weights = -1;
  void fields(auto&& f, auto&& of_rule) {
    Step::fields(f, of_rule);
    f("clip_weights", clip_weights, "Limits the weight to [-c, c]; off when negative.");
  }
  template <class T>
  HEDDLE_HD T limited(T w) const {
    const T c = T(clip_weights);
    return clip_weights >= 0 ? clamped(w, c) : w;
  }
};
struct RmspropUpdate : ClipWeights {
  static constexpr auto
      name = "rmsprop_update",
      doc =
          "RMSProp: n averages d^2, d = clip(rescale_grad g + wd w); w -= lr d / sqrt(n "
          "+ epsilon).";
  static constexpr const char* states[] = {"n"};
  float gamma1 = 0.95f, epsilon = 1e-8f;
  void fields(auto&& f) {
    ClipWeights::fields(f, [&] {
      f("gamma1", gamma1, "Decay of the average.");
      f("epsilon", epsilon, "Keeps the divisor above zero.");
    });
  }
  template <class T>
  HEDDLE_HD T step(T w, T g, T& n) const {
    const T d = this->decayed(w, g);
    n = (1 - T(gamma1)) * (d * d) + T(gamma1) * n;
    return this->limited(w - T(lr) * (d / ew::sqrt(n + T(epsilon))));
  }
};
struct RmspropalexUpdate : ClipWeights {
  static constexpr auto
      name = "rmspropalex_update",
      doc =
          "Centred RMSProp with momentum: n and g average d^2 and d; delta = gamma2 "
          "delta - lr d / sqrt(n - g^2 + epsilon); w += delta.";
  static constexpr const char* states[] = {"n", "g", "delta"};
  float gamma1 = 0.95f, gamma2 = 0.9f, epsilon = 1e-8f;
  void fields(auto&& f) {
    ClipWeights::fields(f, [&] {
      f("gamma1", gamma1, "Decay of the averages.");
      f("gamma2", gamma2, "Share of the last step that is kept.");
      f("epsilon", epsilon, "Keeps the divisor above zero.");
    });
  }
  template <class T>
  HEDDLE_HD T step(T w, T grad, T& n, T& g, T& delta) const {
    const T d = this->decayed(w, grad);
    n = (1 - T(gamma1)) * (d * d) + T(gamma1) * n;
    g = (1 - T(gamma1)) * d + T(gamma1) * g;
    delta = T(gamma2) * delta - T(lr) * (d / ew::sqrt(n - g * g + T(epsilon)));
    return this->limited(w + delta);
  }
};
struct FtrlUpdate : Step {
  static constexpr auto
      name = "ftrl_update",
      doc =
          "FTRL: z += d - (sqrt(n + d^2) - sqrt(n)) w / lr; n += d^2; w = (sign(z) lamda1 "
          "- z) / ((beta + sqrt(n)) / lr + wd) where |z| > lamda1, else 0.";
  static constexpr const char* states[] = {"z", "n"};
  float lamda1 = 0.01f, beta = 1;
  void fields(auto&& f) {
    Step::fields(f, [&] {
      f("lamda1", lamda1, "Weight of the L1 penalty.");
      f("beta", beta, "Learning rates start near lr / beta.");
    });
  }
  template <class T>
  HEDDLE_HD T step(T w, T g, T& z, T& n) const {
    const T d = this->scaled(g), next = n + d * d;
    z += d - (ew::sqrt(next) - ew::sqrt(n)) * w / T(lr);
    n = next;
    const T y = (ew::sign(z) * T(lamda1) - z) / ((T(beta) + ew::sqrt(n)) / T(lr) + T(wd));
    return ew::abs(z) > T(lamda1) ? y : T(0);
  }
};
struct FtmlUpdate {
  static constexpr auto
      name = "ftml_update",
      doc = "Follow the moving leader, with v averaging d^2, d = clip(rescale_grad g + wd w).";
  static constexpr const char* states[] = {"d", "v", "z"};
  float lr = 0, beta1 = 0.6f, beta2 = 0.999f, wd = 0, rescale_grad = 1, clip_grad = -1;
  double epsilon = 1e-8, decay1 = 0, decay2 = 0;
  int t = 1;
  void fields(auto&& f) {
    f("lr", lr, "Learning rate.").required();
    f("beta1", beta1, "Decay of z.").range(0, 1);
    f("beta2", beta2, "Decay of v.").range(0, 1);
    f("epsilon", epsilon, "Keeps the divisor above zero.");
    f("t", t, "Number of the update, from 1.").required().at_least(1);
    f("wd", wd, "Weight decay.");
    f("rescale_grad", rescale_grad, "Multiplies the gradient first.");
    f("clip_grad", clip_grad, "Limits the gradient to [-c, c]; off when negative.");
    decay1 = 1 - __builtin_pow(double(beta1), t), decay2 = 1 - __builtin_pow(double(beta2), t);
  }
  template <class T>
  HEDDLE_HD T step(T w, T g, T& d, T& v, T& z) const {
    T grad = T(rescale_grad) * g + T(wd) * w;
    const T c = T(clip_grad);
    grad = clip_grad >= 0 ? clamped(grad, c) : grad;
    v = T(beta2) * v + (1 - T(beta2)) * grad * grad;
    const T next = T(decay1) / T(lr) * (ew::sqrt(v / T(decay2)) + T(epsilon));
    z = T(beta1) * z + (1 - T(beta1)) * grad - (next - T(beta1) * d) * w;
    d = next;
    return -z / next;
  }
};
struct SignsgdUpdate : Step {
  static constexpr auto name = "signsgd_update",
                        doc =
                            "Steps by the sign of the gradient: w = (1 - lr wd) w - "
                            "lr sign(g).";
  void fields(auto&& f) { Step::fields(f); }
  template <class T>
  HEDDLE_HD T step(T w, T g) const {
    return (1 - T(lr) * T(wd)) * w - T(lr) * ew::sign(g);
  }
};
struct SignumUpdate : Step {
  static constexpr auto
      name = "signum_update",
      doc =
          "Steps by the sign of the momentum: mom = momentum mom - (1 - momentum) "
          "(clip(rescale_grad g) + wd w); w = (1 - lr wd_lh) w + lr sign(mom).";
  static constexpr const char* states[] = {"mom"};
  float momentum = 0, wd_lh = 0;
  void fields(auto&& f) {
    Step::fields(f, [&] { f("momentum", momentum, "Share of the last momentum that is kept."); });
    f("wd_lh", wd_lh, "Weight decay outside the gradient.");
  }
  template <class T>
  HEDDLE_HD T step(T w, T g, T& mom) const {
    mom = T(momentum) * mom - (1 - T(momentum)) * (this->scaled(g) + T(wd) * w);
    return (1 - T(lr) * T(wd_lh)) * w + T(lr) * ew::sign(mom);
  }
};
struct AdagradUpdate : Step {
  static constexpr auto
      name = "_sparse_adagrad_update",
      doc =
          "AdaGrad: history += d^2, d = clip(rescale_grad g); w -= lr (d / sqrt(history + "
          "epsilon) + wd w).";
  static constexpr const char* states[] = {"history"};
  float epsilon = 1e-7f;
  void fields(auto&& f) {
    Step::fields(f, [&] { f("epsilon", epsilon, "Keeps the divisor above zero."); });
  }
  template <class T>
  HEDDLE_HD T step(T w, T g, T& history) const {
    const T d = this->scaled(g);
    history += d * d;
    return w - T(lr) * (d / ew::sqrt(history + T(epsilon)) + T(wd) * w);
  }
};

// --- rules that keep an exact float32 weight beside a half one -----------------------------------
// The rule R on the float32 weight, the last of the states; the half weight follows.
template <class R>
struct Precise : R {
  using Exact = R;
  template <class T>
  HEDDLE_HD T step(T, T g, T& w32) const {
    return w32 = R::step(w32, g);
  }
  template <class T>
  HEDDLE_HD T step(T, T g, T& a, T& w32) const {
    return w32 = R::step(w32, g, a);
  }
  template <class T>
  HEDDLE_HD T step(T, T g, T& a, T& b, T& w32) const {
    return w32 = R::step(w32, g, a, b);
  }
  template <class T>
  HEDDLE_HD T step(T, T g, T& a, T& b, T& c, T& w32) const {
    return w32 = R::step(w32, g, a, b, c);
  }
};
template <class R>
constexpr bool kPrecise = requires {
  typename R::Exact;
};
template <class R>
constexpr int count_states() {
  if constexpr (kPrecise<R>) return count_states<typename R::Exact>() + 1;
  else if constexpr (requires { R::states; }) return int(sizeof(R::states) / sizeof(R::states[0]));
  else return 0;
}

struct MpSgdUpdate : Precise<SgdUpdate> {
  static constexpr auto name = "mp_sgd_update",
                        doc = "sgd_update with a float32 weight beside the half one.";
};
struct MpSgdMomUpdate : Precise<SgdMomUpdate> {
  static constexpr auto name = "mp_sgd_mom_update",
                        doc = "sgd_mom_update with a float32 weight beside the half one.";
};
struct MpNagMomUpdate : Precise<NagMomUpdate> {
  static constexpr auto name = "mp_nag_mom_update",
                        doc = "nag_mom_update with a float32 weight beside the half one.";
};

// --- rules of multi_update.cc, which sets what is not among the parameters -----------------------
struct AdamwUpdate {
  static constexpr const char* states[] = {"mean", "var"};
  float lr = 0, beta1 = 0.9f, beta2 = 0.999f, epsilon = 1e-8f, wd = 0, eta = 0, clip_gradient = -1;
  float rescale = 1;  // from a tensor
  template <class T>
  HEDDLE_HD T step(T w, T g, T& mean, T& var) const {
    const T c = T(clip_gradient);
    T d = T(rescale) * g;
    d = clip_gradient >= 0 ? clamped(d, c) : d;
    mean = T(beta1) * mean + (1 - T(beta1)) * d;
    var = T(beta2) * var + (1 - T(beta2)) * d * d;
    return w - T(eta) * (T(lr) * mean / (ew::sqrt(var) + T(epsilon)) + T(wd) * w);
  }
};
// LAMB: the direction of the step, before its length is set.
struct LambDirection {
  static constexpr const char* states[] = {"mean", "var"};
  float beta1 = 0.9f, beta2 = 0.999f, epsilon = 1e-6f, wd = 0, rescale_grad = 1, clip_gradient = -1;
  float mean_share = 1, var_share = 1;  // 1 - beta^t, where the bias is corrected
  template <class T>
  HEDDLE_HD T step(T w, T g, T& mean, T& var) const {
    const T c = T(clip_gradient);
    T d = T(rescale_grad) * g;
    d = clip_gradient >= 0 ? clamped(d, c) : d;
    mean = T(beta1) * mean + (1 - T(beta1)) * d;
    var = T(beta2) * var + (1 - T(beta2)) * d * d;
    return mean / T(mean_share) / (ew::sqrt(var / T(var_share)) + T(epsilon)) + T(wd) * w;
  }
};
struct LambStep {
  float by = 0;
  template <class T>
  HEDDLE_HD T step(T w, T g) const {
    return w - T(by) * g;
  }
};

// --- rules of optimizers that are no operators ---------------------------------------------------
struct DcasgdUpdate : Step {
  static constexpr const char* states[] = {"previous"};
  float lamda = 0.04f;
  template <class T>
  HEDDLE_HD T move(T w, T g, T previous) const {
    const T d = this->scaled(g);
    return -T(lr) * (d + T(wd) * w + T(lamda) * d * d * (w - previous));
  }
  template <class T>
  HEDDLE_HD T step(T w, T g, T& previous) const {
    const T by = move(w, g, previous);
    previous = w;
    return w + by;
  }
};
struct DcasgdMomUpdate : DcasgdUpdate {
  static constexpr const char* states[] = {"mom", "previous"};
  float momentum = 0;
  template <class T>
  HEDDLE_HD T step(T w, T g, T& mom, T& previous) const {
    mom = T(momentum) * mom + this->move(w, g, previous);
    previous = w;
    return w + mom;
  }
};
// The caller corrects lr for the bias of the mean.
struct AdamaxUpdate : Step {
  static constexpr const char* states[] = {"mean", "largest"};
  float beta1 = 0.9f, beta2 = 0.999f, rest1 = 0.1f;  // rest1: 1 - beta1, of exact numbers
  template <class T>
  HEDDLE_HD T step(T w, T g, T& mean, T& largest) const {
    const T d = this->decayed(w, g), magnitude = ew::abs(d);
    mean = T(beta1) * mean + T(rest1) * d;
    largest = T(beta2) * largest;
    largest = ew::select(magnitude > largest, magnitude, largest);
    return w - T(lr) * mean / (largest + T(1e-8));  // a gradient that is always 0 moves nothing
  }
};
struct NadamUpdate : Step {
  static constexpr const char* states[] = {"mean", "var"};
  float beta1 = 0.9f, beta2 = 0.999f, epsilon = 1e-8f;
  float rest1 = 0.1f, rest2 = 0.001f;  // 1 - beta, of exact numbers
  // What the step takes of gradient and mean, and 1 - beta2^t.
  float of_grad = 1, of_mean = 1, var_share = 1;
  template <class T>
  HEDDLE_HD T step(T w, T g, T& mean, T& var) const {
    const T d = this->decayed(w, g);
    mean = T(beta1) * mean + T(rest1) * d;
    var = T(beta2) * var + T(rest2) * d * d;
    const T by = T(of_grad) * d + T(of_mean) * mean;
    return w - T(lr) * by / (ew::sqrt(var / T(var_share)) + T(epsilon));
  }
};
struct AdadeltaUpdate : Step {  // has no rate
  static constexpr const char* states[] = {"acc_g", "acc_delta"};
  float rho = 0.9f, rest = 0.1f, epsilon = 1e-5f;  // rest: 1 - rho, of exact numbers
  template <class T>
  HEDDLE_HD T step(T w, T g, T& acc_g, T& acc_delta) const {
    const T d = this->scaled(g);
    acc_g = T(rho) * acc_g + T(rest) * d * d;
    const T by = ew::sqrt(acc_delta + T(epsilon)) / ew::sqrt(acc_g + T(epsilon)) * d;
    acc_delta = T(rho) * acc_delta + T(rest) * by * by;
    return w - (by + T(wd) * w);
  }
};
struct SgldUpdate : Step {
  static constexpr const char* states[] = {"noise"};  // of variance lr
  template <class T>
  HEDDLE_HD T step(T w, T g, T& noise) const {
    return w - T(lr) / 2 * (this->scaled(g) + T(wd) * w) + noise;
  }
};
struct TestUpdate : Step {
  static constexpr const char* states[] = {"copy"};
  template <class T>
  HEDDLE_HD T step(T w, T g, T& copy) const {
    return copy = w + T(rescale_grad) * g;
  }
};
// The sum of several gradients, in the place of the weight.
struct GradientSum {
  bool fresh = true;
  template <class T>
  HEDDLE_HD T step(T sum, T g) const {
    return fresh ? g : sum + g;
  }
};

}  // namespace heddle::ops::opt
