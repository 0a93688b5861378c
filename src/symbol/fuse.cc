// Fusing: filters take along what follows them, and in training a normalisation its activation.
//
// A convolution or a linear layer whose only reader is a normalisation, or an elementwise sum, or
// an activation, in this order, and each of these the only reader of the one before, becomes one
// node in the place of the last: the normalisation goes into its weights, which a node of phase
// kPrepare makes, the rest is done while results are in registers. The records say what can be
// taken along (Fusing, op.h). Weights that a cast of mixed precision makes are folded before they
// are cast. For training, before gradients follow, only activations are, by operators that have a
// gradient.
#include "symbol/passes.h"
#include "symbol/rewrite.h"

namespace heddle {

namespace fusing {

class Fuser {
 public:
  Fuser(Graph g, const std::vector<uint8_t>& fixed, FunctionRef<bool(int)> wide_enough,
        bool training)
      : size_(int(g.nodes.size())),
        edit_(std::move(g)),
        fixed_(fixed),
        wide_enough_(wide_enough),
        training_(training) {}

  Fused run() {
    for (int id = 0; id < size_; ++id)
      if (!edit_.removed(id) && call(id) && !call(id)->op->fusing.with.empty()) look_at(id);
    Rewriter::Result r = edit_.finish();
    for (const auto& [value, by] : moved_) r.value_of[value] = r.value_of[by];
    return {std::move(r.graph), std::move(r.node_of), std::move(r.value_of)};
  }

 private:
  // What one node will do.
  struct Chain {
    int filters, fold = -1, sum = -1, limit = -1;  // nodes; -1: there is none
    int addend = -1;                               // a value
    Kwargs kwargs = {}, fold_kwargs = {};
    OpCallRef cast = nullptr;  // of the weight, which is folded before
    int last() const { return limit >= 0 ? limit : sum >= 0 ? sum : fold; }
  };

  const OpCallRef& call(int id) const { return edit_.node(id).call; }
  int output(int id) const { return edit_.node(id).first_output; }

  // The only node that reads the first output of `id`, which nobody else sees; or -1.
  int follower(int id) const {
    const int v = output(id);
    if (fixed_[v] || edit_.readers(v).size() != 1) return -1;
    const int next = edit_.readers(v)[0];
    return edit_.node(next).phase == Phase::kForward ? next : -1;
  }
  // A variable that no run changes: an input that each run sets to one value does not count.
  bool constant(int value) const {
    if (call(edit_.producer(value))) return false;
    for (int reader : edit_.readers(value)) {
      const Graph::Node& n = edit_.node(reader);
      for (size_t i = 0; i < n.inputs.size(); ++i)
        if (const Input& in = n.call->inputs[i];
            n.inputs[i] == value && in.role == Role::kMutate && !in.same_value)
          return false;
    }
    return true;
  }
  bool only_first_output_counts(int id) const {
    for (int k = 1; k < edit_.node(id).outputs(); ++k)
      if (fixed_[output(id) + k] || !edit_.readers(output(id) + k).empty()) return false;
    return true;
  }

  // The node that casts a value, which is the same to everybody else; or -1.
  int cast_of(int value) const {
    const int id = edit_.producer(value);
    return call(id) && call(id)->op->meaning == Meaning::kToPrecision ? id : -1;
  }
  int before_cast(int value) const {
    const int id = cast_of(value);
    return id < 0 ? value : edit_.node(id).inputs[0];
  }

  bool take_fold(Chain& c, int id) const {
    const Graph::Node& n = edit_.node(id);
    if (!n.call->op->fusing.fold || n.inputs[0] != output(c.filters)) return false;
    const OpCall& filters = *call(c.filters);
    if (filters.op->fusing.folds && !filters.op->fusing.folds(filters.params.get())) return false;
    c.fold_kwargs = n.call->op->fusing.fold(n.call->params.get());
    if (c.fold_kwargs.empty() || !only_first_output_counts(id)) return false;
    for (const auto* node : {&edit_.node(c.filters), &n})
      for (size_t i = 1; i < node->inputs.size(); ++i) {
        const int value = before_cast(node->inputs[i]);
        if (!constant(value) || !wide_enough_(value)) return false;
      }
    if (const int cast = cast_of(edit_.node(c.filters).inputs[1]); cast >= 0) c.cast = call(cast);
    c.fold = id;
    return true;
  }
  bool take_sum(Chain& c, int id, int value) const {
    const Graph::Node& n = edit_.node(id);
    const Meaning meaning = n.call->op->meaning;
    if ((meaning != Meaning::kAdd && meaning != Meaning::kSum) || n.inputs.size() != 2)
      return false;
    c.sum = id;
    c.addend = n.inputs[n.inputs[0] == value ? 1 : 0];
    return true;
  }
  bool take_limit(Chain& c, int id) const {
    if (!call(id)->op->fusing.epilogue) return false;
    Kwargs kwargs = call(id)->op->fusing.epilogue(call(id)->params.get());
    if (kwargs.empty()) return false;
    c.limit = id;
    c.kwargs.merge(kwargs);
    return true;
  }

