// What rules with momentum have in common.
#pragma once
#include <vector>

#include "operator/optimizer/rule.h"

namespace heddle::optimizer {

struct MomentumParam {
  float momentum = 0;
  void fields(auto&& f) { f("momentum", momentum, "Share of the last step that is kept."); }
};
struct SgdParam : MomentumParam {
  bool lazy_update = true;
  void fields(auto&& f) {
    MomentumParam::fields(f);
    f("lazy_update", lazy_update, "Leave rows alone that a row-sparse gradient does not name.")
        .ignored();
  }
};
template <class P>
std::vector<State> momentum_state(const P& p) {
  if (p.momentum == 0) return {};
  return {{"mom"}};
}
// Without a state there is no momentum, whatever the parameter says by now.
template <class Plain, class WithMomentum>
void add_sgd(Batch& b, const Target& t, double momentum) {
  if (t.states.empty()) return b.add(t, b.rule_for<Plain>(t));
  auto rule = b.rule_for<WithMomentum>(t);
  rule.momentum = float(momentum);
  b.add(t, rule);
}

}  // namespace heddle::optimizer
