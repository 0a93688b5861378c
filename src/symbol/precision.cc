// Puts the casts of mixed precision into symbols, and takes them out.
#include "symbol/precision.h"

#include <algorithm>
#include <map>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "symbol/walk.h"

namespace heddle {

namespace precision {

// The dtypes of a call's outputs, kUnknown where its records do not say.
std::vector<Dtype> output_types(const OpCall& call, std::span<const Dtype> inputs) {
  if (!call.parts.empty()) {
    std::vector<Dtype> values(inputs.begin(), inputs.end());
    for (const OpCall::Part& part : call.parts) {
      std::vector<Dtype> in;
      for (int v : part.inputs) in.push_back(values[size_t(v)]);
      for (Dtype d : output_types(*part.call, in)) values.push_back(d);
    }
    std::vector<Dtype> found;
    for (int v : call.results) found.push_back(values[size_t(v)]);
    return found;
  }
  std::vector<InferContext::Value> in(inputs.size()), out(call.outputs.size());
  for (size_t i = 0; i < in.size(); ++i) in[i].dtype = inputs[i];
  // What does not fit together is reported when the symbol is bound, with its shapes.
  attempt(
      [&] {
        infer_call(call, in, out);
        return true;
      },
      [](std::string_view) { return false; });
  std::vector<Dtype> found;
  for (const InferContext::Value& v : out) found.push_back(v.dtype);
  return found;
}

class Mixer {
 public:
  Mixer(const Symbol& s, const PrecisionPolicy& policy, const MixedPrecision& how)
      : s_(s), policy_(policy), how_(how), nodes_(symbol::nodes_of(s)) {}

  Symbol mixed() {
    if (how_.narrow_parameters) find_narrow();
    for (const NodeRef& n : nodes_) n->call ? take_call(*n) : take_variable(n);
    std::vector<Entry> heads;
    for (const Entry& e : s_.entries()) {
      const bool widen = how_.full_outputs && is_mixed(type_of(e)) && e.node->call;
      heads.push_back(widen && type_of(e) != Dtype::kFloat32 ? cast(e, Dtype::kFloat32) : now(e));
    }
    return Symbol(std::move(heads));
  }

 private:
  struct Made {
    NodeRef node;
    std::vector<Dtype> types;  // of its outputs
  };
  using Place = std::pair<const Node*, int>;

  // Parameters that are only read by calls that want them narrow.
  void find_narrow() {
    std::map<const Node*, bool> narrow;
    for (const NodeRef& n : nodes_) {
      const bool wants =
          n->call && !how_.excluded.contains(n->name) && policy_.of(*n->call) == Precision::kNarrow;
      for (size_t i = 0; i < n->inputs.size(); ++i) {
        const Node* from = n->inputs[i].node.get();
        if (from->call || !how_.parameters.contains(from->name)) continue;
        auto [it, fresh] = narrow.try_emplace(from, true);
        it->second = it->second && wants && may_be_cast(*n->call, i);
      }
    }
    for (const Entry& e : s_.entries()) narrow.erase(e.node.get());
    for (const auto& [node, alone] : narrow)
      if (alone) narrow_.insert(node);
  }

  void take_variable(const NodeRef& n) {
    Dtype type = symbol::declared(n->name, n->attrs).dtype;
    const bool open = type == Dtype::kUnknown && how_.open.contains(n->name);
    if (type == Dtype::kUnknown && !open) type = Dtype::kFloat32;
    if (!how_.parameters.contains(n->name)) return made_[n.get()] = {n, {type}}, void();
    if (narrow_.contains(n.get()) && is_mixed(type)) type = policy_.narrow();
    auto copy = std::make_shared<Node>();
    copy->name = n->name, copy->attrs = n->attrs;
    copy->attrs["__dtype__"] = format("{}", int(type));
    made_[n.get()] = {std::move(copy), {type}};
  }

