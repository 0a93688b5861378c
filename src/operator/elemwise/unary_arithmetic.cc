// Unary operators: arithmetic, rounding and roots.
#include "operator/elemwise/family.h"

namespace heddle::unary_arithmetic {
using namespace ew;

void define(OpTable& ops) { define_unary(ops, UnaryArithmetic{}); }

}  // namespace heddle::unary_arithmetic
