// Symbols as MXNet's JSON: the text, read and written. Its meaning in older versions: upgrade.cc.
#include "base/json.h"

#include <utility>

#include "symbol/file.h"
#include "symbol/graph.h"

namespace heddle {

namespace symbol {

const Json& member(const Json& object, std::string_view key, std::string_view where) {
  const Json* v = object.find(key);
  check(v != nullptr, "symbol file: {} has no '{}'", where, key);
  return *v;
}

FileEntry read_entry(const Json& json, size_t nodes, std::string_view where) {
  const Json::Array& a = json.array(where);
  check(a.size() == 2 || a.size() == 3, "{}: found {} numbers, expected [node, output, version]",
        where, a.size());
  const int64_t node = a[0].integer(where), output = a[1].integer(where);
  check(node >= 0 && node < int64_t(nodes), "{}: node {} does not exist, expected less than {}",
        where, node, nodes);
  check(output >= 0 && output < 1 << 30, "{}: output {} does not exist", where, output);
  return {int(node), int(output)};
}

// Parameters and attributes under any of the names they have had; the newest name wins.
Kwargs read_attributes(const Json& node, const std::string& where) {
  Kwargs all;
  for (const char* key : {"attrs", "attr", "param"}) {
    const Json* v = node.find(key);
    if (!v) continue;
    for (const auto& [name, text] : v->object(where))
      all.try_emplace(name, text.string(format("{}: {}", where, name)));
  }
  return all;
}

FileNode read_node(const Json& json, size_t id) {
  const std::string number = format("node {}", id);
  FileNode n;
  n.op = member(json, "op", number).string(number);
  n.name = member(json, "name", number).string(number);
  const std::string where = format("symbol file, node {}", n.name);
  n.attrs = read_attributes(json, where);
  // Inputs come before their readers, so that no text can describe a cycle.
  for (const Json& e : member(json, "inputs", where).array(where))
    n.inputs.push_back(read_entry(e, id, where));
  if (const Json* graphs = json.find("subgraphs"))
    check(graphs->array(where).empty(), "{} ({}): holds a graph, which is not supported", where,
          n.op);
  return n;
}

File read_file(std::string_view text) {
  const Json json = Json::parse(text);
  check(json.is_object(), "symbol file: found {}, expected an object", json.kind());
  File f;
  if (const Json* attrs = json.find("attrs"))
    if (const Json* version = attrs->find("mxnet_version")) {
      const Json::Array& typed = version->array("mxnet_version");
      check(typed.size() == 2, "mxnet_version: found {} values, expected [\"int\", version]",
            typed.size());
      f.version = int(typed[1].integer("mxnet_version"));
    }
  const Json::Array& nodes = member(json, "nodes", "it").array("nodes");
  check(nodes.size() < size_t(1) << 30, "symbol file: {} nodes are too many", nodes.size());
  for (size_t i = 0; i < nodes.size(); ++i) {
    f.nodes.push_back(read_node(nodes[i], i));
    f.every_parameter = f.every_parameter || nodes[i].find("param");
  }
  for (const Json& id : member(json, "arg_nodes", "it").array("arg_nodes")) {
    const int64_t i = id.integer("arg_nodes");
    check(i >= 0 && i < int64_t(nodes.size()) && f.nodes[i].op == "null",
          "arg_nodes: node {} is not a variable", i);
  }
  for (const Json& e : member(json, "heads", "it").array("heads"))
    f.heads.push_back(read_entry(e, nodes.size(), "heads"));
  return f;
}

// --- writing -----------------------------------------------------------------------------------
// The layout is that of MXNet's writer: two spaces a level, ", " also before a new line.
void append_attributes(std::string& to, const Kwargs& attrs) {
  const bool inline_ = attrs.size() == 1;
  to += "      \"attrs\": {";
  bool first = true;
  for (const auto& [key, value] : attrs) {
    if (!first) to += ", ";
    if (!inline_) to += "\n        ";
    append_quoted(to, key);
    to += ": ";
    append_quoted(to, value);
    first = false;
  }
  to += inline_ ? "}, \n" : "\n      }, \n";
}

void append_numbers(std::string& to, const std::vector<int>& numbers) {
  const bool lines = numbers.size() > 10;
  to += '[';
  for (size_t i = 0; i < numbers.size(); ++i) {
    if (i) to += ", ";
    if (lines) to += "\n    ";
    append(to, numbers[i]);
  }
  to += lines ? "\n  ]" : "]";
}

class Writer {
 public:
  explicit Writer(const Graph& g) : g_(g), producer_(g.producers()), version_(g.values, 0) {}

