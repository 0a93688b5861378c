// Unary operators: trigonometry.
#include "operator/elemwise/family.h"

namespace heddle::ops::unary_trig {
using namespace ew;

void define(OpTable& ops) { define_unary(ops, UnaryTrig{}); }

}  // namespace heddle::ops::unary_trig
