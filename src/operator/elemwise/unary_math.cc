// Unary operators: exponentials, logarithms and activations.
#include "operator/elemwise/family.h"

namespace heddle::unary_math {
using namespace ew;

using Formulas = List<Exp, Expm1, Log, Log10, Log2, Log1p, Relu, Sigmoid, Tanh, Softsign>;

void define(OpTable& ops) { define_unary(ops, Formulas{}); }

}  // namespace heddle::unary_math
