// What MXNet's older files mean today: places of attributes, inputs that were left out, old values.
#include <array>
#include <utility>

#include "symbol/file.h"
#include "symbol/walk.h"

namespace heddle::symbol {

constexpr int kAuxiliaryStored = 900;  // since then files hold every input
constexpr int kFlattenIsNone = 905;    // since then axis=-1 of argmax means the last axis

// All operators that are unknown, at once, with the nodes that use them.
void check_operators(const File& file) {
  std::map<std::string, std::vector<std::string>> unknown;
  for (const FileNode& n : file.nodes)
    if (n.op != "null" && !OpTable::get().find(n.op)) unknown[n.op].push_back(n.name);
  if (unknown.empty()) return;
  std::string all;
  for (const auto& [op, nodes] : unknown)
    all += format("{}{} ({} {})", all.empty() ? "" : ", ", op, nodes.size() == 1 ? "node" : "nodes",
                  list_of(nodes));
  fail("symbol file: unknown operators: {}", all);
}

// lr_mult and its like, written without underscores: on the node itself, or as "weight_lr_mult" for
// the variable that is its input.
struct GraphAttribute {
  std::string key, value;
  std::string_view hidden() const {
    constexpr std::array<std::string_view, 5> kKeys = {"ctx_group", "lr_mult", "wd_mult",
                                                       "force_mirroring", "mirror_stage"};
    for (std::string_view k : kKeys)
      if (key.ends_with(k)) return k;
    return {};
  }
  std::string_view input() const {  // "weight" of "weight_lr_mult"; empty for the node itself
    const size_t own = key.size() - hidden().size();
    return own == 0 ? std::string_view() : std::string_view(key).substr(0, own - 1);
  }
};

std::vector<GraphAttribute> take_graph_attributes(Kwargs& attrs) {
  std::vector<GraphAttribute> taken;
  for (auto it = attrs.begin(); it != attrs.end();) {
    GraphAttribute a{it->first, it->second};
    if (a.hidden().empty()) {
      ++it;
      continue;
    }
    taken.push_back(std::move(a));
    it = attrs.erase(it);
  }
  return taken;
}

void give_graph_attribute(Node& n, const GraphAttribute& a) {
  if (a.key == a.hidden()) {
    n.attrs[hidden_spelling(a.key)] = a.value;
    return;
  }
  for (size_t i = 0; n.call && i < n.inputs.size(); ++i)
    if (n.call->inputs[i].name == a.input() && !n.inputs[i].node->call) {
      // Nodes of a file belong to nobody else yet.
      auto& variable = const_cast<Node&>(*n.inputs[i].node);
      variable.attrs[hidden_spelling(a.hidden())] = a.value;
      return;
    }
  n.attrs[a.key] = a.value;
}

// MXNet 0.10 called random_uniform(low, high) "_sample_uniform", which today draws from tensors of
// parameters: without inputs, the old one is meant.
std::string current_name(const FileNode& n) {
  constexpr std::array<std::string_view, 5> kDistributions = {"uniform", "normal", "gamma",
                                                              "exponential", "poisson"};
  for (std::string_view d : kDistributions)
    if (n.inputs.empty() && n.op == format("_sample_{}", d)) return format("_random_{}", d);
  return n.op;
}

// What a parameter meant before it was there: files that hold every parameter, but not this one,
// are older than it. Pooling rounded its extents up, BatchNorm took gamma as it was.
void add_what_was_fixed(const OpDef& op, Kwargs& parameters) {
  struct Then {
    std::string_view op, parameter, value;
  };
  constexpr std::array<Then, 2> kThen = {Then{"Pooling", "pooling_convention", "full"},
                                         {"BatchNorm", "fix_gamma", "False"}};
  for (const Then& then : kThen)
    if (op.name == then.op) parameters.try_emplace(std::string(then.parameter), then.value);
}

OpCallRef parse_call(const FileNode& n, Kwargs parameters, const File& file) {
  const int version = file.version;
  const OpDef& op = OpTable::get().at(n.op);
  if (file.every_parameter) add_what_was_fixed(op, parameters);
  auto axis = parameters.find("axis");
  if (version < kFlattenIsNone && (op.name == "argmax" || op.name == "argmin") &&
      axis != parameters.end() && axis->second == "-1")
    parameters.erase(axis);
  return attempt(
      [&] { return make_call(op, std::move(parameters)); },
      [&](std::string_view text) -> OpCallRef { fail("Error in operator {}: {}", n.name, text); });
}

void connect(Node& n, const FileNode& from, const std::vector<std::shared_ptr<Node>>& nodes,
             int version) {
  for (const FileEntry& e : from.inputs) {
    const auto& input = nodes[e.node];
    const int outputs = input->call ? int(input->call->outputs.size()) : 1;
    check(e.output < outputs, "Error in operator {}: input {} has {} outputs, found output {}",
          n.name, input->name, outputs, e.output);
    n.inputs.push_back({input, e.output});
  }
  if (!n.call) {
    check(n.inputs.empty(), "symbol file: the variable {} has inputs", n.name);
    return;
  }
  const std::vector<Input>& wanted = n.call->inputs;
  if (version < kAuxiliaryStored)
    for (size_t i = n.inputs.size(); i < wanted.size(); ++i)
      n.inputs.push_back({created_variable(*n.call, wanted[i], n.name, n.attrs), 0});
  check(n.inputs.size() == wanted.size(), "Error in operator {}: [{}] {} inputs, expected {}",
        n.name, n.call->op->name, n.inputs.size(), wanted.size());
}

std::vector<std::shared_ptr<Node>> upgrade(File file) {
  check_operators(file);
  std::vector<std::shared_ptr<Node>> nodes;
  nodes.reserve(file.nodes.size());
  for (FileNode& from : file.nodes) {
    from.op = current_name(from);
    auto n = std::make_shared<Node>();
    n->name = from.name;
    const auto graph_attributes = take_graph_attributes(from.attrs);
    if (from.op == "null") {
      n->attrs = std::move(from.attrs);
    } else {
      Kwargs parameters;
      for (auto& [key, value] : from.attrs)
        (is_private_key(key) ? n->attrs : parameters)[key] = std::move(value);
      n->call = parse_call(from, std::move(parameters), file);
    }
    connect(*n, from, nodes, file.version);
    for (const GraphAttribute& a : graph_attributes) give_graph_attribute(*n, a);
    nodes.push_back(std::move(n));
  }
  return nodes;
}

}  // namespace heddle::symbol
