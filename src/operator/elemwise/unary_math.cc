// Unary operators: exponentials, logarithms and activations.
#include "operator/elemwise/family.h"

namespace heddle::ops::ew {

// For Activation, which chooses between these.
template const Formula& formula<Relu>();
template const Formula& formula<Sigmoid>();
template const Formula& formula<Tanh>();
template const Formula& formula<Softrelu>();
template const Formula& formula<Softsign>();

}  // namespace heddle::ops::ew

namespace heddle::ops::unary_math {
using namespace ew;

void define(OpTable& ops) { define_unary(ops, UnaryMath{}); }

}  // namespace heddle::ops::unary_math
