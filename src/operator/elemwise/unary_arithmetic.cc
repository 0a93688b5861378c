// Unary operators: arithmetic, rounding and roots.
#include "operator/elemwise/family.h"

namespace heddle::unary_arithmetic {
using namespace ew;

using Formulas = List<Abs, Negative, Sign, Square, Sqrt, Rsqrt, Cbrt, Rcbrt, Reciprocal, Degrees, Radians, Ceil, Floor, Trunc, Fix, Round, Rint, LogicalNot>;

void define(OpTable& ops) { define_unary(ops, Formulas{}); }

}  // namespace heddle::unary_arithmetic
