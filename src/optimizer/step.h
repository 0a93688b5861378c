// A step of a rule on arrays: its states, its checks and its tasks.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "heddle/ndarray.h"
#include "operator/optimizer/rule.h"

namespace heddle::optimizer {

// A weight as a step is given it.
struct Tensor {
  NDArray weight, grad;
  std::vector<NDArray> states;  // none at all, where the rule can do without: it decides
  NDArray master = {};
};

// The states of a new weight, and its float32 copy.
HEDDLE_API std::vector<NDArray> make_states(const Rule& rule, const NDArray& weight);
HEDDLE_API NDArray make_master(const NDArray& weight);

// What does not fit in a tensor, or does not fit the rule; empty: all does.
HEDDLE_API std::string complaint(const Rule& rule, const Tensor& t);
// Throws Error naming rule and key() where something does not fit.
void check_tensor(const Rule& rule, const Tensor& t, auto&& key) {
  if (const std::string wrong = complaint(rule, t); !wrong.empty()) [[unlikely]]
    fail("ValueError: [{}] key {}: {}", rule.def.name, key(), wrong);
}
// One step: prepare() here, then a task per device. The tensors fit.
HEDDLE_API void push_step(const Rule& rule, const Common& common, Step step,
                          std::vector<Tensor> tensors, int priority);

}  // namespace heddle::optimizer
