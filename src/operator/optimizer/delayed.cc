// Descent for gradients that come late.

#include "operator/optimizer/momentum.h"

namespace heddle::optimizer::delayed {

struct DcasgdParam : MomentumParam {
  float lamda = 0.04f;
  void fields(auto&& f) {
    MomentumParam::fields(f);
    f("lamda", lamda, "How much is corrected.");
  }
};
std::vector<State> dcasgd_states(const DcasgdParam& p) {
  std::vector<State> states = momentum_state(p);
  states.push_back({"previous", State::kCopy});
  return states;
}
void dcasgd(const DcasgdParam& p, Batch& b) {
  for (const Target& t : b.targets) {
    auto rule = b.rule_for<opt::DcasgdMomUpdate>(t);
    rule.lamda = p.lamda, rule.momentum = p.momentum;
    if (t.states.size() == 2) b.add(t, rule);
    else b.add<opt::DcasgdUpdate>(t, rule);
  }
  b.run();
}

void define(std::vector<RuleDef>& rules) {
  rules.push_back(
      {.name = "dcasgd",
       .doc = "SGD for delayed gradients: adds lamda g^2 (how far the weight has moved since). "
              "arXiv:1609.08326",
       .params = schema<DcasgdParam>(),
       .states = dcasgd_states,
       .zero_clips = true,
       .momentum = true,
       .run = dcasgd});
}

}  // namespace heddle::optimizer::delayed
