// Building symbols: variables, application of operators, groups, composition, attributes.
#include "heddle/symbol.h"

#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "symbol/graph.h"
#include "symbol/walk.h"

namespace heddle {

// A destructor that is already running takes the inputs over, so that chains come apart in a loop.
Node::~Node() {
  thread_local std::vector<Entry>* taking_apart = nullptr;
  if (inputs.empty()) return;
  if (taking_apart) {
    for (Entry& e : inputs) taking_apart->push_back(std::move(e));
    return;
  }
  std::vector<Entry> pending = std::move(inputs);
  taking_apart = &pending;
  while (!pending.empty()) {
    const Entry last = std::move(pending.back());
    pending.pop_back();
  }
  taking_apart = nullptr;
}

namespace symbol {

// The one entry of a symbol that stands for one value.
const Entry& single(const Symbol& s, std::string_view who, std::string_view argument) {
  check(s.size() == 1, "[{}] argument {} is a tuple of {} outputs, a single value is required", who,
        argument, s.size());
  return s.entries().front();
}

std::vector<Entry> visible_entries(const NodeRef& node) {
  std::vector<Entry> entries;
  if (!node->call) return {{node, 0}};
  for (size_t i = 0; i < node->call->outputs.size(); ++i)
    if (!node->call->outputs[i].hidden) entries.push_back({node, int(i)});
  return entries;
}

std::vector<std::string> output_names(const Symbol& s) {
  std::vector<std::string> names;
  for (const Entry& e : s.entries()) names.push_back(output_name(e));
  return names;
}

// Variables in order of first use, with whether anything changes them in place.
std::vector<std::pair<const Node*, bool>> variables_of(const Symbol& s) {
  const std::vector<NodeRef> nodes = nodes_of(s);
  std::unordered_set<const Node*> mutated;
  for (const NodeRef& n : nodes)
    if (n->call && n->call->mutates)
      for (size_t i = 0; i < n->inputs.size(); ++i)
        if (n->call->inputs[i].role != Role::kRead && !n->call->inputs[i].same_value)
          mutated.insert(n->inputs[i].node.get());
  std::vector<std::pair<const Node*, bool>> variables;
  for (const NodeRef& n : nodes)
    if (!n->call) variables.emplace_back(n.get(), mutated.contains(n.get()));
  return variables;
}

// The heads of a symbol where other values stand for some nodes' outputs 0. Copies what changes.
std::vector<Entry> replaced(const Symbol& s, std::unordered_map<const Node*, Entry> now) {
  auto in_its_place = [&](const Entry& e) {
    auto it = now.find(e.node.get());
    if (it == now.end()) return e;
    return e.node->call ? Entry{it->second.node, e.index} : it->second;
  };
  for (const NodeRef& n : nodes_of(s)) {
    bool changes = false;
    for (const Entry& e : n->inputs) changes |= now.contains(e.node.get());
    if (!changes) continue;
    auto copy = std::make_shared<Node>();
    copy->call = n->call, copy->name = n->name, copy->attrs = n->attrs;
    for (const Entry& e : n->inputs) copy->inputs.push_back(in_its_place(e));
    now[n.get()] = {std::move(copy), 0};
  }
  std::vector<Entry> heads;
  for (const Entry& e : s.entries()) heads.push_back(in_its_place(e));
  return heads;
}

}  // namespace symbol

Symbol Symbol::variable(std::string name, Kwargs attrs) {
  auto n = std::make_shared<Node>();
  n->name = std::move(name);
  n->attrs = symbol::stored_attributes(std::move(attrs));
  return Symbol({{n, 0}});
}

Symbol Symbol::apply(const OpCallRef& call, std::vector<Symbol> positional,
                     std::map<std::string, Symbol> named, std::string name, Kwargs attrs) {
  const std::string& op = call->op->name;
  check(positional.size() <= call->inputs.size(), "[{}] {} inputs were given, expected {}", op,
        positional.size(), call->inputs.size());
  auto n = std::make_shared<Node>();
  n->call = call;
  n->name = name.empty() ? std::string(call->op->name_hint()) : std::move(name);
  n->attrs = symbol::stored_attributes(std::move(attrs));
  for (size_t i = 0; i < call->inputs.size(); ++i) {
    const Input& input = call->inputs[i];
    Symbol given = i < positional.size() ? positional[i] : Symbol();
    if (auto it = named.find(input.name); it != named.end()) {
      check(given.size() == 0, "[{}] input {} is given twice", op, input.name);
      given = it->second;
      named.erase(it);
    }
    check(given.size() > 0 || input.role != Role::kMutate || input.same_value,
          "[{}] input {} is missing", op, input.name);
    if (given.size() == 0)
      n->inputs.push_back({symbol::created_variable(*call, input, n->name, n->attrs), 0});
    else n->inputs.push_back(symbol::single(given, op, input.name));
  }
  if (!named.empty()) {
    std::vector<std::string> names;
    for (const Input& i : call->inputs) names.push_back(i.name);
    fail("[{}] has no input '{}', expected one of {}", op, named.begin()->first,
         symbol::list_of(names));
  }
  return Symbol(symbol::visible_entries(n));
}

Symbol Symbol::group(const std::vector<Symbol>& parts) {
  std::vector<Entry> all;
  for (const Symbol& s : parts) all.insert(all.end(), s.entries_.begin(), s.entries_.end());
  return Symbol(std::move(all));
}

std::vector<std::string> Symbol::arguments() const {
  std::vector<std::string> names;
  for (const auto& [node, mutated] : symbol::variables_of(*this))
    if (!mutated) names.push_back(node->name);
  return names;
}

std::vector<std::string> Symbol::auxiliary_states() const {
  std::vector<std::string> names;
  for (const auto& [node, mutated] : symbol::variables_of(*this))
    if (mutated) names.push_back(node->name);
  return names;
}

std::vector<std::string> Symbol::inputs() const {
  std::vector<std::string> names;
  for (const auto& variable : symbol::variables_of(*this)) names.push_back(variable.first->name);
  return names;
}

std::vector<std::string> Symbol::outputs() const { return symbol::output_names(*this); }

// As in MXNet: the output's own name, or "output", counted when the operator has several.
std::string output_name(const Entry& e) {
  const Node& n = *e.node;
  if (!n.call) return n.name;
  const std::vector<Output>& outputs = n.call->outputs;
  const std::string& name = outputs.at(e.index).name;
  bool shared = false;
  for (size_t i = 0; i < outputs.size() && !shared; ++i)
    shared = int(i) != e.index && outputs[i].name == name;
  const std::string own = shared ? format("{}{}", name, e.index) : name;
  return n.name.empty() ? own : format("{}_{}", n.name, own);
}

Symbol Symbol::operator[](int i) const {
  check(i >= 0 && i < size(), "output {} of a symbol with {} outputs", i, size());
  return Symbol({entries_[i]});
}

Symbol Symbol::operator[](std::string_view output) const {
  for (const Entry& e : entries_)
    if (output_name(e) == output) return Symbol({e});
  fail("output '{}' is unknown, expected one of {}", output,
       symbol::list_of(symbol::output_names(*this)));
}

Symbol Symbol::internals() const {
  std::vector<Entry> all;
  for (const NodeRef& n : symbol::nodes_of(*this))
    for (Entry& e : symbol::visible_entries(n)) all.push_back(std::move(e));
  return Symbol(std::move(all));
}

Symbol Symbol::children() const {
  std::vector<Entry> all;
  std::unordered_set<const Node*> seen;
  for (const Entry& e : entries_)
    if (seen.insert(e.node.get()).second)
      all.insert(all.end(), e.node->inputs.begin(), e.node->inputs.end());
  return Symbol(std::move(all));
}

Symbol Symbol::compose(const std::vector<Symbol>& positional,
                       const std::map<std::string, Symbol>& named) const {
  check(positional.empty() || named.empty(), "compose: inputs by position and by name are mixed");
  const auto variables = symbol::variables_of(*this);
  std::unordered_map<const Node*, Entry> now;  // what stands for a node's output 0 from now on
  std::unordered_set<std::string> used;
  size_t next = 0;
  for (const auto& [node, mutated] : variables) {
    if (auto it = named.find(node->name); it != named.end()) {
      now[node] = symbol::single(it->second, "compose", node->name);
      used.insert(node->name);
    } else if (!mutated && next < positional.size()) {
      now[node] = symbol::single(positional[next++], "compose", node->name);
    }
  }
  check(next == positional.size(), "compose: {} inputs were given, expected at most {}",
        positional.size(), next);
  for (const auto& [name, value] : named)
    check(used.contains(name), "compose: '{}' is not an argument, expected one of {}", name,
          symbol::list_of(inputs()));

  return Symbol(symbol::replaced(*this, std::move(now)));
}

Symbol Symbol::with_names_told_apart() const {
  const auto variables = symbol::variables_of(*this);
  std::unordered_set<std::string> taken;
  for (const auto& variable : variables) taken.insert(variable.first->name);
  std::unordered_map<std::string, int> met;
  std::unordered_map<const Node*, Entry> now;
  for (const auto& [node, mutated] : variables) {
    int& count = met[node->name];
    if (++count == 1) continue;
    std::string name = format("{}#{}", node->name, count);
    while (!taken.insert(name).second) name = format("{}#{}", node->name, ++count);
    auto copy = std::make_shared<Node>();
    copy->name = std::move(name), copy->attrs = node->attrs;
    now[node] = {std::move(copy), 0};
  }
  return now.empty() ? *this : Symbol(symbol::replaced(*this, std::move(now)));
}

const std::string& Symbol::name() const {
  static const std::string* none = new std::string;
  if (entries_.empty()) return *none;
  for (const Entry& e : entries_)
    if (e.node != entries_[0].node) return *none;
  return entries_[0].node->name;
}

std::map<std::string, Kwargs> Symbol::attributes() const {
  std::map<std::string, Kwargs> all;
  for (const Graph::Node& n : Graph::of(*this).nodes) {
    Kwargs attrs = n.attributes();
    if (attrs.empty()) continue;
    Kwargs& shown = all[n.name];
    for (auto& [key, value] : attrs) {
      const std::string_view plain = symbol::plain_spelling(key);
      if (symbol::is_hidden_key(plain)) shown[std::string(plain)] = value;
      shown[key] = std::move(value);
    }
  }
  return all;
}

std::string Symbol::attribute(std::string_view key) const {
  if (entries_.empty()) return "";
  const Node& n = *entries_[0].node;
  if (auto it = n.attrs.find(key); it != n.attrs.end()) return it->second;
  if (n.call)
    if (auto it = n.call->kwargs.find(key); it != n.call->kwargs.end()) return it->second;
  if (symbol::is_hidden_key(key)) return attribute(symbol::hidden_spelling(key));
  return "";
}

namespace symbol {

// The symbol with a copy of its one head node, which `change` alters.
template <class Change>
Symbol with_head(const std::vector<Entry>& heads, const char* what, Change&& change) {
  check(!heads.empty(), "{} cannot be set on an empty symbol", what);
  const NodeRef old = heads[0].node;
  auto copy = std::make_shared<Node>();
  copy->call = old->call, copy->name = old->name, copy->inputs = old->inputs;
  copy->attrs = old->attrs;
  change(*copy);
  std::vector<Entry> entries;
  for (const Entry& e : heads) {
    check(e.node == old, "{} cannot be set on a group of several nodes", what);
    entries.push_back({copy, e.index});
  }
  return Symbol(std::move(entries));
}

}  // namespace symbol

Symbol Symbol::with_attributes(const Kwargs& attrs) const {
  return symbol::with_head(entries_, "attributes", [&](auto& node) {
    for (const auto& [key, value] : attrs)
      node.attrs[symbol::is_hidden_key(key) ? symbol::hidden_spelling(key) : key] = value;
  });
}

Symbol Symbol::with_name(const std::string& name) const {
  return symbol::with_head(entries_, "a name", [&](auto& node) { node.name = name; });
}

}  // namespace heddle
