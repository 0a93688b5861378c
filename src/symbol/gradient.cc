// Reverse-mode differentiation of a graph: walks the nodes from last to first and appends, for each
// that lies between the wanted values and the heads, the nodes that compute its gradient.
#include <algorithm>
#include <utility>

#include "symbol/passes.h"
#include "symbol/rewrite.h"

namespace heddle {

namespace differentiate {

// So many contributions to one gradient are summed by one node; more are summed as they come, so
// that a value used in a million places does not keep a million gradients alive.
constexpr size_t kSumAtOnce = 4;

class Differentiation {
 public:
  Differentiation(Graph g, const GradientSpec& spec)
      : g_(std::move(g)), spec_(spec), forward_(int(g_.nodes.size())) {}

  Gradient run();

  Graph& graph() { return g_; }
  int add(Graph::Node n) {
    n.phase = Phase::kBackward;
    const int node = g_.add(std::move(n));
    return g_.nodes[node].first_output;
  }
  // A node of one input and one output.
  int add_unary(Meaning what, int input, std::string name, int forward) {
    return add({.call = make_call(OpTable::get().of(what), {}),
                .name = std::move(name),
                .inputs = {input},
                .forward = forward});
  }
  // The gradient of output i of a node: zeros when nothing flows back there, ones where it is a
  // head that no gradient was given for.
  int dy(int node, int i);

 private:
  void mark_needed();
  void seed_heads();
  bool reached(int node) const;
  void differentiate(int node);
  bool passes_on(int node) const;
  struct Adding {
    OpCallRef call;  // null: there is none
    int value = -1;  // whose gradients it adds to
  };
  Adding adding(int node) const;
  void by_kernel(int node);
  void by_building(int node);
  void by_linearity(int node);
  void contribute(int value, int gradient);
  int sum_of(int value);
  void drop_unused(std::vector<int>& grads);
  std::string name_of(int node) const;

  Graph g_;
  const GradientSpec& spec_;
  const int forward_;            // nodes to differentiate: [0, forward_)
  std::vector<uint8_t> needed_;  // value -> does it depend on a wanted one?
  std::vector<uint8_t> asked_;   // value -> is its gradient asked for?
  std::vector<uint8_t> is_head_;
  std::vector<std::vector<int>> parts_;  // value -> gradients that are to be summed
  std::vector<int> producer_;            // of the values of the forward nodes
  std::map<size_t, OpCallRef> sum_calls_;
};

// Hands the gradients of one node to the function that builds them.
class BuildContext : public GradContext {
 public:
  BuildContext(Differentiation& d, int node) : d_(d), node_(node) {}
  Value dy(int i) override { return {d_.dy(node_, i)}; }
  Value x(int i) override { return {at().inputs.at(i)}; }
  Value y(int i) override {
    check(i >= 0 && i < at().outputs(), "[{}] has no output {}", at().call->op->name, i);
    return {at().first_output + i};
  }
  std::vector<Value> call_all(std::string_view op, std::vector<Value> inputs,
                              Kwargs kwargs) override {
    Graph::Node n{.call = make_call(OpTable::get().at(op), std::move(kwargs)), .forward = node_};
    n.name = at().name + "_backward" + (built_ ? format("_{}", built_) : "");
    ++built_;
    check(inputs.size() == n.call->inputs.size(),
          "[{}] its gradient gives {} {} inputs, expected {}", at().call->op->name, op,
          inputs.size(), n.call->inputs.size());
    for (Value v : inputs) {
      check(v.id >= 0, "[{}] its gradient passes 'no gradient' to {}", at().call->op->name, op);
      n.inputs.push_back(v.id);
    }
    const int outputs = n.call->visible_outputs, first = d_.add(std::move(n));
    std::vector<Value> out;
    for (int k = 0; k < outputs; ++k) out.push_back({first + k});
    return out;
  }
  const void* params() const override { return at().call->params.get(); }
  const Kwargs& kwargs() const override { return at().call->kwargs; }
  int inputs() const override { return int(at().inputs.size()); }