  void take_call(const Node& n) {
    auto copy = std::make_shared<Node>();
    copy->call = n.call, copy->name = n.name, copy->attrs = n.attrs;
    std::vector<Dtype> types;
    for (const Entry& e : n.inputs) copy->inputs.push_back(now(e)), types.push_back(type_of(e));
    bool open = false;
    const Dtype wanted = how_.excluded.contains(n.name)
                             ? PrecisionPolicy::wanted_by_any(*n.call, types, open)
                             : policy_.wanted(*n.call, types, open);
    if (open) {
      to_widest(n, *copy, types);
    } else if (wanted != Dtype::kUnknown) {
      for (size_t i = 0; i < types.size(); ++i) {
        if (!may_be_cast(*n.call, i) || types[i] == wanted) continue;
        if (types[i] != Dtype::kUnknown && !is_mixed(types[i])) continue;
        copy->inputs[i] = cast(n.inputs[i], wanted);
        types[i] = wanted;
      }
    }
    std::vector<Dtype> results = output_types(*n.call, types);
    made_[&n] = {std::move(copy), std::move(results)};
  }

  Entry now(const Entry& e) const { return {made_.at(e.node.get()).node, e.index}; }
  Dtype type_of(const Entry& e) const { return made_.at(e.node.get()).types[size_t(e.index)]; }

  Entry cast(const Entry& e, Dtype to) {
    NodeRef& made = casts_[{Place{e.node.get(), e.index}, to}];
    if (!made) {
      auto n = std::make_shared<Node>();
      n->call = make_precision_cast(to);
      n->name = format("{}_amp_cast_{}", output_name(e), to);
      n->inputs = {now(e)};
      made = std::move(n);
    }
    return {made, 0};
  }

  // What the inputs become is not known, so `types` no longer says it.
  void to_widest(const Node& n, Node& copy, std::vector<Dtype>& types) {
    auto widest = std::make_shared<Node>();
    std::vector<size_t> which;
    for (size_t i = 0; i < types.size(); ++i)
      if (may_be_cast(*n.call, i)) which.push_back(i), widest->inputs.push_back(copy.inputs[i]);
    if (which.size() < 2) return;
    widest->call = make_widest_cast(which.size());
    widest->name = n.name + "_amp_multicast";
    const NodeRef from = std::move(widest);
    for (size_t k = 0; k < which.size(); ++k) {
      copy.inputs[which[k]] = {from, int(k)};
      if (is_mixed(types[which[k]])) types[which[k]] = Dtype::kUnknown;
    }
  }

  const Symbol& s_;
  const PrecisionPolicy& policy_;
  const MixedPrecision& how_;
  const std::vector<NodeRef> nodes_;
  std::set<const Node*> narrow_;
  std::unordered_map<const Node*, Made> made_;  // by nodes of the symbol that was given
  std::map<std::pair<Place, Dtype>, NodeRef> casts_;
};

bool is_cast(const Node& n) {
  return n.call && (n.call->op->meaning == Meaning::kToPrecision ||
                    n.call->op->meaning == Meaning::kToWidest);
}

}  // namespace precision

Symbol mix_precision(const Symbol& s, const PrecisionPolicy& policy, const MixedPrecision& how) {
  return precision::Mixer(s, policy, how).mixed();
}

Symbol without_mixed_precision(const Symbol& s) {
  const std::vector<NodeRef> nodes = symbol::nodes_of(s);
  if (std::none_of(nodes.begin(), nodes.end(),
                   [](const NodeRef& n) { return precision::is_cast(*n); }))
    return s;
  std::unordered_set<const Node*> heads_of;  // a cast that is an output stays, as in MXNet
  for (const Entry& e : s.entries()) heads_of.insert(e.node.get());
  std::unordered_map<const Node*, NodeRef> now;  // other casts have nothing in their place
  auto source = [&](Entry e) {
    while (precision::is_cast(*e.node)) e = Entry(e.node->inputs[size_t(e.index)]);
    return Entry{now.at(e.node.get()), e.index};
  };
  for (const NodeRef& n : nodes) {
    if (precision::is_cast(*n) && !heads_of.contains(n.get())) continue;
    auto copy = std::make_shared<Node>();
    copy->call = n->call, copy->name = n->name, copy->attrs = n->attrs;
    for (const Entry& e : n->inputs) copy->inputs.push_back(source(e));
    now[n.get()] = std::move(copy);
  }
  std::vector<Entry> heads;
  for (const Entry& e : s.entries()) heads.push_back({now.at(e.node.get()), e.index});
  return Symbol(std::move(heads));
}

}  // namespace heddle