  void look_at(int id) {
    const OpDef& op = *call(id)->op;
    if (training_ && !OpTable::get().at(op.fusing.with).backward_op) return;
    if (!only_first_output_counts(id)) return;
    Chain c{.filters = id};
    int at = id, next = follower(id);
    const bool filters = !training_ && !op.fusing.fold;  // and no normalisation
    if (filters && next >= 0 && take_fold(c, next)) at = next, next = follower(at);
    if (filters && next >= 0 && take_sum(c, next, output(at))) at = next, next = follower(at);
    if (next >= 0 && (!training_ || edit_.node(next).attrs == edit_.node(id).attrs))
      take_limit(c, next);
    if (c.last() >= 0) fuse(c);
  }

  void fuse(Chain& c) {
    const Graph::Node filters = edit_.node(c.filters);
    const int last = c.last();
    std::vector<int> inputs = filters.inputs;
    if (c.fold >= 0) {
      std::vector<int> folded;
      for (size_t i = 1; i < inputs.size(); ++i) folded.push_back(before_cast(inputs[i]));
      const std::vector<int>& of = edit_.node(c.fold).inputs;
      for (size_t i = 1; i < of.size(); ++i) folded.push_back(before_cast(of[i]));
      c.fold_kwargs["no_bias"] = inputs.size() == 2 ? "True" : "False";
      const int prepare =
          edit_.insert(last, {.call = make_call(OpTable::get().of(Meaning::kFold), c.fold_kwargs),
                              .name = filters.name + "_fold",
                              .inputs = std::move(folded),
                              .phase = Phase::kPrepare});
      const auto made = [&](int i) {
        const int value = output(prepare) + i;
        if (!c.cast) return value;
        return output(
            edit_.insert(last, {.call = c.cast,
                                .name = filters.name + (i == 0 ? "_fold_weight" : "_fold_bias"),
                                .inputs = {value},
                                .phase = Phase::kPrepare}));
      };
      inputs = {inputs[0], made(0), made(1)};
      c.kwargs["no_bias"] = "False";
    }
    if (c.sum >= 0) {
      inputs.push_back(c.addend);
      c.kwargs["sum"] = "True";
    }
    c.kwargs.insert(filters.call->kwargs.begin(), filters.call->kwargs.end());
    const Graph::Node& end = edit_.node(last);
    const int fused = edit_.insert(
        last,
        {.call = make_call(OpTable::get().at(filters.call->op->fusing.with), std::move(c.kwargs)),
         .name = end.name,
         .attrs = end.attrs,
         .inputs = std::move(inputs)});
    edit_.replace(output(last), output(fused));
    moved_.emplace_back(output(last), output(fused));
    for (int id : {c.limit, c.sum, c.fold, c.filters})
      if (id >= 0) edit_.remove(id, fused);
    if (c.fold < 0) return;
    for (size_t i = 1; i < filters.inputs.size(); ++i) {
      const int v = filters.inputs[i], id = cast_of(v);
      if (id >= 0 && !fixed_[v] && edit_.readers(v).empty()) edit_.remove(id);
    }
  }

  const int size_;
  Rewriter edit_;
  const std::vector<uint8_t>& fixed_;
  FunctionRef<bool(int)> wide_enough_;
  const bool training_;
  std::vector<std::pair<int, int>> moved_;  // a value taken out, and the one in its place
};

}  // namespace fusing

Fused fuse(Graph g, const std::vector<uint8_t>& fixed, FunctionRef<bool(int)> wide_enough,
           bool training) {
  return fusing::Fuser(std::move(g), fixed, wide_enough, training).run();
}

}  // namespace heddle
