// Unary elementwise formulas. To add one: write the struct, name it in a list at the end.
//   f(x)           the value; `exact` says that integers need no detour through double
//   grad_y(dy, y)  the gradient from the output (x can be freed, and f can run in place), or
//   grad_x(dy, x)  from the input, or
//   grad(dy)       from neither; without any of them nothing flows back.
//   full           says that half precision would overflow, or lose what matters
//   usual          says that f, and grad_x, are called with numbers of type Usual first (scalar.h)
// Gradients are also called with numbers that write a graph (symbolic.h): hence the second and all
// higher derivatives, and select(c, a, b) in place of c ? a : b. A formula with parameters takes
// them as further numbers: f(x, p...), grad_x(dy, x, p...).
#pragma once
#include "operator/elemwise/special.h"

namespace heddle::ops::ew {

// --- arithmetic -------------------------------------------------------------------------------
struct Abs {
  static constexpr auto name = "abs", doc = "Absolute value: |x|.";
  static constexpr bool exact = true;
  HEDDLE_HD static auto f(auto x) { return abs(x); }
  HEDDLE_HD static auto grad_x(auto dy, auto x) { return dy * sign(x); }
};
struct Negative {
  static constexpr auto name = "negative", doc = "Negation: -x.";
  static constexpr bool exact = true;
  HEDDLE_HD static auto f(auto x) { return -x; }
  HEDDLE_HD static auto grad(auto dy) { return -dy; }
};
struct Sign {
  static constexpr auto name = "sign",
                        doc = "1, 0 or -1 as x is above, at or below zero; 0 for NaN.";
  static constexpr bool exact = true;
  HEDDLE_HD static auto f(auto x) { return sign(x); }
};
struct Square {
  static constexpr auto name = "square", doc = "Square: x * x.";
  static constexpr bool exact = true;
  static constexpr bool full = true;
  HEDDLE_HD static auto f(auto x) { return x * x; }
  HEDDLE_HD static auto grad_x(auto dy, auto x) { return 2 * dy * x; }
};
struct Sqrt {
  static constexpr auto name = "sqrt", doc = "Square root.";
  HEDDLE_HD static auto f(auto x) { return sqrt(x); }
  HEDDLE_HD static auto grad_y(auto dy, auto y) { return dy / (2 * y); }
};
struct Rsqrt {
  static constexpr auto name = "rsqrt", doc = "Inverse square root: 1 / sqrt(x).";
  static constexpr bool full = true;
  HEDDLE_HD static auto f(auto x) { return 1 / sqrt(x); }
  HEDDLE_HD static auto grad_y(auto dy, auto y) { return dy * y * y * y / -2; }
};
struct Cbrt {
  static constexpr auto name = "cbrt", doc = "Cube root.";
  HEDDLE_HD static auto f(auto x) { return cbrt(x); }
  HEDDLE_HD static auto grad_y(auto dy, auto y) { return dy / (3 * y * y); }
};
struct Rcbrt {
  static constexpr auto name = "rcbrt", doc = "Inverse cube root: 1 / cbrt(x).";
  static constexpr bool full = true;
  HEDDLE_HD static auto f(auto x) { return 1 / cbrt(x); }
  HEDDLE_HD static auto grad_y(auto dy, auto y) { return dy * y * y * y * y / -3; }
};
struct Reciprocal {
  static constexpr auto name = "reciprocal", doc = "Reciprocal: 1 / x.";
  static constexpr bool full = true;
  HEDDLE_HD static auto f(auto x) { return 1 / x; }
  HEDDLE_HD static auto grad_y(auto dy, auto y) { return -dy * y * y; }
};
struct Degrees {
  static constexpr auto name = "degrees", doc = "Radians to degrees: x * 180 / pi.";
  HEDDLE_HD static auto f(auto x) { return x * decltype(x)(57.295779513082320877); }
  HEDDLE_HD static auto grad(auto dy) { return dy * decltype(dy)(57.295779513082320877); }
};
struct Radians {
  static constexpr auto name = "radians", doc = "Degrees to radians: x * pi / 180.";
  HEDDLE_HD static auto f(auto x) { return x * decltype(x)(0.017453292519943295769); }
  HEDDLE_HD static auto grad(auto dy) { return dy * decltype(dy)(0.017453292519943295769); }
};

// --- rounding and logic: no gradient ------------------------------------------------------------
struct Ceil {
  static constexpr auto name = "ceil", doc = "The smallest integer not below x.";
  HEDDLE_HD static auto f(auto x) { return ceil(x); }
};
struct Floor {
  static constexpr auto name = "floor", doc = "The largest integer not above x.";
  HEDDLE_HD static auto f(auto x) { return floor(x); }
};
struct Trunc {
  static constexpr auto name = "trunc", doc = "x rounded toward zero.";
  HEDDLE_HD static auto f(auto x) { return trunc(x); }
};
struct Fix {
  static constexpr auto name = "fix", doc = "x rounded toward zero.";
  HEDDLE_HD static auto f(auto x) { return trunc(x); }
};
struct Round {
  static constexpr auto name = "round",
                        doc = "x rounded to the nearest integer, halves away from zero.";
  HEDDLE_HD static auto f(auto x) {
    const auto t = trunc(x);  // x + 0.5 would round 0.49999997 up
    return select(abs(x - t) >= decltype(x)(0.5), t + copysign(decltype(x)(1), x), t);
  }
};
struct Rint {
  static constexpr auto name = "rint",
                        doc = "x rounded to the nearest integer, halves toward the lower one.";
  HEDDLE_HD static auto f(auto x) {
    const auto lo = floor(x);
    return select(x - lo > decltype(x)(0.5), lo + 1, lo);
  }
};
struct LogicalNot {
  static constexpr auto name = "logical_not", doc = "1 where x is zero, else 0.";
  static constexpr bool exact = true;
  HEDDLE_HD static auto f(auto x) { return select(x == 0, decltype(x)(1), 0); }
};

// --- exponentials and logarithms ----------------------------------------------------------------
struct Exp {
  static constexpr auto name = "exp", doc = "Exponential: e^x.";
  static constexpr bool full = true;
  HEDDLE_HD static auto f(auto x) { return exp(x); }
  HEDDLE_HD static auto grad_y(auto dy, auto y) { return dy * y; }
};
struct Expm1 {
  static constexpr auto name = "expm1", doc = "e^x - 1, exact near zero.";
  static constexpr bool full = true;
  HEDDLE_HD static auto f(auto x) { return expm1(x); }
  HEDDLE_HD static auto grad_y(auto dy, auto y) { return dy * (y + 1); }
};
struct Log {
  static constexpr auto name = "log", doc = "Natural logarithm.";
  static constexpr bool full = true;
  HEDDLE_HD static auto f(auto x) { return log(x); }
  HEDDLE_HD static auto grad_x(auto dy, auto x) { return dy / x; }
};
struct Log10 {
  static constexpr auto name = "log10", doc = "Logarithm to base 10.";
  static constexpr bool full = true;
  HEDDLE_HD static auto f(auto x) { return log10(x); }
  HEDDLE_HD static auto grad_x(auto dy, auto x) {
    return dy / (x * decltype(x)(2.302585092994045684));
  }
};
struct Log2 {
  static constexpr auto name = "log2", doc = "Logarithm to base 2.";
  static constexpr bool full = true;
  HEDDLE_HD static auto f(auto x) { return log2(x); }
  HEDDLE_HD static auto grad_x(auto dy, auto x) {
    return dy / (x * decltype(x)(0.693147180559945309));
  }
};
struct Log1p {
  static constexpr auto name = "log1p", doc = "log(1 + x), exact near zero.";
  static constexpr bool full = true;
  HEDDLE_HD static auto f(auto x) { return log1p(x); }
  HEDDLE_HD static auto grad_x(auto dy, auto x) { return dy / (1 + x); }
};

// --- activations --------------------------------------------------------------------------------
struct Relu {
  static constexpr auto name = "relu", doc = "Rectified linear unit: max(x, 0).";
  static constexpr bool exact = true;
  HEDDLE_HD static auto f(auto x) { return max(decltype(x)(0), x); }  // in this order a NaN stays
  HEDDLE_HD static auto grad_y(auto dy, auto y) {
    return select(y > 0, dy, select(is_nan(y), y, 0));
  }
  static constexpr auto epilogue = "relu";  // what operators that do it along call it
};
struct Sigmoid {
  static constexpr auto name = "sigmoid", doc = "Logistic sigmoid: 1 / (1 + e^-x).";
  HEDDLE_HD static auto f(auto x) { return sigmoid(x); }
  HEDDLE_HD static auto grad_y(auto dy, auto y) { return dy * (y * (1 - y)); }
};
struct Tanh {
  static constexpr auto name = "tanh", doc = "Hyperbolic tangent.";
  HEDDLE_HD static auto f(auto x) { return tanh(x); }
  HEDDLE_HD static auto grad_y(auto dy, auto y) { return dy * (1 - y * y); }
};
struct Softrelu {  // where exp cannot overflow
  static constexpr auto name = "softrelu", doc = "log(1 + e^x).";
  HEDDLE_HD static auto f(auto x) { return max(x, decltype(x)(0)) + log1p(exp(-abs(x))); }
  HEDDLE_HD static auto grad_y(auto dy, auto y) { return -dy * expm1(-y); }
};
struct Softsign {
  static constexpr auto name = "softsign", doc = "x / (1 + |x|).";
  HEDDLE_HD static auto f(auto x) { return x / (1 + abs(x)); }
  HEDDLE_HD static auto grad_x(auto dy, auto x) { return dy / ((1 + abs(x)) * (1 + abs(x))); }
};

// --- trigonometry -------------------------------------------------------------------------------
struct Sin {
  static constexpr auto name = "sin", doc = "Sine of x in radians.";
  static constexpr bool usual = true;
  HEDDLE_HD static auto f(auto x) { return sin(x); }
  HEDDLE_HD static auto grad_x(auto dy, auto x) { return dy * cos(x); }
};
struct Cos {
  static constexpr auto name = "cos", doc = "Cosine of x in radians.";
  static constexpr bool usual = true;
  HEDDLE_HD static auto f(auto x) { return cos(x); }
  HEDDLE_HD static auto grad_x(auto dy, auto x) { return -dy * sin(x); }
};
struct Tan {
  static constexpr auto name = "tan", doc = "Tangent of x in radians.";
  static constexpr bool usual = true;
  static constexpr bool full = true;
  HEDDLE_HD static auto f(auto x) { return tan(x); }
  HEDDLE_HD static auto grad_y(auto dy, auto y) { return dy * (1 + y * y); }
};
struct Arcsin {
  static constexpr auto name = "arcsin", doc = "Inverse sine.";
  static constexpr bool full = true;
  HEDDLE_HD static auto f(auto x) { return asin(x); }
  HEDDLE_HD static auto grad_x(auto dy, auto x) { return dy / sqrt(1 - x * x); }
};
struct Arccos {
  static constexpr auto name = "arccos", doc = "Inverse cosine.";
  static constexpr bool full = true;
  HEDDLE_HD static auto f(auto x) { return acos(x); }
  HEDDLE_HD static auto grad_x(auto dy, auto x) { return -dy / sqrt(1 - x * x); }
};
struct Arctan {
  static constexpr auto name = "arctan", doc = "Inverse tangent.";
  HEDDLE_HD static auto f(auto x) { return atan(x); }
  HEDDLE_HD static auto grad_x(auto dy, auto x) { return dy / (1 + x * x); }
};
struct Sinh {
  static constexpr auto name = "sinh", doc = "Hyperbolic sine.";
  static constexpr bool full = true;
  HEDDLE_HD static auto f(auto x) { return sinh(x); }
  HEDDLE_HD static auto grad_x(auto dy, auto x) { return dy * cosh(x); }
};
struct Cosh {
  static constexpr auto name = "cosh", doc = "Hyperbolic cosine.";
  static constexpr bool full = true;
  HEDDLE_HD static auto f(auto x) { return cosh(x); }
  HEDDLE_HD static auto grad_x(auto dy, auto x) { return dy * sinh(x); }
};
struct Arcsinh {
  static constexpr auto name = "arcsinh", doc = "Inverse hyperbolic sine.";
  HEDDLE_HD static auto f(auto x) { return asinh(x); }
  HEDDLE_HD static auto grad_x(auto dy, auto x) { return dy / sqrt(x * x + 1); }
};
struct Arccosh {
  static constexpr auto name = "arccosh", doc = "Inverse hyperbolic cosine.";
  HEDDLE_HD static auto f(auto x) { return acosh(x); }
  HEDDLE_HD static auto grad_x(auto dy, auto x) { return dy / sqrt(x * x - 1); }
};
struct Arctanh {
  static constexpr auto name = "arctanh", doc = "Inverse hyperbolic tangent.";
  static constexpr bool full = true;
  HEDDLE_HD static auto f(auto x) { return atanh(x); }
  HEDDLE_HD static auto grad_x(auto dy, auto x) { return dy / (1 - x * x); }
};

// --- special functions --------------------------------------------------------------------------
struct Gamma {
  static constexpr auto name = "gamma", doc = "Gamma function.";
  static constexpr bool full = true;
  HEDDLE_HD static auto f(auto x) { return tgamma(x); }
  HEDDLE_HD static auto grad_x(auto dy, auto x) { return dy * tgamma(x) * digamma(x); }
};
struct Gammaln {
  static constexpr auto name = "gammaln", doc = "Logarithm of |gamma(x)|.";
  static constexpr bool usual = true;
  static constexpr bool full = true;
  HEDDLE_HD static auto f(auto x) { return lgamma(x); }
  HEDDLE_HD static auto grad_x(auto dy, auto x) { return dy * digamma(x); }
};
struct Digamma {
  static constexpr auto name = "digamma", doc = "Logarithmic derivative of the gamma function.";
  static constexpr bool usual = true;
  HEDDLE_HD static auto f(auto x) { return digamma(x); }
  HEDDLE_HD static auto grad_x(auto dy, auto x) { return dy * polygamma(decltype(x)(1), x); }
};
struct Polygamma {
  static constexpr auto name = "_polygamma", doc = "Derivative of digamma, `order` times.";
  HEDDLE_HD static auto f(auto x, auto order) { return polygamma(order, x); }
  HEDDLE_HD static auto grad_x(auto dy, auto x, auto order) { return dy * polygamma(order + 1, x); }
};
struct Erf {
  static constexpr auto name = "erf", doc = "Gauss error function.";
  HEDDLE_HD static auto f(auto x) { return erf(x); }
  HEDDLE_HD static auto grad_x(auto dy, auto x) {
    return dy * decltype(x)(1.12837916709551257390) * exp(-x * x);
  }
};
struct Erfinv {
  static constexpr auto name = "erfinv", doc = "Inverse of the Gauss error function.";
  static constexpr bool full = true;
  HEDDLE_HD static auto f(auto x) { return erfinv(x); }
  HEDDLE_HD static auto grad_y(auto dy, auto y) {
    return dy * decltype(y)(0.88622692545275801365) * exp(y * y);
  }
};

// --- the operators, file by file: unary_*.cc on the host, unary.cu on CUDA -----------------------
using UnaryArithmetic = List<Abs, Negative, Sign, Square, Sqrt, Rsqrt, Cbrt, Rcbrt, Reciprocal,
                             Degrees, Radians, Ceil, Floor, Trunc, Fix, Round, Rint, LogicalNot>;
using UnaryMath = List<Exp, Expm1, Log, Log10, Log2, Log1p, Relu, Sigmoid, Tanh, Softsign>;
using UnaryTrig =
    List<Sin, Cos, Tan, Arcsin, Arccos, Arctan, Sinh, Cosh, Arcsinh, Arccosh, Arctanh>;
using UnarySpecial = List<Gamma, Gammaln, Digamma, Erf, Erfinv>;

}  // namespace heddle::ops::ew
