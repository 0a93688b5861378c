// The rule of tests.

#include "operator/optimizer/rule.h"

namespace heddle::optimizer::test_rule {

void test(Batch& b) {
  for (const Target& t : b.targets) b.add(t, b.rule_for<opt::TestUpdate>(t));
  b.run();
}

std::vector<State> copy_state() { return {{"copy"}}; }

void define(std::vector<RuleDef>& rules) {
  rules.push_back({.name = "test",
                   .doc = "Adds the gradient, and shows the weight as its state.",
                   .states = copy_state,
                   .run = test});
}

}  // namespace heddle::optimizer::test_rule
