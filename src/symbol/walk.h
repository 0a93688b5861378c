// Walking over the nodes of symbols without recursion, and the attribute rules that walks share.
#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "heddle/symbol.h"

namespace heddle::symbol {

// Every node that the heads depend on, each once, inputs before their readers: post-order, inputs
// left to right. This is the order of MXNet's lists and files.
std::vector<NodeRef> nodes_of(const Symbol& s);

// Attributes that act on the graph and may be given without underscores: lr_mult for __lr_mult__.
bool is_hidden_key(std::string_view key);
std::string hidden_spelling(std::string_view key);      // "__key__"
bool is_private_key(std::string_view key);              // of the form "__key__"
std::string_view plain_spelling(std::string_view key);  // without those underscores
// Attributes as nodes store them: keys that start with a hidden key are put in underscores.
Kwargs stored_attributes(Kwargs attrs);

// What a variable's own attributes say: __shape__, __dtype__, __storage_type__. Throws Error for
// what cannot be read.
InferContext::Value declared(std::string_view name, const Kwargs& attrs);

std::string list_of(const std::vector<std::string>& names);  // "a, b, c"
// "zero" -> ["zero", {}], the text of the attribute __init__.
std::string initializer_text(const std::string& init);
// The variable "<node>_<input>" that an operator makes for an input it was not given.
std::shared_ptr<Node> created_variable(const OpCall& call, const Input& input,
                                       std::string_view node_name, const Kwargs& attrs);

}  // namespace heddle::symbol
