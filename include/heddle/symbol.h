// Symbols: immutable expressions over operators. Building one runs nothing. Thread-safe.
#pragma once
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "heddle/op.h"

namespace heddle {

struct Node;
using NodeRef = std::shared_ptr<const Node>;

struct HEDDLE_API Entry {  // one output of one node
  NodeRef node;
  int index = 0;
};

struct HEDDLE_API Node {
  OpCallRef call;  // null: a variable
  std::string name;
  std::vector<Entry> inputs;
  Kwargs attrs;  // user attributes as JSON stores them: __lr_mult__, __ctx_group__, __shape__ ...

  Node() = default;
  ~Node();  // takes long chains apart without recursion
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;
  const OpDef* op() const { return call ? call->op : nullptr; }
};

class HEDDLE_API Symbol {
 public:
  Symbol() = default;
  explicit Symbol(std::vector<Entry> entries) : entries_(std::move(entries)) {}
  static Symbol variable(std::string name, Kwargs attrs = {});
  // Named inputs may be given by name; missing ones become variables "<name>_<input>", which is how
  // weights are born (they inherit `attrs`). `name` empty: the caller has no name manager, and the
  // hint alone is used.
  static Symbol apply(const OpCallRef& call, std::vector<Symbol> positional,
                      std::map<std::string, Symbol> named, std::string name, Kwargs attrs = {});
  static Symbol group(const std::vector<Symbol>& parts);
  // MXNet's JSON: reads what 0.8 to 1.9 wrote (upgrading), writes 1.x. Throws Error naming the node
  // and listing every unknown operator.
  static Symbol from_json(std::string_view json);
  std::string to_json() const;

  std::vector<std::string> arguments() const;  // in first-use order, without auxiliary states
  std::vector<std::string> auxiliary_states() const;
  std::vector<std::string> inputs() const;   // both
  std::vector<std::string> outputs() const;  // "<node>_output" ...
  Symbol operator[](int i) const;            // one output
  Symbol operator[](std::string_view output) const;
  Symbol internals() const;  // every node's visible outputs
  Symbol children() const;   // inputs of the head nodes; empty when they are variables
  // Replaces variables: by name, or in argument order. Copies what changes.
  Symbol compose(const std::vector<Symbol>& positional,
                 const std::map<std::string, Symbol>& named) const;
  // The same expression, where the second variable of a name "a" is called "a#2", and so on.
  Symbol with_names_told_apart() const;
  const std::vector<Entry>& entries() const { return entries_; }
  int size() const { return int(entries_.size()); }

  const std::string& name() const;                    // of the head node
  std::map<std::string, Kwargs> attributes() const;   // node -> attributes and parameters
  std::string attribute(std::string_view key) const;  // of the head node; "" when absent
  Symbol with_attributes(const Kwargs& attrs) const;  // a copy of the head node with these set
  Symbol with_name(const std::string& name) const;    // a copy of the head node under this name

 private:
  std::vector<Entry> entries_;
};

// The name an output is known by: "<node>_<output>", or the variable's own.
HEDDLE_API std::string output_name(const Entry& e);

}  // namespace heddle
