// A number that is written down instead of computed: what is done with it becomes operators of the
// graph that a gradient is built in. A formula's gradient called with such numbers gives the first
// derivative as a graph of operators that can be differentiated, hence all higher ones.
#pragma once
#include "heddle/op.h"

namespace heddle::ops::ew {

class Symbolic {
 public:
  using Value = GradContext::Value;

  Symbolic(double constant) : constant_(constant) {}  // NOLINT: formulas mix numbers with these
  // `operands` says whose shapes it has: a bit for each operand that was broadcast into it. Those
  // of one set have one shape.
  Symbolic(GradContext& g, Value v, unsigned operands = kWhole)
      : graph_(&g), value_(v), operands_(operands) {}

  bool is_constant() const { return !graph_; }
  double constant() const { return constant_; }
  Value value() const { return value_; }
  GradContext& graph() const { return *graph_; }
  unsigned operands() const { return operands_; }

  static constexpr unsigned kFirst = 1, kSecond = 2, kWhole = kFirst | kSecond;

 private:
  GradContext* graph_ = nullptr;  // null: a constant
  Value value_;
  double constant_ = 0;
  unsigned operands_ = kWhole;
};

// What comparing gives: 1 where it holds, else 0.
struct SymbolicMask {
  Symbolic truth;
};

// --- what formulas write ------------------------------------------------------------------------
Symbolic operator+(const Symbolic& a, const Symbolic& b);
Symbolic operator-(const Symbolic& a, const Symbolic& b);
Symbolic operator*(const Symbolic& a, const Symbolic& b);
Symbolic operator/(const Symbolic& a, const Symbolic& b);
Symbolic operator-(const Symbolic& x);

SymbolicMask operator<(const Symbolic& a, const Symbolic& b);
SymbolicMask operator<=(const Symbolic& a, const Symbolic& b);
SymbolicMask operator>(const Symbolic& a, const Symbolic& b);
SymbolicMask operator>=(const Symbolic& a, const Symbolic& b);
SymbolicMask operator==(const Symbolic& a, const Symbolic& b);
SymbolicMask operator!=(const Symbolic& a, const Symbolic& b);
SymbolicMask operator&(const SymbolicMask& a, const SymbolicMask& b);
SymbolicMask operator|(const SymbolicMask& a, const SymbolicMask& b);
SymbolicMask is_nan(const Symbolic& x);
Symbolic select(const SymbolicMask& c, const Symbolic& a, const Symbolic& b);

Symbolic max(const Symbolic& a, const Symbolic& b);
Symbolic min(const Symbolic& a, const Symbolic& b);
Symbolic pow(const Symbolic& a, const Symbolic& b);
Symbolic hypot(const Symbolic& a, const Symbolic& b);
Symbolic polygamma(const Symbolic& order, const Symbolic& x);

Symbolic abs(const Symbolic& x);
Symbolic sign(const Symbolic& x);
Symbolic floor(const Symbolic& x);
Symbolic sqrt(const Symbolic& x);
Symbolic cbrt(const Symbolic& x);
Symbolic exp(const Symbolic& x);
Symbolic expm1(const Symbolic& x);
Symbolic log(const Symbolic& x);
Symbolic log1p(const Symbolic& x);
Symbolic sigmoid(const Symbolic& x);
Symbolic tanh(const Symbolic& x);
Symbolic sin(const Symbolic& x);
Symbolic cos(const Symbolic& x);
Symbolic tan(const Symbolic& x);
Symbolic sinh(const Symbolic& x);
Symbolic cosh(const Symbolic& x);
Symbolic erf(const Symbolic& x);
Symbolic tgamma(const Symbolic& x);
Symbolic digamma(const Symbolic& x);

// --- what hands them out ------------------------------------------------------------------------
// The tensor that a gradient came to; none where it is zero.
GradContext::Value tensor_of(const Symbolic& gradient);
// The same, summed over the axes along which input i of the operator was repeated.
GradContext::Value tensor_like(GradContext& g, const Symbolic& gradient, int i);

}  // namespace heddle::ops::ew
