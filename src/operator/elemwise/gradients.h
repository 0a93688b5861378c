// Gradients composed of other operators, so that they can be differentiated again.
#pragma once
#include <functional>
#include <string_view>
#include <vector>

#include "heddle/op.h"

namespace heddle::ops::ew {

using Composed = std::function<std::vector<GradContext::Value>(GradContext&)>;

// The composed gradient of an elementwise operator or reduction; empty when there is none.
Composed composed_gradient(std::string_view op);

}  // namespace heddle::ops::ew
