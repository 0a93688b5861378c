// Walking over the nodes of symbols without recursion, and the attribute rules that walks share.
#include "symbol/walk.h"

#include <array>
#include <unordered_set>
#include <utility>

namespace heddle::symbol {

std::vector<NodeRef> nodes_of(const Symbol& s) {
  struct Visit {
    const NodeRef* node;
    size_t next = 0;  // the input to look at next
  };
  std::vector<NodeRef> order;
  std::unordered_set<const Node*> seen;
  std::vector<Visit> path;
  for (const Entry& head : s.entries()) {
    if (seen.insert(head.node.get()).second) path.push_back({&head.node});
    while (!path.empty()) {
      Visit& at = path.back();
      const std::vector<Entry>& inputs = (*at.node)->inputs;
      if (at.next == inputs.size()) {
        order.push_back(*at.node);
        path.pop_back();
        continue;
      }
      const NodeRef& input = inputs[at.next++].node;
      if (seen.insert(input.get()).second) path.push_back({&input});
    }
  }
  return order;
}

constexpr std::array<std::string_view, 5> kHiddenKeys = {"ctx_group", "lr_mult", "wd_mult",
                                                         "force_mirroring", "mirror_stage"};

bool is_hidden_key(std::string_view key) {
  for (std::string_view k : kHiddenKeys)
    if (key == k) return true;
  return false;
}

std::string hidden_spelling(std::string_view key) { return format("__{}__", key); }

bool is_private_key(std::string_view key) {
  return key.size() > 4 && key.starts_with("__") && key.ends_with("__");
}

std::string_view plain_spelling(std::string_view key) {
  return is_private_key(key) ? key.substr(2, key.size() - 4) : key;
}

Kwargs stored_attributes(Kwargs attrs) {
  Kwargs stored;
  for (auto& [key, value] : attrs) {
    bool hidden = false;
    for (std::string_view k : kHiddenKeys) hidden |= key.starts_with(k);
    stored[hidden ? hidden_spelling(key) : key] = std::move(value);
  }
  return stored;
}

std::string list_of(const std::vector<std::string>& names) {
  std::string all;
  for (const std::string& n : names) all += (all.empty() ? "" : ", ") + n;
  return all;
}

std::string initializer_text(const std::string& init) {
  return init.starts_with('[') ? init : format("[\"{}\", {}]", init, "{}");
}

std::shared_ptr<Node> created_variable(const OpCall& call, const Input& input,
                                       std::string_view node_name, const Kwargs& attrs) {
  auto v = std::make_shared<Node>();
  v->name = format("{}_{}", node_name, input.name);
  v->attrs = call.kwargs;  // MXNet hands on all that the operator knows
  for (const auto& [key, value] : attrs) v->attrs[key] = value;
  if (!input.init.empty()) v->attrs.try_emplace("__init__", initializer_text(input.init));
  return v;
}

InferContext::Value declared(std::string_view name, const Kwargs& attrs) {
  InferContext::Value v;
  auto text = [&](std::string_view key) -> const std::string* {
    auto it = attrs.find(key);
    return it == attrs.end() || it->second == "None" ? nullptr : &it->second;
  };
  auto expect = [&](bool ok, std::string_view key, const std::string& found) {
    check(ok, "variable {}: cannot read {}='{}'", name, key, found);
  };
  if (const std::string* s = text("__shape__")) {
    expect(param::parse(*s, v.shape), "__shape__", *s);
    for (int d = 0; d < v.shape.rank(); ++d)
      if (v.shape[d] == 0) v.shape[d] = -1;  // how MXNet writes an unknown extent
    if (v.shape.rank() == 0) v.shape = Shape();
  }
  if (const std::string* s = text("__dtype__")) {
    int64_t flag = 0;
    if (param::parse(*s, flag)) {
      expect(flag >= -1 && flag <= 12, "__dtype__", *s);
      v.dtype = Dtype(int8_t(flag));
      if (flag >= 0) expect(dtype_name(v.dtype) != "unknown", "__dtype__", *s);
    } else {
      expect(param::parse(*s, v.dtype), "__dtype__", *s);
    }
  }
  if (const std::string* s = text("__storage_type__")) {
    int64_t kind = 0;
    expect(param::parse(*s, kind) && kind >= -1 && kind <= 2, "__storage_type__", *s);
    v.stype = Stype(int8_t(kind));
  }
  return v;
}

}  // namespace heddle::symbol
