// Rules whose rate depends on the norms of a layer.
#include <algorithm>
#include <array>
#include <cmath>
#include <string>

#include "operator/optimizer/momentum.h"

namespace heddle::optimizer::layerwise {

struct LarsParam : SgdParam {
  double eta = 0.001, eps = 0;
  bool momentum_correction = true;
  void fields(auto&& f) {
    SgdParam::fields(f);
    f("eta", eta, "Share of the weight's norm that a step has.");
    f("eps", eps, "Keeps the divisor above zero.");
    f("momentum_correction", momentum_correction, "Scale the momentum as the rate changes.");
  }
};
// more[0]: the momentum of this step.
void prepare_lars(const LarsParam& p, Step& step) {
  double &last = step.memory[0], &current = step.memory[1];
  last = std::isnan(current) ? step.rate : current;
  current = step.rate;
  const bool corrects = p.momentum_correction && last != 0;
  for (Numbers& n : step.numbers) n.more[0] = double(p.momentum) * (corrects ? current / last : 1);
}
// The norm of the gradient is that before clipping.
void lars(const LarsParam& p, Batch& b) {
  std::vector<Blob> tensors;
  std::vector<Target> adapted(b.targets.begin(), b.targets.end());
  for (const Target& t : adapted)
    if (!t.numbers.exempt) tensors.push_back(t.weight), tensors.push_back(t.grad);
  const std::vector<double> sums = opt::sums_of_squares(b.ctx, tensors);
  size_t at = 0;
  for (Target& t : adapted) {
    Numbers& n = t.numbers;
    if (!n.exempt) {
      const double w = std::sqrt(sums[at++]), g = std::sqrt(sums[at++]) * b.common.rescale_grad;
      n.lr = opt::lars(n.lr, n.wd, p.eta, p.eps, w, g);
    }
    add_sgd<opt::SgdUpdate, opt::SgdMomUpdate>(b, t, n.more[0]);
  }
  b.run();
}

struct LbsgdParam : MomentumParam {
  std::string warmup_strategy = "linear";
  double warmup_epochs = 5, batch_scale = 1, updates_per_epoch = 32, begin_epoch = 0;
  double num_epochs = 60;
  void fields(auto&& f) {
    MomentumParam::fields(f);
    f("warmup_strategy", warmup_strategy,
      "How the rate's factor grows: linear, power2, sqrt; lars: by the ratio of norms.");
    f("warmup_epochs", warmup_epochs, "How long it grows.");
    f("batch_scale", batch_scale, "How many gradients make one step.").at_least(1);
    f("updates_per_epoch", updates_per_epoch, "How many updates an epoch has.");
    f("begin_epoch", begin_epoch, "The first epoch.");
    f("num_epochs", num_epochs, "How many epochs there are.").ignored();
  }
  // The rate's factor after so many updates.
  double factor(double updates) const {
    const double whole = warmup_epochs * updates_per_epoch;
    if (updates >= whole) return batch_scale;
    if (whole <= 1) return 1;
    const double part = updates / whole;
    if (warmup_strategy == "linear") return 1 + (batch_scale - 1) * part;
    if (warmup_strategy == "power2") return 1 + (batch_scale - 1) * part * part;
    if (warmup_strategy == "sqrt") return 1 + (batch_scale - 1) * std::sqrt(part);
    return 1;
  }
};
std::vector<State> lbsgd_states(const LbsgdParam& p) {
  std::vector<State> states = momentum_state(p);
  if (p.batch_scale > 1) states.push_back({"sum"});
  return states;
}
// more[0]: the rate's factor; more[1]: does the sum begin; more[2]: is it complete.
void prepare_lbsgd(const LbsgdParam& p, Step& step) {
  for (Numbers& n : step.numbers) {
    const double updates = p.begin_epoch * p.updates_per_epoch + double(n.count - step.begin_count);
    n.more[0] = p.factor(updates);
    n.more[1] = std::fmod(updates - 1, p.batch_scale) == 0;
    n.more[2] = std::fmod(updates, p.batch_scale) == 0;
  }
}
void lbsgd(const LbsgdParam& p, Batch& b) {
  const bool sums = p.batch_scale > 1;
  std::vector<Target> whole;  // those whose sums are complete
  for (const Target& t : b.targets) {
    if (sums) {
      const Blob& sum = t.states.back();
      b.updates.add(opt::GradientSum{t.numbers.more[1] != 0}, std::array{sum, t.grad}, sum);
    }
    if (t.numbers.more[2] == 0) continue;
    Target& step = whole.emplace_back(t);
    if (sums) step.grad = t.states.back(), step.states.pop_back();
  }
  b.run();
  if (p.warmup_strategy == "lars") {
    std::vector<Blob> tensors;
    for (const Target& t : whole) tensors.push_back(t.exact()), tensors.push_back(t.grad);
    const std::vector<double> squares = opt::sums_of_squares(b.ctx, tensors);
    for (size_t i = 0; i < whole.size(); ++i) {
      const double w = squares[2 * i], g = squares[2 * i + 1] / (p.batch_scale * p.batch_scale);
      const double ratio = std::sqrt(w / (g + whole[i].numbers.wd * w + 1e-18));
      whole[i].numbers.more[0] = std::min(std::max(ratio, 0.01), 100.0);
    }
  }
  Common mean = b.common;
  mean.rescale_grad /= p.batch_scale;
  Batch steps{b.ctx, mean, whole, b.clip};
  for (Target& t : whole) {
    t.numbers.lr *= t.numbers.more[0];
    add_sgd<opt::SgdUpdate, opt::SgdMomUpdate>(steps, t, double(p.momentum));
  }
  steps.run();
}

struct LambParam {
  float beta1 = 0.9f, beta2 = 0.999f, epsilon = 1e-6f;
  std::optional<float> lower_bound, upper_bound;
  bool bias_correction = true;
  void fields(auto&& f) {
    f("beta1", beta1, "Decay of the mean.");
    f("beta2", beta2, "Decay of the variance.");
    f("epsilon", epsilon, "Keeps the divisor above zero.");
    f("lower_bound", lower_bound, "Least norm of the weight that counts; None or 0: any.");
    f("upper_bound", upper_bound, "Largest norm of the weight that counts; None or 0: any.");
    f("bias_correction", bias_correction, "Divide both averages by 1 - beta^t.");
  }
};
void lamb(const LambParam& p, Batch& b) {
  auto bound = [](std::optional<float> v) { return v && *v != 0 ? *v : -1.f; };
  const opt::LambRule rule{p.beta1,
                           p.beta2,
                           p.epsilon,
                           float(b.common.rescale_grad),
                           b.clip,
                           p.bias_correction,
                           bound(p.lower_bound),
                           bound(p.upper_bound)};
  std::vector<opt::LambTensor> tensors;
  for (const Target& t : b.targets)
    tensors.push_back({t.weight, t.grad, t.states[0], t.states[1], t.master, t.weight, t.numbers.lr,
                       t.numbers.wd, t.numbers.count});
  opt::lamb(rule, b.ctx, tensors);
}

std::vector<State> averages() { return {{"mean"}, {"var"}}; }

void define(std::vector<RuleDef>& rules) {
  rules.push_back(
      {.name = "lars",
       .doc = "SGD at the rate lr eta |w| / (|g| + wd |w| + eps); as it is for gamma, beta and "
              "bias. arXiv:1708.03888",
       .params = schema<LarsParam>(),
       .states = momentum_state<LarsParam>,
       .remembers = {"last_lr", "cur_lr"},
       .remembered = {std::nan(""), std::nan("")},
       .exempts = true,
       .momentum = true,
       .prepare = prepare_lars,
       .run = lars});
  rules.push_back(
      {.name = "lbsgd",
       .doc = "SGD for large batches: batch_scale gradients make one step, at a rate that grows "
              "while training warms up. arXiv:1708.03888",
       .params = schema<LbsgdParam>(),
       .states = lbsgd_states,
       .momentum = true,
       .prepare = prepare_lbsgd,
       .run = lbsgd});
  rules.push_back({.name = "lamb",
                   .doc = "Adam's direction, with a step in proportion to the norm of the weight. "
                          "arXiv:1904.00962",
                   .learning_rate = 0.001,
                   .params = schema<LambParam>(),
                   .states = averages,
                   .run = lamb});
}

}  // namespace heddle::optimizer::layerwise
