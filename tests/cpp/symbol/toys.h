// Small operators with every feature that graphs care about, so that these tests need hardly any
// other, and an interpreter that runs a graph in double precision.
#pragma once
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "symbol/graph.h"
#include "symbol/passes.h"

namespace heddle::toys {

// toy_dense(data, weight, bias): like FullyConnected. toy_relu: in place, reads dy and y.
// toy_norm(data, scale, mean): `mean` is auxiliary; one hidden output. toy_loss(data, label):
// ignores its head gradient. toy_square: its gradient is built. toy_cut(data) -> parts outputs.
// toy_join(parts): the other way round. toy_round: zero gradient. toy_stuck: no gradient.
// toy_add(a, b). toy_step(weight!, grad).
void define();

inline OpCallRef call(std::string_view op, Kwargs kwargs = {}) {
  define();
  return make_call(OpTable::get().at(op), std::move(kwargs));
}
inline Symbol var(std::string name, Kwargs attrs = {}) {
  return Symbol::variable(std::move(name), std::move(attrs));
}
inline Symbol op(std::string_view name, std::vector<Symbol> in, std::string node,
                 Kwargs kwargs = {}) {
  return Symbol::apply(call(name, std::move(kwargs)), std::move(in), {}, std::move(node));
}
// data -> dense -> relu -> dense -> loss
Symbol mlp();

using Values = std::map<std::string, std::vector<double>>;
// Every value of the graph; variables by name. Shapes come from inference.
std::vector<std::vector<double>> run(const Graph& g, const ValueTypes& t, const Values& variables);

inline ValueInfo shape(std::initializer_list<int64_t> dims, Dtype d = Dtype::kUnknown) {
  return {Shape(dims), d};
}
// What `f` throws as heddle::Error; fails the test when it does not.
template <class F>
std::string error_of(F&& f) {
  try {
    f();
  } catch (const Error& e) {
    return e.what();
  }
  ADD_FAILURE() << "no error was thrown";
  return "";
}

}  // namespace heddle::toys
