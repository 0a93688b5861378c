// Shapes, dtypes and storage kinds of a whole graph, both ways, to a fixed point.
//
// A node is looked at again whenever one of its values becomes better known. A value can become
// better known only a few times (rank, each extent, dtype, storage), so the work is linear in the
// size of the graph, in whichever direction the knowledge flows.
#include <deque>
#include <numeric>

#include "symbol/passes.h"
#include "symbol/walk.h"

namespace heddle {

namespace infer_graph {

// Takes over what `more` knows and `have` does not. True when that was anything. What contradicts
// is left: the next look at the node finds it and names it.
bool learn(ValueInfo& have, const ValueInfo& more) {
  bool learned = false;
  if (!have.shape.has_rank() && more.shape.has_rank()) {
    have.shape = more.shape;
    learned = true;
  } else if (have.shape.rank() == more.shape.rank()) {
    for (int d = 0; d < have.shape.rank(); ++d)
      if (have.shape[d] < 0 && more.shape[d] >= 0) have.shape[d] = more.shape[d], learned = true;
  }
  if (have.dtype == Dtype::kUnknown && more.dtype != Dtype::kUnknown)
    have.dtype = more.dtype, learned = true;
  if (have.stype == Stype::kUnknown && more.stype != Stype::kUnknown)
    have.stype = more.stype, learned = true;
  return learned;
}

class Inference {
 public:
  Inference(const Graph& g, bool training)
      : g_(g), training_(training), same_(g.values), info_(g.values), queued_(g.nodes.size(), 1) {
    std::iota(same_.begin(), same_.end(), 0);
    for (const Graph::Node& n : g.nodes)
      if (is_gradient(n)) unify_gradient(n);
    for (size_t v = 0; v < same_.size(); ++v) same_[v] = root(int(v));
    list_readers();
  }

  ValueTypes run(const std::map<std::string, ValueInfo, std::less<>>& known) {
    for (const Graph::Node& n : g_.nodes)
      if (!n.call) seed(n, known);
    for (size_t i = 0; i < g_.nodes.size(); ++i) queue_.push_back(int(i));
    while (!queue_.empty()) {
      const int node = queue_.front();
      queue_.pop_front();
      queued_[node] = 0;
      look_at(node);
    }
    ValueTypes all(g_.values);
    for (int v = 0; v < g_.values; ++v) all[v] = info_[same_[v]];
    return all;
  }

 private:
  // Is `n` the one-kernel gradient of its forward node? Those of another node's record infer by it.
  bool is_gradient(const Graph::Node& n) const {
    if (!kGradients || !n.call || n.forward < 0 || !n.call->op->forward) return false;
    return n.call->op->forward == g_.nodes[n.forward].call->op || repeats(n);
  }
  // Is it a gradient taken once more, by the gradient of a gradient, with other inputs of the same
  // types?
  bool repeats(const Graph::Node& n) const { return n.call->op == g_.nodes[n.forward].call->op; }

  // Gradients have the types of what they are gradients of: they are the same unknown.
  void unify_gradient(const Graph::Node& n) {
    const Graph::Node& f = g_.nodes[n.forward];
    if (repeats(n)) {
      for (size_t k = 0; k < n.inputs.size(); ++k) unify(n.inputs[k], f.inputs[k]);
      for (int k = 0; k < n.outputs(); ++k) unify(n.first_output + k, f.first_output + k);
      return;
    }
    each_gradient(
        *f.call, [&](int k, int i) { unify(n.inputs[k], f.first_output + i); },
        [&](int k, int i) { unify(n.first_output + k, f.inputs[i]); });
  }

  void unify(int a, int b) {
    a = root(a), b = root(b);
    same_[std::max(a, b)] = std::min(a, b);
  }
  int root(int v) {
    while (same_[v] != v) v = same_[v] = same_[same_[v]];
    return v;
  }

  // The nodes that a value touches (its readers and producers), as ranges of one array.
  void list_readers() {
    first_.assign(g_.values + 1, 0);
    each_use([&](int v, int) { ++first_[v + 1]; });
    std::partial_sum(first_.begin(), first_.end(), first_.begin());
    touches_.resize(first_.back());
    std::vector<int> at(first_.begin(), first_.end() - 1);
    each_use([&](int v, int node) { touches_[at[v]++] = node; });
  }
  template <class F>
  void each_use(F&& f) const {
    for (size_t i = 0; i < g_.nodes.size(); ++i) {
      const Graph::Node& n = g_.nodes[i];
      if (!n.call || is_gradient(n)) continue;
      for (int v : n.inputs) f(same_[v], int(i));
      for (int k = 0; k < n.outputs(); ++k) f(same_[n.first_output + k], int(i));
    }
  }

  void seed(const Graph::Node& n, const std::map<std::string, ValueInfo, std::less<>>& known) {
    ValueInfo& v = info_[same_[n.first_output]];
    if (auto it = known.find(n.name); it != known.end()) learn(v, it->second);
    learn(v, symbol::declared(n.name, n.attrs));
  }

  void look_at(int node) {
    const Graph::Node& n = g_.nodes[node];
    if (!n.call || is_gradient(n)) return;
    in_.clear(), out_.clear();
    for (int v : n.inputs) in_.push_back(info_[same_[v]]);
    for (int k = 0; k < n.outputs(); ++k) out_.push_back(info_[same_[n.first_output + k]]);
    attempt([&] { infer_call(*n.call, in_, out_, training_); },
            [&](std::string_view text) { fail("Error in operator {}: {}", n.name, text); });
    for (size_t i = 0; i < n.inputs.size(); ++i) store(node, n.inputs[i], in_[i]);
    for (int k = 0; k < n.outputs(); ++k) store(node, n.first_output + k, out_[k]);
  }

  void store(int node, int value, const ValueInfo& found) {
    const int v = same_[value];
    if (!learn(info_[v], found)) return;
    int uses_here = 0;
    for (int i = first_[v]; i < first_[v + 1]; ++i) {
      uses_here += touches_[i] == node;
      // The node itself has to look again only when it sees the value in a second place.
      if ((touches_[i] == node && uses_here < 2) || queued_[touches_[i]]) continue;
      queued_[touches_[i]] = 1;
      queue_.push_back(touches_[i]);
    }
  }

  const Graph& g_;
  bool training_;
  std::vector<int> same_;  // value -> the value that stands for all that share its type
  ValueTypes info_;
  std::vector<int> first_, touches_;
  std::vector<uint8_t> queued_;
  std::deque<int> queue_;
  std::vector<ValueInfo> in_, out_;
};

}  // namespace infer_graph

ValueTypes infer(const Graph& g, const std::map<std::string, ValueInfo, std::less<>>& known,
                 bool training) {
  return infer_graph::Inference(g, training).run(known);
}

ValueTypes infer_float32(const Graph& g, std::map<std::string, ValueInfo, std::less<>> known,
                         bool training) {
  ValueTypes types = infer(g, known, training);
  for (const Graph::Node& n : g.nodes) {
    if (n.call || types[n.first_output].dtype != Dtype::kUnknown) continue;
    known[n.name].dtype = Dtype::kFloat32;
    types = infer(g, known, training);
  }
  return types;
}

}  // namespace heddle
