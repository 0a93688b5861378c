// Adam and its kin.
#include <cmath>

#include "operator/optimizer/rule.h"

namespace heddle::optimizer::adam {

struct AdamParam {
  double beta1 = 0.9, beta2 = 0.999;
  float epsilon = 1e-8f;
  bool lazy_update = true;
  void betas(auto&& f) {
    f("beta1", beta1, "Decay of the mean.");
    f("beta2", beta2, "Decay of the variance.");
    f("epsilon", epsilon, "Keeps the divisor above zero.");
  }
  void fields(auto&& f) {
    betas(f);
    f("lazy_update", lazy_update, "Leave rows alone that a row-sparse gradient does not name.")
        .ignored();
  }
  // What makes up for averages that began at zero.
  double correction(int64_t t) const {
    return std::sqrt(1 - std::pow(beta2, double(t))) / (1 - std::pow(beta1, double(t)));
  }
};
void adam(const AdamParam& p, Batch& b) {
  for (const Target& t : b.targets) {
    auto rule = b.rule_for<opt::AdamUpdate>(t);
    rule.lr = float(t.numbers.lr * p.correction(t.numbers.count));
    rule.beta1 = float(p.beta1), rule.beta2 = float(p.beta2), rule.epsilon = p.epsilon;
    b.add(t, rule);
  }
  b.run();
}
struct AdamwParam : AdamParam {
  bool correct_bias = true;
  void fields(auto&& f) {
    betas(f);
    f("correct_bias", correct_bias, "Make up for averages that begin at zero.");
  }
};
void adamw(const AdamwParam& p, Batch& b) {
  for (const Target& t : b.targets) {
    opt::AdamwUpdate rule;
    rule.lr = p.correct_bias ? float(p.correction(t.numbers.count)) : 1.f;
    rule.eta = float(t.numbers.lr), rule.wd = float(t.numbers.wd);
    rule.beta1 = float(p.beta1), rule.beta2 = float(p.beta2), rule.epsilon = p.epsilon;
    rule.rescale = float(b.common.rescale_grad), rule.clip_gradient = b.clip;
    b.add(t, rule);
  }
  b.run();
}
struct AdamaxParam {
  double beta1 = 0.9, beta2 = 0.999;
  void fields(auto&& f) {
    f("beta1", beta1, "Decay of the mean.");
    f("beta2", beta2, "Decay of the largest.");
  }
};
void adamax(const AdamaxParam& p, Batch& b) {
  for (const Target& t : b.targets) {
    auto rule = b.rule_for<opt::AdamaxUpdate>(t);
    rule.lr = float(t.numbers.lr / (1 - std::pow(p.beta1, double(t.numbers.count))));
    rule.beta1 = float(p.beta1), rule.beta2 = float(p.beta2), rule.rest1 = float(1 - p.beta1);
    b.add(t, rule);
  }
  b.run();
}
struct NadamParam : AdamParam {
  double schedule_decay = 0.004;
  void fields(auto&& f) {
    betas(f);
    f("schedule_decay", schedule_decay, "How fast the momentum grows.");
  }
  double momentum(int64_t t) const {
    return beta1 * (1 - 0.5 * std::pow(0.96, double(t) * schedule_decay));
  }
};
// more[0], more[1]: what the step takes of gradient and mean.
void prepare_nadam(const NadamParam& p, Step& step) {
  double& schedule = step.memory[0];
  for (Numbers& n : step.numbers) {
    const double now = p.momentum(n.count), following = p.momentum(n.count + 1);
    schedule *= now;
    n.more[0] = (1 - now) / (1 - schedule);
    n.more[1] = following / (1 - schedule * following);
  }
}
void nadam(const NadamParam& p, Batch& b) {
  for (const Target& t : b.targets) {
    auto rule = b.rule_for<opt::NadamUpdate>(t);
    rule.beta1 = float(p.beta1), rule.beta2 = float(p.beta2), rule.epsilon = p.epsilon;
    rule.rest1 = float(1 - p.beta1), rule.rest2 = float(1 - p.beta2);
    rule.of_grad = float(t.numbers.more[0]), rule.of_mean = float(t.numbers.more[1]);
    rule.var_share = float(1 - std::pow(p.beta2, double(t.numbers.count)));
    b.add(t, rule);
  }
  b.run();
}

std::vector<State> averages() { return {{"mean"}, {"var"}}; }
std::vector<State> adamax_states() { return {{"mean"}, {"largest"}}; }

void define(std::vector<RuleDef>& rules) {
  rules.push_back(
      {.name = "adam",
       .doc = "Steps scaled by running means m of the gradient and v of its square: w -= lr "
              "sqrt(1 - beta2^t) / (1 - beta1^t) m / (sqrt(v) + epsilon), with the decay in the "
              "gradient. arXiv:1412.6980",
       .learning_rate = 0.001,
       .params = schema<AdamParam>(),
       .states = averages,
       .run = adam});
  rules.push_back(
      {.name = "adamw",
       .doc = "Adam with the decay outside the gradient: w -= lr wd w. arXiv:1711.05101",
       .learning_rate = 0.001,
       .params = schema<AdamwParam>(),
       .states = averages,
       .run = adamw});
  rules.push_back(
      {.name = "adamax",
       .doc = "Adam with the largest gradient seen in place of the mean square. arXiv:1412.6980, "
              "section 7",
       .learning_rate = 0.002,
       .params = schema<AdamaxParam>(),
       .states = adamax_states,
       .zero_clips = true,
       .run = adamax});
  rules.push_back(
      {.name = "nadam",
       .doc = "Adam with Nesterov's momentum; one momentum schedule is shared by all weights "
              "(Dozat 2016).",
       .learning_rate = 0.001,
       .params = schema<NadamParam>(),
       .states = averages,
       .remembers = {"m_schedule"},
       .remembered = {1},
       .zero_clips = true,
       .prepare = prepare_nadam,
       .run = nadam});
}

}  // namespace heddle::optimizer::adam
