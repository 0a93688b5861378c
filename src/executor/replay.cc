// Lays out the nodes of a symbol, and makes the calls.
#include "executor/replay.h"

#include <unordered_map>
#include <utility>

#include "heddle/imperative.h"
#include "symbol/walk.h"

namespace heddle {

Replay::Replay(const Symbol& symbol) {
  const std::vector<std::string> names = symbol.inputs();
  std::unordered_map<std::string_view, int> input;
  for (const std::string& name : names)
    check(input.emplace(name, int(input.size())).second,
          "[CachedOp] found several variables called '{}', expected one of each name", name);
  inputs_ = values_ = int(names.size());
  std::unordered_map<const Node*, int> first;
  for (const NodeRef& node : symbol::nodes_of(symbol)) {
    if (!node->call) {
      first.emplace(node.get(), input.at(node->name));
      continue;
    }
    Call c{.node = node, .inputs = {}, .first_output = values_, .last_read = {}};
    for (const Entry& e : node->inputs) c.inputs.push_back(first.at(e.node.get()) + e.index);
    first.emplace(node.get(), values_);
    values_ += node->call->visible_outputs;
    dynamic_ |= node->call->op->dynamic_shape;
    for (const OpCall::Part& part : node->call->parts) dynamic_ |= part.call->op->dynamic_shape;
    calls_.push_back(std::move(c));
  }
  for (const Entry& e : symbol.entries()) outputs_.push_back(first.at(e.node.get()) + e.index);
  std::vector<uint8_t> read(static_cast<size_t>(values_), 0);
  for (int v : outputs_) read[size_t(v)] = 1;
  for (auto c = calls_.rbegin(); c != calls_.rend(); ++c)
    for (int v : c->inputs)
      if (v >= inputs_ && !std::exchange(read[size_t(v)], 1)) c->last_read.push_back(v);
}

std::vector<NDArray> Replay::run(std::span<const NDArray* const> inputs, Device device,
                                 const Each& each) const {
  check(int(inputs.size()) == inputs_, "[CachedOp] found {} inputs, expected {}", inputs.size(),
        inputs_);
  std::vector<NDArray> values(static_cast<size_t>(values_));
  std::vector<const NDArray*> in;
  std::vector<NDArray> out;
  for (const Call& c : calls_) {
    in.clear(), out.clear();
    for (int v : c.inputs) in.push_back(v < inputs_ ? inputs[size_t(v)] : &values[size_t(v)]);
    attempt([&] { invoke(c.node->call, in, out, device); },
            [&](std::string_view text) { fail("Error in operator {}: {}", c.node->name, text); });
    if (each) each(*c.node, in, out);
    for (size_t k = 0; k < out.size(); ++k) values[size_t(c.first_output) + k] = std::move(out[k]);
    for (int v : c.last_read) values[size_t(v)] = NDArray();
  }
  std::vector<NDArray> found;
  for (int v : outputs_) found.push_back(v < inputs_ ? *inputs[size_t(v)] : values[size_t(v)]);
  return found;
}

}  // namespace heddle
