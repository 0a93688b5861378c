// Gradients composed of other operators: a table by operator. They may read only what the record's
// backward.reads names, for nothing else is kept; zeros_like of any tensor serves for its shape.
#include "operator/elemwise/gradients.h"

#include <cmath>
#include <map>
#include <string>

namespace heddle::ops::ew {

using Value = GradContext::Value;
using Values = std::vector<Value>;

Value mul(GradContext& g, Value a, Value b) { return g.call("elemwise_mul", {a, b}); }
Value div(GradContext& g, Value a, Value b) { return g.call("elemwise_div", {a, b}); }
Value with(GradContext& g, const char* op, Value a, const std::string& number) {
  return g.call(op, {a}, {{"scalar", number}});
}
std::string number_of(GradContext& g) {
  const auto found = g.kwargs().find("scalar");
  return found == g.kwargs().end() ? "1" : found->second;
}
double value_of(const std::string& number) {
  double v = 0;
  param::parse(number, v);  // as it did when the operator was called
  return v;
}

// --- unary --------------------------------------------------------------------------------------
Values copy(GradContext& g) { return {g.dy()}; }
Values negative(GradContext& g) { return {g.call("negative", {g.dy()})}; }
Values exp(GradContext& g) { return {mul(g, g.dy(), g.y())}; }
Values log(GradContext& g) { return {div(g, g.dy(), g.x())}; }
Values sin(GradContext& g) { return {mul(g, g.dy(), g.call("cos", {g.x()}))}; }
Values cos(GradContext& g) {
  return {mul(g, g.dy(), g.call("negative", {g.call("sin", {g.x()})}))};
}
Values tanh(GradContext& g) {
  return {mul(g, g.dy(), with(g, "_rminus_scalar", g.call("square", {g.y()}), "1"))};
}
Values sigmoid(GradContext& g) {
  return {mul(g, g.dy(), mul(g, g.y(), with(g, "_rminus_scalar", g.y(), "1")))};
}
Values relu(GradContext& g) { return {mul(g, g.dy(), with(g, "_greater_scalar", g.y(), "0"))}; }
Values abs(GradContext& g) { return {mul(g, g.dy(), g.call("sign", {g.x()}))}; }
Values square(GradContext& g) { return {mul(g, g.dy(), with(g, "_mul_scalar", g.x(), "2"))}; }
Values sqrt(GradContext& g) { return {div(g, g.dy(), with(g, "_mul_scalar", g.y(), "2"))}; }
Values reciprocal(GradContext& g) {
  return {g.call("negative", {mul(g, g.dy(), g.call("square", {g.y()}))})};
}

// --- binary: with kBroadcast the operands may have other shapes than the result ------------------
// A gradient summed to the shape of operand i, of which only the shape is asked.
template <bool kBroadcast>
Value to(GradContext& g, Value grad, int i) {
  return kBroadcast ? g.call("_sum_like", {grad, g.call("zeros_like", {g.x(i)})}) : grad;
}
template <bool kBroadcast>
Value times(GradContext& g, Value a, Value b) {
  return g.call(kBroadcast ? "broadcast_mul" : "elemwise_mul", {a, b});
}
template <bool kBroadcast>
Value over(GradContext& g, Value a, Value b) {
  return g.call(kBroadcast ? "broadcast_div" : "elemwise_div", {a, b});
}

template <bool kBroadcast>
Values add(GradContext& g) {
  return {to<kBroadcast>(g, g.dy(), 0), to<kBroadcast>(g, g.dy(), 1)};
}
template <bool kBroadcast>
Values sub(GradContext& g) {
  return {to<kBroadcast>(g, g.dy(), 0), to<kBroadcast>(g, g.call("negative", {g.dy()}), 1)};
}
template <bool kBroadcast>
Values product(GradContext& g) {
  return {to<kBroadcast>(g, times<kBroadcast>(g, g.dy(), g.x(1)), 0),
          to<kBroadcast>(g, times<kBroadcast>(g, g.dy(), g.x(0)), 1)};
}
template <bool kBroadcast>
Values quotient(GradContext& g) {
  const Value da = over<kBroadcast>(g, g.dy(), g.x(1));
  const Value ratio = over<kBroadcast>(g, g.x(0), g.x(1));
  return {to<kBroadcast>(g, da, 0), to<kBroadcast>(g, g.call("negative", {mul(g, da, ratio)}), 1)};
}
template <bool kBroadcast>
Values power(GradContext& g) {
  const char* pow = kBroadcast ? "broadcast_power" : "_power";
  const Value lower = g.call(pow, {g.x(0), with(g, "_minus_scalar", g.x(1), "1")});
  const Value y = g.call(pow, {g.x(0), g.x(1)});
  const Value da = mul(g, g.dy(), times<kBroadcast>(g, lower, g.x(1)));
  const Value db = times<kBroadcast>(g, mul(g, g.dy(), y), g.call("log", {g.x(0)}));
  return {to<kBroadcast>(g, da, 0), to<kBroadcast>(g, db, 1)};
}

// --- with a number ------------------------------------------------------------------------------
Values mul_scalar(GradContext& g) { return {with(g, "_mul_scalar", g.dy(), number_of(g))}; }
Values div_scalar(GradContext& g) { return {with(g, "_div_scalar", g.dy(), number_of(g))}; }
Values rdiv_scalar(GradContext& g) {  // d(n / x) = -n / x^2
  const Value slope = with(g, "_rdiv_scalar", g.call("square", {g.x()}), number_of(g));
  return {g.call("negative", {mul(g, g.dy(), slope)})};
}
Values power_scalar(GradContext& g) {
  const std::string n = number_of(g), lower = param::print(value_of(n) - 1);
  const Value slope = with(g, "_mul_scalar", with(g, "_power_scalar", g.x(), lower), n);
  return {mul(g, g.dy(), slope)};
}
Values rpower_scalar(GradContext& g) {  // d(n^x) = n^x log(n)
  const std::string n = number_of(g), log_n = param::print(std::log(value_of(n)));
  return {mul(g, g.dy(), with(g, "_mul_scalar", with(g, "_rpower_scalar", g.x(), n), log_n))};
}

// --- reductions ---------------------------------------------------------------------------------
Values expand(GradContext& g, bool average) {
  Kwargs kw{{"average", average ? "True" : "False"}};
  for (const char* key : {"axis", "keepdims", "exclude"})
    if (auto it = g.kwargs().find(key); it != g.kwargs().end()) kw.insert(*it);
  return {g.call("_expand_like", {g.dy(), g.call("zeros_like", {g.x()})}, kw)};
}
Values sum(GradContext& g) { return expand(g, false); }
Values mean(GradContext& g) { return expand(g, true); }

Composed composed_gradient(std::string_view op) {
  static const auto* table = new std::map<std::string, Composed, std::less<>>{
      {"_copy", copy},
      {"negative", negative},
      {"exp", exp},
      {"log", log},
      {"sin", sin},
      {"cos", cos},
      {"tanh", tanh},
      {"sigmoid", sigmoid},
      {"relu", relu},
      {"abs", abs},
      {"square", square},
      {"sqrt", sqrt},
      {"reciprocal", reciprocal},
      {"elemwise_add", add<false>},
      {"broadcast_add", add<true>},
      {"_grad_add", add<false>},
      {"elemwise_sub", sub<false>},
      {"broadcast_sub", sub<true>},
      {"elemwise_mul", product<false>},
      {"broadcast_mul", product<true>},
      {"elemwise_div", quotient<false>},
      {"broadcast_div", quotient<true>},
      {"_power", power<false>},
      {"broadcast_power", power<true>},
      {"_plus_scalar", copy},
      {"_minus_scalar", copy},
      {"_rminus_scalar", negative},
      {"_mul_scalar", mul_scalar},
      {"_div_scalar", div_scalar},
      {"_rdiv_scalar", rdiv_scalar},
      {"_power_scalar", power_scalar},
      {"_rpower_scalar", rpower_scalar},
      {"sum", sum},
      {"mean", mean},
  };
  const auto found = table->find(op);
  return found == table->end() ? Composed{} : found->second;
}

}  // namespace heddle::ops::ew
