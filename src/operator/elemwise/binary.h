// Binary elementwise formulas. From one struct come the elemwise, broadcasting and scalar
// operators.
//   f(a, b)              the value; `exact` says that integers need no detour through double
//   full, full_reflected say that half precision would overflow, or lose what matters: always, or
//                        where lhs is a number
//   usual, usual_grad    say that f, or the gradients, are called with numbers of type Usual first
//                        (scalar.h)
//   grad_a(dy, a, b)     the gradients; those that need no operand take only dy, so that a and b
//   grad_b(dy, a, b)     can be freed; without them nothing flows back. As in unary.h, they serve
//                        for numbers that write a graph too.
#pragma once
#include "operator/elemwise/special.h"

namespace heddle::ops::ew {

// --- arithmetic -------------------------------------------------------------------------------
struct Add {
  static constexpr auto doc = "Sum: lhs + rhs.";
  static constexpr bool exact = true;
  HEDDLE_HD static auto f(auto a, auto b) { return a + b; }
  HEDDLE_HD static auto grad_a(auto dy) { return dy; }
  HEDDLE_HD static auto grad_b(auto dy) { return dy; }
};
struct Sub {
  static constexpr auto doc = "Difference: lhs - rhs.";
  static constexpr bool exact = true;
  HEDDLE_HD static auto f(auto a, auto b) { return a - b; }
  HEDDLE_HD static auto grad_a(auto dy) { return dy; }
  HEDDLE_HD static auto grad_b(auto dy) { return -dy; }
};
struct Mul {
  static constexpr auto doc = "Product: lhs * rhs.";
  static constexpr bool exact = true;
  HEDDLE_HD static auto f(auto a, auto b) { return a * b; }
  HEDDLE_HD static auto grad_a(auto dy, auto, auto b) { return dy * b; }
  HEDDLE_HD static auto grad_b(auto dy, auto a, auto) { return dy * a; }
};
struct Div {
  static constexpr auto doc = "Quotient: lhs / rhs. Integers round toward zero; by zero gives 0.";
  static constexpr bool full_reflected = true;
  static constexpr bool exact = true;
  HEDDLE_HD static auto f(auto a, auto b) { return a / b; }
  HEDDLE_HD static i64 f(i64 a, i64 b) { return b == 0 ? 0 : b == -1 ? -a : a / b; }
  HEDDLE_HD static auto grad_a(auto dy, auto, auto b) { return dy / b; }
  HEDDLE_HD static auto grad_b(auto dy, auto a, auto b) { return -dy * a / (b * b); }
};
struct Mod {
  static constexpr auto doc = "Remainder with the sign of rhs, as in Python; 0 when rhs is 0.";
  static constexpr bool exact = true;
  static constexpr bool usual = true;
  HEDDLE_HD static auto f(auto a, auto b) {
    const auto r = fmod(a, b);
    const auto y = select((r != 0) & ((r < 0) != (b < 0)), r + b, r);
    return select(b == 0, decltype(r)(0), y);
  }
  HEDDLE_HD static i64 f(i64 a, i64 b) {
    if (b == 0 || b == -1) return 0;
    const i64 r = a % b;
    return r != 0 && (r < 0) != (b < 0) ? r + b : r;
  }
  HEDDLE_HD static auto grad_a(auto dy, auto, auto) { return dy; }
  HEDDLE_HD static auto grad_b(auto dy, auto a, auto b) { return -dy * floor(a / b); }
};
struct Power {
  static constexpr auto doc = "Power: lhs ^ rhs.";
  static constexpr bool full = true;
  static constexpr bool usual = true, usual_grad = true;
  HEDDLE_HD static auto f(auto a, auto b) { return pow(a, b); }
  HEDDLE_HD static auto grad_a(auto dy, auto a, auto b) {
    return dy * b * pow(a, decltype(b)(b - 1));
  }
  HEDDLE_HD static auto grad_b(auto dy, auto a, auto b) { return dy * pow(a, b) * log(a); }
};
struct Hypot {
  static constexpr auto doc = "sqrt(lhs^2 + rhs^2).";
  static constexpr bool full = true;
  HEDDLE_HD static auto f(auto a, auto b) { return hypot(a, b); }
  HEDDLE_HD static auto grad_a(auto dy, auto a, auto b) { return dy * a / hypot(a, b); }
  HEDDLE_HD static auto grad_b(auto dy, auto a, auto b) { return dy * b / hypot(a, b); }
};
struct Maximum {
  static constexpr auto doc = "The larger one; NaN when either is.";
  static constexpr bool exact = true;
  HEDDLE_HD static auto f(auto a, auto b) { return select((a > b) | is_nan(a), a, b); }
  HEDDLE_HD static auto grad_a(auto dy, auto a, auto b) { return select(a >= b, dy, 0); }
  HEDDLE_HD static auto grad_b(auto dy, auto a, auto b) { return select(a < b, dy, 0); }
};
struct Minimum {
  static constexpr auto doc = "The smaller one; NaN when either is.";
  static constexpr bool exact = true;
  HEDDLE_HD static auto f(auto a, auto b) { return select((a < b) | is_nan(a), a, b); }
  HEDDLE_HD static auto grad_a(auto dy, auto a, auto b) { return select(a <= b, dy, 0); }
  HEDDLE_HD static auto grad_b(auto dy, auto a, auto b) { return select(a > b, dy, 0); }
};

// --- comparison and logic: 0 or 1 in the dtype of the operands; no gradient ---------------------
struct Equal {
  static constexpr auto doc = "1 where lhs == rhs, else 0.";
  static constexpr bool exact = true;
  HEDDLE_HD static auto f(auto a, auto b) { return select(a == b, decltype(a)(1), 0); }
};
struct NotEqual {
  static constexpr auto doc = "1 where lhs != rhs, else 0.";
  static constexpr bool exact = true;
  HEDDLE_HD static auto f(auto a, auto b) { return select(a != b, decltype(a)(1), 0); }
};
struct Greater {
  static constexpr auto doc = "1 where lhs > rhs, else 0.";
  static constexpr bool exact = true;
  HEDDLE_HD static auto f(auto a, auto b) { return select(a > b, decltype(a)(1), 0); }
};
struct GreaterEqual {
  static constexpr auto doc = "1 where lhs >= rhs, else 0.";
  static constexpr bool exact = true;
  HEDDLE_HD static auto f(auto a, auto b) { return select(a >= b, decltype(a)(1), 0); }
};
struct Lesser {
  static constexpr auto doc = "1 where lhs < rhs, else 0.";
  static constexpr bool exact = true;
  HEDDLE_HD static auto f(auto a, auto b) { return select(a < b, decltype(a)(1), 0); }
};
struct LesserEqual {
  static constexpr auto doc = "1 where lhs <= rhs, else 0.";
  static constexpr bool exact = true;
  HEDDLE_HD static auto f(auto a, auto b) { return select(a <= b, decltype(a)(1), 0); }
};
struct LogicalAnd {
  static constexpr auto doc = "1 where both are not zero, else 0.";
  static constexpr bool exact = true;
  HEDDLE_HD static auto f(auto a, auto b) { return select((a != 0) & (b != 0), decltype(a)(1), 0); }
};
struct LogicalOr {
  static constexpr auto doc = "1 where at least one is not zero, else 0.";
  static constexpr bool exact = true;
  HEDDLE_HD static auto f(auto a, auto b) { return select((a != 0) | (b != 0), decltype(a)(1), 0); }
};
struct LogicalXor {
  static constexpr auto doc = "1 where exactly one is not zero, else 0.";
  static constexpr bool exact = true;
  HEDDLE_HD static auto f(auto a, auto b) { return select((a != 0) ^ (b != 0), decltype(a)(1), 0); }
};

}  // namespace heddle::ops::ew
