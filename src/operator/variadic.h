// How many there are of what an operator takes any number of.
#pragma once
#include "heddle/op.h"

namespace heddle {

// Sets the parameter that counts an operator's inputs, unless it is given or there is none: to how
// many things have `inputs` inputs together, where each may come as several (a weight, its gradient
// and its states).
HEDDLE_API void count_inputs(const OpDef& op, Kwargs& kwargs, size_t inputs);

}  // namespace heddle
