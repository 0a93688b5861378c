// Unary operators: exponentials, logarithms and activations.
#include "operator/elemwise/family.h"

namespace heddle::ops::unary_math {
using namespace ew;

void define(OpTable& ops) { define_unary(ops, UnaryMath{}); }

}  // namespace heddle::ops::unary_math
