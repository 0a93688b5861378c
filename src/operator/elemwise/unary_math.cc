// Unary operators: exponentials, logarithms and activations.
#include "operator/elemwise/family.h"

namespace heddle::unary_math {
using namespace ew;

void define(OpTable& ops) { define_unary(ops, UnaryMath{}); }

}  // namespace heddle::unary_math
