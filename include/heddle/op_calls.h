// What the functions of heddle/ops.h are made of: parameters that may be left out, inputs, and
// calls on symbols and on arrays. Beside them arithmetic, a + b and 2 * a.
#pragma once
#include <concepts>
#include <initializer_list>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "heddle/executor.h"
#include "heddle/imperative.h"
#include "heddle/ndarray.h"
#include "heddle/param.h"
#include "heddle/symbol.h"

namespace heddle {

// An operator applied to symbols. Without a name it gets one that no other has: "convolution0".
HEDDLE_API Symbol apply_operator(std::string_view op, Kwargs params,
                                 const std::vector<Symbol>& positional,
                                 const std::map<std::string, Symbol>& named, std::string name = "",
                                 const Kwargs& attributes = {});
// The same on arrays. Those in `out` are written; where there are none they are made, of an
// operator without inputs on `device`.
HEDDLE_API std::vector<NDArray> call_operator(std::string_view op, Kwargs params,
                                              const std::vector<NDArray>& inputs,
                                              std::vector<NDArray> out = {}, Device device = {});
// What serves `symbol` ("+") between two values, or a value and a number on either side.
HEDDLE_API std::string_view operator_for(std::string_view symbol, Notation::Form form);

namespace op {

struct NoList {};  // of what is no list
template <class T>
struct ItemOf {
  using type = NoList;
};
template <>
struct ItemOf<Shape> {
  using type = int64_t;
};
template <class E>
struct ItemOf<std::vector<E>> {
  using type = E;
};

// A parameter: its default unless it is set.
template <class T>
class Field {
 public:
  Field() = default;
  template <class V>
  requires std::convertible_to<V, T> Field(V&& v) : text_(param::print(T(std::forward<V>(v)))) {}
  Field(std::initializer_list<typename ItemOf<T>::type> items)
      : text_(param::print(T(items))) {}  // {3, 3}
  void put(Kwargs& into, const char* name) const {
    if (text_) into[name] = *text_;
  }

 private:
  std::optional<std::string> text_;
};

// One input, {several} in their order, or {{"weight", w}} by their names.
template <class V>
struct Inputs {
  Inputs(V one) : positional{std::move(one)} {}
  Inputs(std::initializer_list<V> all) : positional(all) {}
  Inputs(std::vector<V> all) : positional(std::move(all)) {}
  Inputs(std::initializer_list<std::pair<const std::string, V>> by_name) requires
      std::same_as<V, Symbol> : named(by_name) {}
  std::vector<V> positional;
  std::map<std::string, V> named;
};

inline Symbol run(std::string_view op, const Inputs<Symbol>& in, Kwargs params, std::string name) {
  return apply_operator(op, std::move(params), in.positional, in.named, std::move(name));
}
inline std::vector<NDArray> run(std::string_view op, const Inputs<NDArray>& in, Kwargs params,
                                std::vector<NDArray> out) {
  return call_operator(op, std::move(params), in.positional, std::move(out));
}
inline NDArray run_one(std::string_view op, const Inputs<NDArray>& in, Kwargs params, NDArray out) {
  return call_operator(op, std::move(params), in.positional, {std::move(out)})[0];
}

}  // namespace op

namespace arithmetic {

inline Symbol run(std::string_view op, std::vector<Symbol> in, Kwargs params) {
  return apply_operator(op, std::move(params), in, {});
}
inline NDArray run(std::string_view op, const std::vector<NDArray>& in, Kwargs params) {
  return call_operator(op, std::move(params), in)[0];
}
template <class V>
concept Value = std::same_as<V, Symbol> || std::same_as<V, NDArray>;
template <Value V>
V of(const char* symbol, const V& a, const V& b) {
  return run(operator_for(symbol, Notation::kTensors), {a, b}, {});
}
template <Value V>
V of(const char* symbol, const V& a, double b) {
  return run(operator_for(symbol, Notation::kTensorNumber), {a}, {{"scalar", param::print(b)}});
}
template <Value V>
V of(const char* symbol, double a, const V& b) {
  return run(operator_for(symbol, Notation::kNumberTensor), {b}, {{"scalar", param::print(a)}});
}
template <class A, class B>
concept Pair = (Value<A> && (std::same_as<A, B> || std::is_arithmetic_v<B>)) ||
               (std::is_arithmetic_v<A> && Value<B>);

}  // namespace arithmetic

template <class A, class B>
requires arithmetic::Pair<A, B>
auto operator+(const A& a, const B& b) { return arithmetic::of("+", a, b); }
template <class A, class B>
requires arithmetic::Pair<A, B>
auto operator-(const A& a, const B& b) { return arithmetic::of("-", a, b); }
template <class A, class B>
requires arithmetic::Pair<A, B>
auto operator*(const A& a, const B& b) { return arithmetic::of("*", a, b); }
template <class A, class B>
requires arithmetic::Pair<A, B>
auto operator/(const A& a, const B& b) { return arithmetic::of("/", a, b); }

}  // namespace heddle
