// Unary operators: trigonometry.
#include "operator/elemwise/family.h"

namespace heddle::unary_trig {
using namespace ew;

using Formulas = List<Sin, Cos, Tan, Arcsin, Arccos, Arctan, Sinh, Cosh, Arcsinh, Arccosh, Arctanh>;

void define(OpTable& ops) { define_unary(ops, Formulas{}); }

}  // namespace heddle::unary_trig
