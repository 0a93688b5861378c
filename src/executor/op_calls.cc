// Operators by their names, on symbols and on arrays: the doors of the faces that are not Python.
#include "heddle/op_calls.h"

#include <mutex>

#include "operator/variadic.h"

namespace heddle {

namespace calls {

// A name that no other node of the process was given here.
std::string next_name(const std::string& hint) {
  static std::mutex guard;
  static auto* const counts = new std::map<std::string, int64_t>;
  const std::lock_guard lock(guard);
  return format("{}{}", hint, (*counts)[hint]++);
}

}  // namespace calls

Symbol apply_operator(std::string_view op, Kwargs params, const std::vector<Symbol>& positional,
                      const std::map<std::string, Symbol>& named, std::string name,
                      const Kwargs& attributes) {
  const OpDef& def = OpTable::get().at(op);
  count_inputs(def, params, positional.size() + named.size());
  if (name.empty()) name = calls::next_name(def.name_hint());
  const OpCallRef call = attempt(
      [&] { return make_call(def, std::move(params)); },
      [&](std::string_view text) -> OpCallRef { fail("Error in operator {}: {}", name, text); });
  return Symbol::apply(call, positional, named, std::move(name), attributes);
}

std::vector<NDArray> call_operator(std::string_view op, Kwargs params,
                                   const std::vector<NDArray>& inputs, std::vector<NDArray> out,
                                   Device device) {
  const OpDef& def = OpTable::get().at(op);
  count_inputs(def, params, inputs.size());
  std::vector<const NDArray*> in;
  for (const NDArray& a : inputs) in.push_back(&a);
  invoke(make_call(def, std::move(params)), in, out, device);
  return out;
}

std::string_view operator_for(std::string_view symbol, Notation::Form form) {
  const OpDef* const op = OpTable::get().serving(symbol, form);
  check(op != nullptr, "no operator serves '{}'", symbol);
  return op->name;
}

}  // namespace heddle
