// Differentiates a frozen tape and runs the result, node by node, with eager calls.
#pragma once
#include <vector>

#include "executor/freeze.h"

namespace heddle {

struct BackwardSpec {
  std::span<const NDArray> heads, head_grads;  // a head gradient that is none stands for ones
  bool retain_graph = false;
  bool create_graph = false;
  bool training = true;
};

// What a gradient is wanted of.
struct BackwardTarget {
  TapeRef entry;
  // Where it may be written directly; none: a new array is made.
  NDArray into = {};
};

// One gradient per target: a new array, `into`, or none when no head depends on the target.
std::vector<NDArray> run_backward(FrozenTape tape, const std::vector<BackwardTarget>& targets,
                                  const BackwardSpec& spec);

}  // namespace heddle
