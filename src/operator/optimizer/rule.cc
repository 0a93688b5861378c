// The table of rules.
#include "operator/optimizer/rule.h"

namespace heddle::optimizer {

#define HEDDLE_RULES(stem)            \
  namespace stem {                    \
  void define(std::vector<RuleDef>&); \
  }
#include "operator/optimizer/all_rules.def"
#undef HEDDLE_RULES

const std::vector<RuleDef>& all_rules() {
  static const std::vector<RuleDef> rules = [] {
    std::vector<RuleDef> all;
#define HEDDLE_RULES(stem) stem::define(all);
#include "operator/optimizer/all_rules.def"
#undef HEDDLE_RULES
    return all;
  }();
  return rules;
}

const RuleDef& find_rule(std::string_view name) {
  std::string all;
  for (const RuleDef& rule : all_rules()) {
    if (rule.name == name) return rule;
    all += (all.empty() ? "" : ", ") + rule.name;
  }
  fail("ValueError: [optimizer] found rule '{}', expected one of {}", name, all);
}

Rule::Rule(std::string_view name, const Kwargs& parameters)
    : def(find_rule(name)),
      params(def.params.parse(def.name, parameters)),
      states(def.states ? def.states(params.get()) : std::vector<State>{}) {}

float Rule::clip(const Common& common) const {
  const auto& c = common.clip_gradient;
  return c && (*c != 0 || def.zero_clips) ? float(*c) : -1.f;
}

bool is_half(Dtype d) { return d == Dtype::kFloat16 || d == Dtype::kBfloat16; }

bool is_exempt(std::string_view name) {
  return name.ends_with("gamma") || name.ends_with("beta") || name.ends_with("bias");
}

}  // namespace heddle::optimizer
