// A rule is one typed record: its parameters, what it keeps of a weight, and the update of many
// weights at once. To add one: write its functions in a file of this folder, put its record into
// the file's define(), and a new file into all_rules.def.
#pragma once
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "heddle/op.h"
#include "heddle/param.h"
#include "operator/optimizer/rules.h"
#include "operator/optimizer/updates.h"

namespace heddle::optimizer {

namespace opt = ops::opt;

// What applies to all weights of a step.
struct Common {
  double rescale_grad = 1;
  std::optional<double> clip_gradient = {};
};

// What applies to one weight in one step.
struct Numbers {
  double lr = 0, wd = 0;
  int64_t count = 1;    // number of the update, from 1
  bool exempt = false;  // a gamma, beta or bias: LARS leaves its rate alone
  double more[3] = {};  // a rule's own, set by prepare()
};

// A step when it is asked for. prepare() may change the numbers and what the rule remembers.
struct Step {
  double rate;  // before any factors
  int64_t begin_count;
  std::span<double> memory;  // in the order of RuleDef::remembers; NaN where nothing is known
  std::span<Numbers> numbers;
};

// A weight when it is updated.
struct Target {
  Blob weight, grad;
  std::vector<Blob> states;  // in the order of the record
  Blob master;               // no data: there is none
  Numbers numbers;
  uint64_t seed;
  const Blob& exact() const { return master.data ? master : weight; }
};

// The weights of a step in one task.
struct Batch {
  OpContext& ctx;
  const Common& common;
  std::span<const Target> targets;
  float clip = -1;  // of gradients; off when negative
  opt::Updates updates = {};

  // An element's rule with what most have.
  template <class R>
  R rule_for(const Target& t) const {
    R rule;
    rule.lr = float(t.numbers.lr), rule.wd = float(t.numbers.wd);
    rule.rescale_grad = float(common.rescale_grad), rule.clip_gradient = clip;
    return rule;
  }
  // The rule on a weight and these states; on the float32 weight where there is one.
  template <class R>
  void add(const Target& t, const R& rule, std::span<const Blob> states, const Blob& grad) {
    std::vector<Blob> in{t.weight, grad};
    in.insert(in.end(), states.begin(), states.end());
    if (!t.master.data) return updates.add(rule, in, t.weight);
    in.push_back(t.master);
    updates.add(opt::Precise<R>{rule}, in, t.weight);
  }
  template <class R>
  void add(const Target& t, const R& rule) {
    add(t, rule, t.states, t.grad);
  }
  void run() {
    updates.run(ctx);
    updates = {};
  }
};

// What is kept of a weight between updates.
struct State {
  std::string name;
  enum Form : uint8_t {
    kZeros,   // like the weight
    kPerRow,  // zeros, one per row of a matrix
    kCopy,    // the weight as it is at first
  } form = kZeros;
};

struct RuleDef {
  std::string name;
  Doc doc;
  double learning_rate = 0.01;
  ParamSchema params = schema<NoParam>();
  Erased<std::vector<State>> states = {};   // of parameters
  std::vector<std::string> remembers = {};  // numbers that all weights share
  std::vector<double> remembered = {};      // at first
  // clip_gradient 0 makes gradients 0; elsewhere it means no limit, as in MXNet.
  bool zero_clips = false;
  bool draws = false;     // takes random numbers
  bool exempts = false;   // asks which weights are a gamma, beta or bias
  bool momentum = false;  // may have a state "mom", the first, and does without where it has none
  Erased<void, Step&> prepare = {};
  Erased<void, Batch&> run;
};

HEDDLE_API const std::vector<RuleDef>& all_rules();
HEDDLE_API const RuleDef& find_rule(std::string_view name);  // throws Error listing the names

// A rule with its parameters.
struct HEDDLE_API Rule {
  Rule(std::string_view name, const Kwargs& parameters);
  const RuleDef& def;
  std::shared_ptr<const void> params;
  std::vector<State> states;
  float clip(const Common& common) const;  // of Batch
};

HEDDLE_API bool is_half(Dtype d);
// Does LARS leave the rate of a weight of this name alone?
HEDDLE_API bool is_exempt(std::string_view name);

}  // namespace heddle::optimizer
