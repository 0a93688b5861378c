// Binary operators: sum, difference, product, quotient.
#include "operator/elemwise/family.h"

namespace heddle::binary_arithmetic {
using namespace ew;

void define(OpTable& ops) {
  define_binary(ops, binary_kernels<Add>(),
                {.elemwise = "elemwise_add",
                 .elemwise_aliases = {"_plus", "_Plus", "_add"},
                 .hint = "_plus",
                 .broadcast = "broadcast_add",
                 .broadcast_aliases = {"broadcast_plus"},
                 .scalar = "_plus_scalar",
                 .scalar_alias = "_PlusScalar",
                 .reflected = "",
                 .reflected_alias = ""});
  define_binary(ops, binary_kernels<Sub>(),
                {.elemwise = "elemwise_sub",
                 .elemwise_aliases = {"_sub", "_minus", "_Minus"},
                 .hint = "_minus",
                 .broadcast = "broadcast_sub",
                 .broadcast_aliases = {"broadcast_minus"},
                 .scalar = "_minus_scalar",
                 .scalar_alias = "_MinusScalar",
                 .reflected = "_rminus_scalar",
                 .reflected_alias = "_RMinusScalar"});
  define_binary(ops, binary_kernels<Mul>(),
                {.elemwise = "elemwise_mul",
                 .elemwise_aliases = {"_mul", "_Mul"},
                 .hint = "_mul",
                 .broadcast = "broadcast_mul",
                 .broadcast_aliases = {},
                 .scalar = "_mul_scalar",
                 .scalar_alias = "_MulScalar",
                 .reflected = "",
                 .reflected_alias = ""});
  define_binary(ops, binary_kernels<Div>(),
                {.elemwise = "elemwise_div",
                 .elemwise_aliases = {"_div", "_Div"},
                 .hint = "_div",
                 .broadcast = "broadcast_div",
                 .broadcast_aliases = {},
                 .scalar = "_div_scalar",
                 .scalar_alias = "_DivScalar",
                 .reflected = "_rdiv_scalar",
                 .reflected_alias = "_RDivScalar"});
}

}  // namespace heddle::binary_arithmetic