  std::string text() {
    out_ = "{\n  \"nodes\": [";
    std::vector<int> variables, row_ptr = {0};
    for (size_t i = 0; i < g_.nodes.size(); ++i) {
      const Graph::Node& n = g_.nodes[i];
      out_ += i ? ", \n" : "\n";
      append_node(n);
      if (!n.call) variables.push_back(int(i));
      row_ptr.push_back(row_ptr.back() + n.outputs());
    }
    out_ += g_.nodes.empty() ? "], \n  \"arg_nodes\": " : "\n  ], \n  \"arg_nodes\": ";
    append_numbers(out_, variables);
    out_ += ", \n  \"node_row_ptr\": ";
    append_numbers(out_, row_ptr);
    out_ += ", \n  \"heads\": ";
    append_entries(g_.outputs, "  ");
    out_ += format(", \n  \"attrs\": {\"mxnet_version\": [\"int\", {}]}\n}", kFileVersion);
    return std::move(out_);
  }

 private:
  void append_node(const Graph::Node& n) {
    out_ += "    {\n      \"op\": ";
    append_quoted(out_, n.call ? n.call->op->json_name : "null");
    out_ += ", \n      \"name\": ";
    append_quoted(out_, n.name);
    out_ += ", \n";
    if (const Kwargs attrs = n.attributes(); !attrs.empty()) append_attributes(out_, attrs);
    if (n.call && n.call->mutates)
      for (size_t i = 0; i < n.inputs.size(); ++i)
        version_[n.inputs[i]] +=
            n.call->inputs[i].role != Role::kRead && !n.call->inputs[i].same_value;
    out_ += "      \"inputs\": ";
    append_entries(n.inputs, "      ");
    out_ += "\n    }";
  }

  // [node, output, how often the value was changed in place until then]
  void append_entries(const std::vector<int>& values, std::string_view indent) {
    const bool lines = values.size() > 10;
    out_ += '[';
    for (size_t i = 0; i < values.size(); ++i) {
      const int v = values[i], node = producer_[v];
      if (i) out_ += ", ";
      if (lines) out_ += format("\n{}  ", indent);
      out_ += format("[{}, {}, {}]", node, v - g_.nodes[node].first_output, version_[v]);
    }
    out_ += lines ? format("\n{}]", indent) : "]";
  }

  const Graph& g_;
  std::vector<int> producer_, version_;
  std::string out_;
};

}  // namespace symbol

Symbol Symbol::from_json(std::string_view json) {
  symbol::File file = symbol::read_file(json);
  const std::vector<symbol::FileEntry> heads = std::move(file.heads);
  const std::vector<std::shared_ptr<Node>> nodes = symbol::upgrade(std::move(file));
  std::vector<Entry> entries;
  for (const symbol::FileEntry& h : heads) {
    const NodeRef& n = nodes[h.node];
    const int outputs = n->call ? int(n->call->outputs.size()) : 1;
    check(h.output < outputs, "heads: node {} has {} outputs, found output {}", n->name, outputs,
          h.output);
    entries.push_back({n, h.output});
  }
  return Symbol(std::move(entries));
}

std::string Symbol::to_json() const { return symbol::Writer(Graph::of(*this)).text(); }

}  // namespace heddle
