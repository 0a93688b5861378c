// Unary operators: special functions.
#include "operator/elemwise/family.h"

namespace heddle::ops::unary_special {
using namespace ew;

void define(OpTable& ops) { define_unary(ops, UnarySpecial{}); }

}  // namespace heddle::ops::unary_special
