// Rules of gradient descent, with momentum or without.

#include "operator/optimizer/momentum.h"

namespace heddle::optimizer::descent {

void sgd(const SgdParam& p, Batch& b) {
  for (const Target& t : b.targets)
    add_sgd<opt::SgdUpdate, opt::SgdMomUpdate>(b, t, double(p.momentum));
  b.run();
}
void nag(const MomentumParam& p, Batch& b) {
  for (const Target& t : b.targets)
    add_sgd<opt::SgdUpdate, opt::NagMomUpdate>(b, t, double(p.momentum));
  b.run();
}

struct SignumParam {
  float momentum = 0.9f, wd_lh = 0;
  void fields(auto&& f) {
    f("momentum", momentum, "Share of the last momentum that is kept.");
    f("wd_lh", wd_lh, "Weight decay outside the gradient.");
  }
};
void signum(const SignumParam& p, Batch& b) {
  for (const Target& t : b.targets) {
    if (t.states.empty()) {
      b.add(t, b.rule_for<opt::SignsgdUpdate>(t));
      continue;
    }
    auto rule = b.rule_for<opt::SignumUpdate>(t);
    rule.momentum = p.momentum, rule.wd_lh = p.wd_lh;
    b.add(t, rule);
  }
  b.run();
}

void define(std::vector<RuleDef>& rules) {
  rules.push_back(
      {.name = "sgd",
       .doc = "w -= lr (g + wd w). With momentum: mom = momentum mom - lr (g + wd w), w += mom.",
       .params = schema<SgdParam>(),
       .states = momentum_state<SgdParam>,
       .momentum = true,
       .run = sgd});
  rules.push_back(
      {.name = "nag",
       .doc = "SGD with Nesterov's momentum: the step is taken from where the momentum leads "
              "(Sutskever et al. 2013).",
       .params = schema<MomentumParam>(),
       .states = momentum_state<MomentumParam>,
       .momentum = true,
       .run = nag});
  rules.push_back(
      {.name = "signum",
       .doc = "Steps of the size lr in the direction of the sign of the momentum, or without "
              "momentum of the gradient. arXiv:1802.04434",
       .params = schema<SignumParam>(),
       .states = momentum_state<SignumParam>,
       .momentum = true,
       .run = signum});
}

}  // namespace heddle::optimizer::descent
