// Unary operators: special functions.
#include "operator/elemwise/family.h"

namespace heddle::unary_special {
using namespace ew;

void define(OpTable& ops) { define_unary(ops, UnarySpecial{}); }

}  // namespace heddle::unary_special
