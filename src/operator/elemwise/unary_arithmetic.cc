// Unary operators: arithmetic, rounding and roots.
#include "operator/elemwise/family.h"

namespace heddle::ops::unary_arithmetic {
using namespace ew;

void define(OpTable& ops) { define_unary(ops, UnaryArithmetic{}); }

}  // namespace heddle::ops::unary_arithmetic
