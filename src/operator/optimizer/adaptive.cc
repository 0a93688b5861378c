// Rules that scale steps element by element by the squares of past gradients.
#include <cmath>

#include "operator/optimizer/rule.h"

namespace heddle::optimizer::adaptive {

struct AdagradParam {
  float eps = 1e-7f;
  void fields(auto&& f) { f("eps", eps, "Keeps the divisor above zero."); }
};
void adagrad(const AdagradParam& p, Batch& b) {
  for (const Target& t : b.targets) {
    auto rule = b.rule_for<opt::AdagradUpdate>(t);
    rule.epsilon = p.eps;
    b.add(t, rule);
  }
  b.run();
}
struct GroupParam {
  float eps = 1e-5f;
  void fields(auto&& f) { f("eps", eps, "Keeps the divisor above zero."); }
};
void prepare_group(const GroupParam&, Step& step) {
  for (const Numbers& n : step.numbers)
    check(n.wd == 0, "ValueError: [groupadagrad] found weight decay {}, expected none", n.wd);
}
void group_adagrad(const GroupParam& p, Batch& b) {
  for (const Target& t : b.targets) {
    Blob grad = t.grad;
    if (grad.dtype != t.exact().dtype) {
      grad = t.exact();
      grad.data = b.ctx.scratch(size_t(grad.bytes()));
      ops::ew::copy_broadcast(b.ctx, t.grad, grad);
    }
    opt::group_adagrad({float(t.numbers.lr), float(b.common.rescale_grad), b.clip, p.eps}, b.ctx,
                       t.exact(), grad, t.states[0], t.exact());
    if (t.master.data) ops::ew::copy_broadcast(b.ctx, t.master, t.weight);
  }
}

struct AdadeltaParam {
  double rho = 0.9;
  float epsilon = 1e-5f;
  void fields(auto&& f) {
    f("rho", rho, "Decay of both averages.");
    f("epsilon", epsilon, "Keeps the divisor above zero.");
  }
};
void adadelta(const AdadeltaParam& p, Batch& b) {
  for (const Target& t : b.targets) {
    auto rule = b.rule_for<opt::AdadeltaUpdate>(t);
    rule.rho = float(p.rho), rule.rest = float(1 - p.rho), rule.epsilon = p.epsilon;
    b.add(t, rule);
  }
  b.run();
}

struct RmspropParam {
  float gamma1 = 0.9f, gamma2 = 0.9f, epsilon = 1e-8f;
  bool centered = false;
  std::optional<float> clip_weights;
  void fields(auto&& f) {
    f("gamma1", gamma1, "Decay of the averages.");
    f("gamma2", gamma2, "Share of the last step that is kept, where centered.");
    f("epsilon", epsilon, "Keeps the divisor above zero.");
    f("centered", centered, "Take the mean out of the squares, and add momentum.");
    f("clip_weights", clip_weights, "Limits the weight to [-c, c]; None or 0: no limit.");
  }
};
std::vector<State> rmsprop_states(const RmspropParam& p) {
  if (p.centered) return {{"n"}, {"g"}, {"delta"}};
  return {{"n"}};
}
void rmsprop(const RmspropParam& p, Batch& b) {
  auto with = [&](const Target& t, auto rule) {
    rule.gamma1 = p.gamma1, rule.epsilon = p.epsilon;
    rule.clip_weights = p.clip_weights && *p.clip_weights != 0 ? *p.clip_weights : -1;
    if constexpr (requires { rule.gamma2; }) rule.gamma2 = p.gamma2;
    b.add(t, rule);
  };
  for (const Target& t : b.targets)
    if (p.centered) with(t, b.rule_for<opt::RmspropalexUpdate>(t));
    else with(t, b.rule_for<opt::RmspropUpdate>(t));
  b.run();
}

struct FtrlParam {
  float lamda1 = 0.01f, beta = 1;
  void fields(auto&& f) {
    f("lamda1", lamda1, "Weight of the L1 penalty.");
    f("beta", beta, "Learning rates start near lr / beta.");
  }
};
void ftrl(const FtrlParam& p, Batch& b) {
  for (const Target& t : b.targets) {
    auto rule = b.rule_for<opt::FtrlUpdate>(t);
    rule.lamda1 = p.lamda1, rule.beta = p.beta;
    b.add(t, rule);
  }
  b.run();
}

struct FtmlParam {
  float beta1 = 0.6f, beta2 = 0.999f;
  double epsilon = 1e-8;
  void fields(auto&& f) {
    f("beta1", beta1, "Decay of z.").range(0, 1);
    f("beta2", beta2, "Decay of v.").range(0, 1);
    f("epsilon", epsilon, "Keeps the divisor above zero.");
  }
};
void ftml(const FtmlParam& p, Batch& b) {
  for (const Target& t : b.targets) {
    const double count = double(t.numbers.count);
    opt::FtmlUpdate rule;
    rule.lr = float(t.numbers.lr), rule.wd = float(t.numbers.wd);
    rule.beta1 = p.beta1, rule.beta2 = p.beta2, rule.epsilon = p.epsilon;
    rule.rescale_grad = float(b.common.rescale_grad), rule.clip_grad = b.clip;
    rule.t = int(t.numbers.count);
    rule.decay1 = 1 - std::pow(double(p.beta1), count);
    rule.decay2 = 1 - std::pow(double(p.beta2), count);
    b.add(t, rule);
  }
  b.run();
}

std::vector<State> history() { return {{"history"}}; }
std::vector<State> group_history() { return {{"history", State::kPerRow}}; }
std::vector<State> adadelta_states() { return {{"acc_g"}, {"acc_delta"}}; }
std::vector<State> ftrl_states() { return {{"z"}, {"n"}}; }
std::vector<State> ftml_states() { return {{"d"}, {"v"}, {"z"}}; }

void define(std::vector<RuleDef>& rules) {
  rules.push_back(
      {.name = "adagrad",
       .doc = "Steps divided by the root of the sum of all squared gradients (Duchi et al. 2011).",
       .params = schema<AdagradParam>(),
       .states = history,
       .zero_clips = true,
       .run = adagrad});
  rules.push_back(
      {.name = "groupadagrad",
       .doc = "AdaGrad with one sum of squares per row: h += mean(g^2), w -= lr g / sqrt(h + eps). "
              "Takes weights of two axes and no decay.",
       .params = schema<GroupParam>(),
       .states = group_history,
       .zero_clips = true,
       .prepare = prepare_group,
       .run = group_adagrad});
  rules.push_back(
      {.name = "adadelta",
       .doc = "Steps as large as past steps were, relative to the gradients; has no learning rate. "
              "arXiv:1212.5701",
       .params = schema<AdadeltaParam>(),
       .states = adadelta_states,
       .zero_clips = true,
       .run = adadelta});
  rules.push_back(
      {.name = "rmsprop",
       .doc = "Steps divided by the running root mean square of the gradient (Tieleman and Hinton "
              "2012); centered: arXiv:1308.0850, equations 38 to 45.",
       .learning_rate = 0.001,
       .params = schema<RmspropParam>(),
       .states = rmsprop_states,
       .run = rmsprop});
  rules.push_back(
      {.name = "ftrl",
       .doc = "Follows the regularised leader; lamda1 drives weights to exactly zero (McMahan et "
              "al. 2013).",
       .learning_rate = 0.1,
       .params = schema<FtrlParam>(),
       .states = ftrl_states,
       .run = ftrl});
  rules.push_back({.name = "ftml",
                   .doc = "Follows the moving leader (Zheng and Kwok 2017).",
                   .params = schema<FtmlParam>(),
                   .states = ftml_states,
                   .run = ftml});
}

}  // namespace heddle::optimizer::adaptive