 private:
  const Graph::Node& at() const { return d_.graph().nodes[node_]; }
  Differentiation& d_;
  int node_, built_ = 0;
};

Gradient Differentiation::run() {
  check(spec_.heads.size() == spec_.head_grads.size(), "gradient: {} heads, {} head gradients",
        spec_.heads.size(), spec_.head_grads.size());
  producer_ = g_.producers();
  mark_needed();
  parts_.resize(g_.values);
  seed_heads();
  for (int node = forward_ - 1; node >= 0; --node)
    if (g_.nodes[node].call && reached(node)) differentiate(node);
  std::vector<int> grads;
  for (int v : spec_.wrt) grads.push_back(sum_of(v));
  drop_unused(grads);
  return {std::move(g_), std::move(grads)};
}

void Differentiation::mark_needed() {
  needed_.assign(g_.values, 0);
  for (int v : spec_.wrt) needed_.at(v) = 1;
  asked_ = needed_;
  for (const Graph::Node& n : g_.nodes) {
    if (!n.call || n.call->op->backward.zero) continue;
    bool any = false;
    for (size_t i = 0; i < n.inputs.size() && !any; ++i)
      any = needed_[n.inputs[i]] && n.call->inputs[i].role == Role::kRead;
    for (int k = 0; any && k < n.outputs(); ++k) needed_[n.first_output + k] = 1;
  }
}

// Heads come first among the contributions to their values.
void Differentiation::seed_heads() {
  is_head_.assign(g_.values, 0);
  for (size_t i = 0; i < spec_.heads.size(); ++i) {
    const int head = spec_.heads[i];
    if (!needed_.at(head)) continue;
    is_head_[head] = 1;
    const Graph::Node& n = g_.nodes[producer_[head]];
    int grad = spec_.head_grads[i];
    if (grad < 0 && n.call && n.call->op->backward.ignores_head) continue;
    if (grad < 0)
      grad =
          add_unary(Meaning::kOnes, head, name_of(producer_[head]) + "_head_grad", producer_[head]);
    parts_[head].push_back(grad);
  }
}

// Does a gradient arrive at any output, or is it a loss that makes its own?
bool Differentiation::reached(int node) const {
  const Graph::Node& n = g_.nodes[node];
  for (int v = n.first_output; v < n.first_output + n.outputs(); ++v)
    if (needed_[v] && (is_head_[v] || !parts_[v].empty())) return true;
  return false;
}

void Differentiation::differentiate(int node) {
  const OpCallRef call = g_.nodes[node].call;
  const Backward& b = call->op->backward;
  if (passes_on(node)) {
    const int arrives = dy(node, 0);
    for (int v : std::vector<int>(g_.nodes[node].inputs)) contribute(v, arrives);
    return;
  }
  if (call->op->forward && call->op->forward->backward.linear != Linear::kNo)
    return by_linearity(node);
  const bool kernel = call->backward && !(spec_.create_graph && b.build);
  if (kernel) return by_kernel(node);
  check(bool(b.build), "Error in operator {}: [{}] has no gradient", name_of(node), call->op->name);
  by_building(node);
}

// A sum gives each of its terms what arrives, as it is, unless the gradient of a term is asked for:
// then it must be a value of its own.
bool Differentiation::passes_on(int node) const {
  const Graph::Node& n = g_.nodes[node];
  const Meaning m = n.call->op->meaning;
  if (m != Meaning::kIdentity && m != Meaning::kAdd && m != Meaning::kSum) return false;
  return std::none_of(n.inputs.begin(), n.inputs.end(), [&](int v) { return asked_[v]; });
}

// The gradient of a call that adds to what has arrived at one of its inputs, where there is one:
// "_adding_<gradient>" is <gradient> with that as one more input, which the output of the sum may
// take the place of.
Differentiation::Adding Differentiation::adding(int node) const {
  const OpCallRef& call = g_.nodes[node].call;
  if (!spec_.add_to_sums || !call->backward) return {};
  const OpDef* const op = OpTable::get().find("_adding" + call->backward->op->name);
  if (!op) return {};
  OpCallRef adds = make_call(*op, call->kwargs, call->params);
  const int value = g_.nodes[node].inputs.at(size_t(adds->inplace.at(0).second));
  if (!needed_[value] || parts_[value].empty()) return {};
  return {std::move(adds), value};
}

void Differentiation::by_kernel(int node) {
  const OpCallRef call = g_.nodes[node].call;
  const Adding adds = adding(node);
  Graph::Node n{.call = adds.call ? adds.call : call->backward,
                .name = name_of(node) + "_backward",
                .forward = node};
  for (const Ref& r : call->reads) {
    switch (r.kind) {
      case Ref::kDy:
        n.inputs.push_back(dy(node, r.index));
        break;
      case Ref::kX:
        n.inputs.push_back(g_.nodes[node].inputs.at(r.index));
        break;
      case Ref::kY:
        n.inputs.push_back(g_.nodes[node].first_output + r.index);
        break;
    }
  }
  if (adds.call) n.inputs.push_back(sum_of(adds.value)), parts_[adds.value].clear();
  int gradient = add(std::move(n));
  for (size_t i = 0; i < call->inputs.size(); ++i) {
    if (call->inputs[i].role == Role::kAux) continue;
    if (call->inputs[i].role == Role::kRead) contribute(g_.nodes[node].inputs[i], gradient);
    ++gradient;
  }
}

void Differentiation::by_building(int node) {
  const OpCallRef call = g_.nodes[node].call;
  BuildContext context(*this, node);
  const auto grads = call->op->backward.build(call->params.get(), context);
  if (grads.empty() && call->backward) return by_kernel(node);
  size_t next = 0;
  for (size_t i = 0; i < call->inputs.size(); ++i) {
    if (call->inputs[i].role == Role::kAux) continue;
    check(next < grads.size(), "[{}] its gradient returns {} values, expected one per input",
          call->op->name, grads.size());
    const int gradient = grads[next++].id;
    if (call->inputs[i].role == Role::kRead && gradient >= 0)
      contribute(g_.nodes[node].inputs[i], gradient);
  }
}

// The gradient of the gradient of an operator F that is linear. With g for what arrives at its
// outputs: dy gets F(g). Where inputs multiply each other they are moved one at a time: dy gets the
// sum of F with one of them replaced by its g, and each other one what the gradient gives for that.
void Differentiation::by_linearity(int node) {
  const OpCallRef back = g_.nodes[node].call;
  const OpDef& op = *back->op->forward;
  const bool factors = op.backward.linear == Linear::kFactors;
  Kwargs kwargs = back->kwargs;
  for (const auto& [key, value] : op.backward.linear_part) kwargs[key] = value;
  const OpCallRef f = make_call(op, std::move(kwargs));
  const std::vector<int> in = g_.nodes[node].inputs;
  const int inputs = int(f->inputs.size()), first = g_.nodes[node].first_output;
  std::vector<int> read(size_t(inputs), -1);  // where the gradient reads an input
  for (size_t k = 0; k < f->reads.size(); ++k)
    if (f->reads[k].kind == Ref::kX && !f->reads[k].shape_only)
      read[size_t(f->reads[k].index)] = int(k);
  const auto zeros = [&](int value) {
    return add_unary(Meaning::kZeros, value, name_of(node) + "_zeros", node);
  };
  // Adds F with input `moved` (-1: all that are not read) replaced by what arrives for it.
  const auto move = [&](int moved) {
    Graph::Node n{.call = f, .name = name_of(node) + "_linear", .forward = node};
    for (int i = 0; i < inputs; ++i) {
      const int fixed = read[size_t(i)];
      if (i == moved || (moved < 0 && fixed < 0)) n.inputs.push_back(dy(node, i));
      else if (fixed < 0) n.inputs.push_back(zeros(first + i));
      else n.inputs.push_back(factors && moved < 0 ? zeros(in[size_t(fixed)]) : in[size_t(fixed)]);
    }
    const int made = add(std::move(n));
    for (size_t k = 0; k < f->reads.size(); ++k)
      if (f->reads[k].kind == Ref::kDy) contribute(in[k], made + f->reads[k].index);
  };
  const auto arrives = [&](int i) { return !parts_[size_t(first + i)].empty(); };
  bool plain = false;
  for (int i = 0; i < inputs; ++i) {
    if (!arrives(i)) continue;
    if (read[size_t(i)] < 0) plain = true;
    if (read[size_t(i)] < 0 || !factors) continue;
    move(i);
    Graph::Node n{.call = back, .name = name_of(node) + "_moved", .inputs = in, .forward = node};
    n.inputs[size_t(read[size_t(i)])] = dy(node, i);
    const int made = add(std::move(n));
    for (int j = 0; j < inputs; ++j)
      if (j != i && read[size_t(j)] >= 0) contribute(in[size_t(read[size_t(j)])], made + j);
  }
  if (plain) move(-1);
}

void Differentiation::contribute(int value, int gradient) {
  if (!needed_[value]) return;
  parts_[value].push_back(gradient);
  if (parts_[value].size() == kSumAtOnce) sum_of(value);
}

// The sum of what has arrived, which takes its place; -1 when nothing has.
int Differentiation::sum_of(int value) {
  std::vector<int>& parts = parts_.at(value);
  if (parts.empty()) return -1;
  if (parts.size() > 1) {
    OpCallRef& sum = sum_calls_[parts.size()];
    if (!sum) {
      const OpDef& op = OpTable::get().of(Meaning::kSum);
      sum = make_call(op, {{op.variadic, param::print(uint64_t(parts.size()))}});
    }
    Graph::Node n{.call = sum,
                  .name = name_of(producer_[value]) + "_grad_sum",
                  .inputs = std::move(parts),
                  .forward = producer_[value]};
    parts = {add(std::move(n))};
  }
  return parts.front();
}

int Differentiation::dy(int node, int i) {
  const int v = g_.nodes[node].first_output + i;
  if (const int sum = sum_of(v); sum >= 0) return sum;
  const bool ones = is_head_[v];
  const int made = add_unary(ones ? Meaning::kOnes : Meaning::kZeros, v,
                             name_of(node) + (ones ? "_head_grad" : "_zero_grad"), node);
  parts_[v] = {made};
  return made;
}

// A gradient that is built gives one value per input, wanted or not. What leads to no wanted one is
// dropped: no kernel is ever run for outputs that nobody reads.
void Differentiation::drop_unused(std::vector<int>& grads) {
  std::vector<uint8_t> used(g_.values, 0);
  for (int v : grads)
    if (v >= 0) used[v] = 1;
  std::vector<int> unused;
  for (int node = int(g_.nodes.size()) - 1; node >= forward_; --node) {
    const Graph::Node& n = g_.nodes[node];
    bool wanted = n.call->mutates;
    for (int k = 0; k < n.outputs() && !wanted; ++k) wanted = used[n.first_output + k];
    if (!wanted) unused.push_back(node);
    else
      for (int v : n.inputs) used[v] = 1;
  }
  if (unused.empty()) return;
  Rewriter edit(std::move(g_));
  for (int node : unused) edit.remove(node);
  Rewriter::Result done = edit.finish();
  g_ = std::move(done.graph);
  for (int& v : grads)
    if (v >= 0) v = done.value_of[v];
}

// Tapes may leave nodes unnamed.
std::string Differentiation::name_of(int node) const {
  const Graph::Node& n = g_.nodes[node];
  if (!n.name.empty()) return n.name;
  return n.call ? n.call->op->name : "variable";
}

}  // namespace differentiate

Gradient gradient(Graph g, const GradientSpec& spec) {
  return differentiate::Differentiation(std::move(g), spec).run();
}

}  // namespace heddle
