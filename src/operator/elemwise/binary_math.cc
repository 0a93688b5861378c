// Binary operators: power, remainder, hypotenuse, extremes.
#include "operator/elemwise/family.h"

namespace heddle::binary_math {
using namespace ew;

// elemwise "_power" (alias "_Power"), "broadcast_power", "_power_scalar" (alias "_PowerScalar").
BinaryNames names(const std::string& word, const std::string& camel, bool reflected) {
  return {.elemwise = "_" + word,
          .elemwise_aliases = {"_" + camel},
          .hint = "_" + word,
          .broadcast = "broadcast_" + word,
          .broadcast_aliases = {},
          .scalar = "_" + word + "_scalar",
          .scalar_alias = "_" + camel + "Scalar",
          .reflected = reflected ? "_r" + word + "_scalar" : "",
          .reflected_alias = reflected ? "_R" + camel + "Scalar" : ""};
}

void define(OpTable& ops) {
  define_binary(ops, binary_kernels<Power>(), names("power", "Power", true));
  define_binary(ops, binary_kernels<Mod>(), names("mod", "Mod", true));
  define_binary(ops, binary_kernels<Hypot>(), names("hypot", "Hypot", false));
  define_binary(ops, binary_kernels<Maximum>(), names("maximum", "Maximum", false));
  define_binary(ops, binary_kernels<Minimum>(), names("minimum", "Minimum", false));
}

}  // namespace heddle::binary_math
