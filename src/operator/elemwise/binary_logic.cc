// Binary operators: comparison and logic, 0 or 1 in the dtype of the operands.
#include "operator/elemwise/family.h"

namespace heddle::binary_logic {
using namespace ew;

// Elemwise "_greater_equal" (alias "_Greater_Equal"), "broadcast_greater_equal",
// "_greater_equal_scalar" (alias "_GreaterEqualScalar").
BinaryNames names(const std::string& word, const std::string& first, const std::string& second) {
  return {.elemwise = "_" + word,
          .elemwise_aliases = {"_" + first + (second.empty() ? "" : "_" + second)},
          .hint = "_" + word,
          .broadcast = "broadcast_" + word,
          .broadcast_aliases = {},
          .scalar = "_" + word + "_scalar",
          .scalar_alias = "_" + first + second + "Scalar",
          .reflected = "",
          .reflected_alias = ""};
}

void define(OpTable& ops) {
  define_binary(ops, binary_kernels<Equal>(), names("equal", "Equal", ""));
  define_binary(ops, binary_kernels<NotEqual>(), names("not_equal", "Not", "Equal"));
  define_binary(ops, binary_kernels<Greater>(), names("greater", "Greater", ""));
  define_binary(ops, binary_kernels<GreaterEqual>(), names("greater_equal", "Greater", "Equal"));
  define_binary(ops, binary_kernels<Lesser>(), names("lesser", "Lesser", ""));
  define_binary(ops, binary_kernels<LesserEqual>(), names("lesser_equal", "Lesser", "Equal"));
  define_binary(ops, binary_kernels<LogicalAnd>(), names("logical_and", "Logical", "And"));
  define_binary(ops, binary_kernels<LogicalOr>(), names("logical_or", "Logical", "Or"));
  define_binary(ops, binary_kernels<LogicalXor>(), names("logical_xor", "Logical", "Xor"));
}

}  // namespace heddle::binary_logic
