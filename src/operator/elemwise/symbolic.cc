// Which operator stands for what a formula writes: the one made from the formula of that name.
#include "operator/elemwise/symbolic.h"

#include <cmath>
#include <string>
#include <type_traits>

#include "operator/elemwise/binary_names.h"
#include "operator/elemwise/unary.h"

namespace heddle::ops::ew {

template <class F>
const BinaryNames& names_of() {
  static const BinaryNames names = [] {
    BinaryNames found;
    auto keep = [&]<class G>(G, const BinaryNames& n) {
      if constexpr (std::is_same_v<F, G>) found = n;
    };
    each_binary_arithmetic(keep);
    each_binary_math(keep);
    each_binary_logic(keep);
    return found;
  }();
  return names;
}

Symbolic with_number(const std::string& op, const Symbolic& x, double number) {
  return {x.graph(), x.graph().call(op, {x.value()}, {{"scalar", param::print(number)}}),
          x.operands()};
}

// F of two, where at least one is a tensor. Without a reflected form F does not mind the order.
template <class F>
Symbolic apply(const Symbolic& a, const Symbolic& b) {
  const BinaryNames& names = names_of<F>();
  if (a.is_constant() && b.is_constant()) return double(F::f(a.constant(), b.constant()));
  if (b.is_constant()) return with_number(names.scalar, a, b.constant());
  if (a.is_constant())
    return with_number(names.reflected.empty() ? names.scalar : names.reflected, b, a.constant());
  GradContext& g = a.graph();
  const std::string& op = a.operands() == b.operands() ? names.elemwise : names.broadcast;
  return {g, g.call(op, {a.value(), b.value()}), a.operands() | b.operands()};
}
template <class F>
Symbolic apply(const Symbolic& x) {
  if (x.is_constant()) return double(F::f(x.constant()));
  return {x.graph(), x.graph().call(F::name, {x.value()}), x.operands()};
}

bool is(const Symbolic& x, double number) { return x.is_constant() && x.constant() == number; }

// What is plain without computing stays out of the graph: there it would be a node each time a
// gradient is differentiated, and 0 * pow(x, -1) would be NaN at zero.
Symbolic operator+(const Symbolic& a, const Symbolic& b) {
  return is(a, 0) ? b : is(b, 0) ? a : apply<Add>(a, b);
}
Symbolic operator-(const Symbolic& a, const Symbolic& b) {
  return is(b, 0) ? a : is(a, 0) ? -b : apply<Sub>(a, b);
}
Symbolic operator*(const Symbolic& a, const Symbolic& b) {
  if (is(a, 0) || is(b, 0)) return 0.0;
  return is(a, 1) ? b : is(b, 1) ? a : apply<Mul>(a, b);
}
Symbolic operator/(const Symbolic& a, const Symbolic& b) {
  if (is(a, 0) && !b.is_constant()) return 0.0;
  return is(b, 1) ? a : apply<Div>(a, b);
}
Symbolic operator-(const Symbolic& x) { return apply<Negative>(x); }

// Comparing a number with a tensor is comparing the tensor with the number, the other way round.
template <class F, class Mirrored>
SymbolicMask compare(const Symbolic& a, const Symbolic& b) {
  if (a.is_constant() && !b.is_constant()) return {apply<Mirrored>(b, a)};
  return {apply<F>(a, b)};
}
SymbolicMask operator<(const Symbolic& a, const Symbolic& b) {
  return compare<Lesser, Greater>(a, b);
}
SymbolicMask operator<=(const Symbolic& a, const Symbolic& b) {
  return compare<LesserEqual, GreaterEqual>(a, b);
}
SymbolicMask operator>(const Symbolic& a, const Symbolic& b) {
  return compare<Greater, Lesser>(a, b);
}
SymbolicMask operator>=(const Symbolic& a, const Symbolic& b) {
  return compare<GreaterEqual, LesserEqual>(a, b);
}
SymbolicMask operator==(const Symbolic& a, const Symbolic& b) { return {apply<Equal>(a, b)}; }
SymbolicMask operator!=(const Symbolic& a, const Symbolic& b) { return {apply<NotEqual>(a, b)}; }
SymbolicMask operator&(const SymbolicMask& a, const SymbolicMask& b) {
  return {apply<LogicalAnd>(a.truth, b.truth)};
}
SymbolicMask operator|(const SymbolicMask& a, const SymbolicMask& b) {
  return {apply<LogicalOr>(a.truth, b.truth)};
}
SymbolicMask is_nan(const Symbolic& x) { return x != x; }

Symbolic zeros_like(const Symbolic& x) {
  return {x.graph(), x.graph().call("zeros_like", {x.value()}), x.operands()};
}
bool whole(const Symbolic& x, unsigned operands) {
  return !x.is_constant() && x.operands() == operands;
}

// `where` takes three tensors of one shape; here each may be a number, or smaller than the others.
Symbolic select(const SymbolicMask& c, const Symbolic& a, const Symbolic& b) {
  if (c.truth.is_constant()) return c.truth.constant() != 0 ? a : b;
  GradContext& g = c.truth.graph();
  const unsigned shape = c.truth.operands();
  if (whole(a, shape) && whole(b, shape))
    return {g, g.call("where", {c.truth.value(), a.value(), b.value()}), shape};
  Symbolic zeros = zeros_like(c.truth);
  for (const Symbolic* s : {&a, &b})
    if (!s->is_constant() && (s->operands() | zeros.operands()) != zeros.operands())
      zeros = apply<Add>(zeros, zeros_like(*s));
  auto widened = [&](const Symbolic& s) {
    if (is(s, 0)) return zeros.value();
    return whole(s, zeros.operands()) ? s.value() : apply<Add>(zeros, s).value();
  };
  return {g, g.call("where", {widened(c.truth), widened(a), widened(b)}), zeros.operands()};
}

Symbolic max(const Symbolic& a, const Symbolic& b) { return apply<Maximum>(a, b); }
Symbolic min(const Symbolic& a, const Symbolic& b) { return apply<Minimum>(a, b); }
Symbolic pow(const Symbolic& a, const Symbolic& b) {
  return is(b, 0) ? Symbolic(1.0) : is(b, 1) ? a : apply<Power>(a, b);
}
Symbolic hypot(const Symbolic& a, const Symbolic& b) { return apply<Hypot>(a, b); }

Symbolic abs(const Symbolic& x) { return apply<Abs>(x); }
Symbolic sign(const Symbolic& x) { return apply<Sign>(x); }
Symbolic floor(const Symbolic& x) { return apply<Floor>(x); }
Symbolic sqrt(const Symbolic& x) { return apply<Sqrt>(x); }
Symbolic cbrt(const Symbolic& x) { return apply<Cbrt>(x); }
Symbolic exp(const Symbolic& x) { return apply<Exp>(x); }
Symbolic expm1(const Symbolic& x) { return apply<Expm1>(x); }
Symbolic log(const Symbolic& x) { return apply<Log>(x); }
Symbolic log1p(const Symbolic& x) { return apply<Log1p>(x); }
Symbolic sigmoid(const Symbolic& x) { return apply<Sigmoid>(x); }
Symbolic tanh(const Symbolic& x) { return apply<Tanh>(x); }
Symbolic sin(const Symbolic& x) { return apply<Sin>(x); }
Symbolic cos(const Symbolic& x) { return apply<Cos>(x); }
Symbolic tan(const Symbolic& x) { return apply<Tan>(x); }
Symbolic sinh(const Symbolic& x) { return apply<Sinh>(x); }
Symbolic cosh(const Symbolic& x) { return apply<Cosh>(x); }
Symbolic erf(const Symbolic& x) { return apply<Erf>(x); }
Symbolic tgamma(const Symbolic& x) { return apply<Gamma>(x); }
Symbolic digamma(const Symbolic& x) { return apply<Digamma>(x); }
Symbolic polygamma(const Symbolic& order, const Symbolic& x) {
  if (x.is_constant()) return polygamma(order.constant(), x.constant());
  const std::string n = param::print(int64_t(order.constant()));  // never a tensor
  return {x.graph(), x.graph().call("_polygamma", {x.value()}, {{"order", n}}), x.operands()};
}

GradContext::Value tensor_of(const Symbolic& gradient) {
  if (!gradient.is_constant()) return gradient.value();
  check(gradient.constant() == 0, "a gradient is {} whatever comes from above",
        gradient.constant());
  return {};
}

GradContext::Value tensor_like(GradContext& g, const Symbolic& gradient, int i) {
  if (gradient.is_constant()) return tensor_of(gradient);
  return g.call("_sum_like", {gradient.value(), g.call("zeros_like", {g.x(i)})});
}

}  // namespace heddle::ops::ew
