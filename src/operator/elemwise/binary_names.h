// The binary operators: which formula goes by which names. binary_*.cc defines them on the host,
// binary.cu adds their CUDA kernels.
#pragma once
#include <string>
#include <vector>

#include "heddle/base.h"
#include "operator/elemwise/binary.h"

namespace heddle::ops::ew {

// What a binary operator is called in each of its forms; empty: it has no such form.
struct BinaryNames {
  Name elemwise;  // equal shapes
  std::vector<Name> elemwise_aliases;
  Name hint;  // of a Symbol's operator
  Name broadcast;
  std::vector<Name> broadcast_aliases;
  Name scalar, scalar_alias;        // lhs op number
  Name reflected, reflected_alias;  // number op rhs
  // How programs write it, and how the same is written with the operands swapped ("<" for ">");
  // empty where that is no operator.
  Name symbol, swapped = {};
  // Hints where they are not the alias in lower case.
  Name scalar_hint = {}, reflected_hint = {};
};

// Each calls each(Formula{}, names) for every formula of one file.

template <class Each>
void each_binary_arithmetic(Each&& each) {
  each(Add{}, {.elemwise = "elemwise_add",
               .elemwise_aliases = {"_plus", "_Plus", "_add"},
               .hint = "_plus",
               .broadcast = "broadcast_add",
               .broadcast_aliases = {"broadcast_plus"},
               .scalar = "_plus_scalar",
               .scalar_alias = "_PlusScalar",
               .reflected = "",
               .reflected_alias = "",
               .symbol = "+",
               .swapped = "+"});
  each(Sub{}, {.elemwise = "elemwise_sub",
               .elemwise_aliases = {"_sub", "_minus", "_Minus"},
               .hint = "_minus",
               .broadcast = "broadcast_sub",
               .broadcast_aliases = {"broadcast_minus"},
               .scalar = "_minus_scalar",
               .scalar_alias = "_MinusScalar",
               .reflected = "_rminus_scalar",
               .reflected_alias = "_RMinusScalar",
               .symbol = "-"});
  each(Mul{}, {.elemwise = "elemwise_mul",
               .elemwise_aliases = {"_mul", "_Mul"},
               .hint = "_mul",
               .broadcast = "broadcast_mul",
               .broadcast_aliases = {},
               .scalar = "_mul_scalar",
               .scalar_alias = "_MulScalar",
               .reflected = "",
               .reflected_alias = "",
               .symbol = "*",
               .swapped = "*"});
  each(Div{}, {.elemwise = "elemwise_div",
               .elemwise_aliases = {"_div", "_Div"},
               .hint = "_div",
               .broadcast = "broadcast_div",
               .broadcast_aliases = {},
               .scalar = "_div_scalar",
               .scalar_alias = "_DivScalar",
               .reflected = "_rdiv_scalar",
               .reflected_alias = "_RDivScalar",
               .symbol = "/"});
}

// elemwise "_power" (alias "_Power"), "broadcast_power", "_power_scalar" (alias "_PowerScalar").
inline BinaryNames math_names(const std::string& word, const std::string& camel,
                              const std::string& symbol, bool reflected) {
  return {.elemwise = "_" + word,
          .elemwise_aliases = {"_" + camel},
          .hint = "_" + word,
          .broadcast = "broadcast_" + word,
          .broadcast_aliases = {},
          .scalar = "_" + word + "_scalar",
          .scalar_alias = "_" + camel + "Scalar",
          .reflected = reflected ? "_r" + word + "_scalar" : "",
          .reflected_alias = reflected ? "_R" + camel + "Scalar" : "",
          .symbol = symbol,
          .swapped = reflected ? "" : symbol,
          .reflected_hint = word == "power" ? "_rpower_scalar" : ""};
}

template <class Each>
void each_binary_math(Each&& each) {
  each(Power{}, math_names("power", "Power", "**", true));
  each(Mod{}, math_names("mod", "Mod", "%", true));
  each(Hypot{}, math_names("hypot", "Hypot", "hypot", false));
  each(Maximum{}, math_names("maximum", "Maximum", "maximum", false));
  each(Minimum{}, math_names("minimum", "Minimum", "minimum", false));
}

// Elemwise "_greater_equal" (alias "_Greater_Equal"), "broadcast_greater_equal",
// "_greater_equal_scalar" (alias "_GreaterEqualScalar").
inline BinaryNames logic_names(const std::string& word, const std::string& first,
                               const std::string& second, const std::string& symbol,
                               const std::string& swapped) {
  return {.elemwise = "_" + word,
          .elemwise_aliases = {"_" + first + (second.empty() ? "" : "_" + second)},
          .hint = "_" + word,
          .broadcast = "broadcast_" + word,
          .broadcast_aliases = {},
          .scalar = "_" + word + "_scalar",
          .scalar_alias = "_" + first + second + "Scalar",
          .reflected = "",
          .reflected_alias = "",
          .symbol = symbol,
          .swapped = swapped,
          .scalar_hint = "_" + word + "_scalar"};
}

template <class Each>
void each_binary_logic(Each&& each) {
  each(Equal{}, logic_names("equal", "Equal", "", "==", "=="));
  each(NotEqual{}, logic_names("not_equal", "Not", "Equal", "!=", "!="));
  each(Greater{}, logic_names("greater", "Greater", "", ">", "<"));
  each(GreaterEqual{}, logic_names("greater_equal", "Greater", "Equal", ">=", "<="));
  each(Lesser{}, logic_names("lesser", "Lesser", "", "<", ">"));
  each(LesserEqual{}, logic_names("lesser_equal", "Lesser", "Equal", "<=", ">="));
  each(LogicalAnd{}, logic_names("logical_and", "Logical", "And", "and", "and"));
  each(LogicalOr{}, logic_names("logical_or", "Logical", "Or", "or", "or"));
  each(LogicalXor{}, logic_names("logical_xor", "Logical", "Xor", "xor", "xor"));
}

}  // namespace heddle::ops::ew
