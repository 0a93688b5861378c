// Unary operators: special functions.
#include "operator/elemwise/family.h"

namespace heddle::unary_special {
using namespace ew;

using Formulas = List<Gamma, Gammaln, Erf, Erfinv>;

void define(OpTable& ops) { define_unary(ops, Formulas{}); }

}  // namespace heddle::unary_special
