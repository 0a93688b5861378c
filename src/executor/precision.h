// Mixed precision in eager calls.
#pragma once
#include <span>
#include <vector>

#include "heddle/imperative.h"
#include "operator/precision.h"

namespace heddle {

// What invoke_mixed() goes by, in all threads; null: nothing is cast. A policy that was set is kept
// as long as the process runs.
HEDDLE_API const PrecisionPolicy* eager_precision();
HEDDLE_API void set_eager_precision(const PrecisionPolicy* policy);
// By what losses that ignore the gradient of their output, and have a parameter grad_scale,
// multiply it: a program cannot scale such a loss itself.
HEDDLE_API void set_eager_loss_scale(double scale);

// invoke() with inputs in the types that the policy wants. The casts are recorded as calls are.
HEDDLE_API void invoke_mixed(const PrecisionPolicy& policy, const OpCallRef& call,
                             std::span<const NDArray* const> inputs, std::vector<NDArray>& out);

}  // namespace heddle
