// Kernels, and the reorders between those that take their tensors blocked and those that do not.
//
// One walk in the order of the graph, greedy: a kernel sees how its inputs lie and says how it
// wants them. So chains of kernels that follow their input (batch norm, relu, pooling) stay in the
// order that the first of them, a convolution, asked for.
#include <map>
#include <set>

#include "heddle/layout.h"
#include "symbol/passes.h"
#include "symbol/rewrite.h"

namespace heddle {

namespace choosing {

Shape shape_of_packed(const OpCall& call, const ValueInfo& of) {
  InferContext::Value in{of.shape, of.dtype}, out;
  infer_call(call, {&in, 1}, {&out, 1});
  return out.shape;
}

class Chooser {
 public:
  Chooser(Graph g, Placement where, ValueTypes types, const std::vector<bool>& fixed, bool training,
          Keep keep, KernelJudge* judge)
      : g_(std::move(g)),
        where_(std::move(where)),
        types_(std::move(types)),
        fixed_(fixed),
        training_(training),
        keep_(keep),
        judge_(judge),
        producer_(g_.producers()),
        changed_(g_.changed()),
        choices_(g_.nodes.size()) {}

  Chosen run() {
    for (size_t i = 0; i < g_.nodes.size(); ++i)
      if (g_.nodes[i].call) look_at(int(i));
    if (judge_) judge_->done();
    if (reorders_.empty())
      return {std::move(g_), std::move(where_), std::move(types_), std::move(choices_), {}};
    return rewrite();
  }

 private:
  struct Reorder {
    int value;   // what is read
    int before;  // the node it stands in front of
    Layout to;
    Device device;
    Phase phase;
    OpCallRef packs = nullptr;  // what is done instead of reordering
  };
  struct Read {
    int node, input, reorder;
  };

  Blob describe(int value) const {
    const ValueInfo& t = types_[value];
    return {nullptr, t.shape, t.dtype, where_[producer_[value]], {Stype::kDense, t.layout}};
  }

  void look_at(int node) {
    const Graph::Node& n = g_.nodes[node];
    in_.clear(), out_.clear();
    lasting_.clear();
    for (int v : n.inputs) in_.push_back(describe(v)), lasting_.push_back(lasts(v));
    for (int k = 0; k < n.outputs(); ++k) out_.push_back(describe(n.first_output + k));
    Choice& c = choices_[node];
    c.in.resize(in_.size()), c.out.resize(out_.size());
    StoredAs as{c.in, c.out};
    if (n.call->op->meaning != Meaning::kTransfer || in_[0].device == where_[node])
      attempt([&] { c.kernel = &choose(node, as); },
              [&](std::string_view text) { fail("Error in operator {}: {}", n.name, text); });
    const int packed = pack(node, c);
    for (size_t i = 0; i < in_.size(); ++i)
      if (!n.call->inputs[i].shape_only && int(i) != packed) read(node, int(i), c.in[i].layout);
    for (int k = 0; k < n.outputs(); ++k) write(node, n.first_output + k, c.out[k].layout);
  }

  const OpDef::Implementation& choose(int node, StoredAs& as) {
    const OpCall& call = *g_.nodes[node].call;
    const Situation situation{in_, out_, training_, lasting_};
    if (judge_)
      if (const auto* k = judge_->fastest(call, where_[node], situation)) {
        if (k->wants) k->wants(call.params.get(), situation, as);
        return *k;
      }
    return choose_kernel(call, where_[node], situation, as);
  }

  bool reordered_once(int value) const { return keep_.reordered && stays(value); }
  // Whether a value is the same in all runs until somebody writes a variable, and may be packed.
  bool lasts(int value) const { return keep_.packed && stays(value); }
  bool stays(int value) const {
    const Graph::Node& from = g_.nodes[producer_[value]];
    return (!from.call || from.phase == Phase::kPrepare) && !changed_[size_t(value)];
  }

  // Gives the kernel an input packed, if it can be, and may. Which one; or -1.
  int pack(int node, Choice& c) {
    const auto* packing = c.kernel ? c.kernel->packing.get() : nullptr;
    if (!packing || !lasting_[size_t(packing->input)]) return -1;
    const Graph::Node& n = g_.nodes[node];
    const int v = n.inputs[packing->input];
    Kwargs kwargs = packing->with
                        ? packing->with(n.call->params.get(), {in_, out_, training_, lasting_})
                        : n.call->kwargs;
    c.kernel = &packing->kernel;
    reads_.push_back({node, packing->input, int(reorders_.size())});
    reorders_.push_back({v,
                         node,
                         {},
                         where_[node],
                         Phase::kPrepare,
                         make_call(OpTable::get().at(packing->by), std::move(kwargs))});
    return packing->input;
  }

  void read(int node, int input, const Layout& wanted) {
    const int v = g_.nodes[node].inputs[input];
    if (same_bytes(types_[v].shape, types_[v].layout, wanted)) {
      ordered_.insert(v);
      return;
    }
    const Graph::Node& from = g_.nodes[producer_[v]];
    if (from.phase == Phase::kPrepare && from.call->op->any_order && ordered_.insert(v).second) {
      types_[v].layout = choices_[producer_[v]].out[v - from.first_output].layout = wanted;
      return;
    }
    const Phase phase = reordered_once(v) ? Phase::kPrepare : g_.nodes[node].phase;
    reads_.push_back({node, input, reordered(v, node, wanted, where_[node], phase)});
  }

  void write(int node, int value, const Layout& computed) {
    if (same_bytes(types_[value].shape, computed, {})) return;
    types_[value].layout = computed;
    if (fixed_[value])
      plain_[value] = reordered(value, node + 1, {}, where_[node], g_.nodes[node].phase);
  }

  // The number of the reorder that gives a value in another order; of changing ones, a new one.
  int reordered(int value, int before, const Layout& to, Device device, Phase phase) {
    const int next = int(reorders_.size());
    if (!changed_[size_t(value)]) {
      std::string key;
      append(key, to);
      const auto [there, fresh] = made_.try_emplace({value, std::move(key)}, next);
      if (!fresh) return there->second;
    }
    reorders_.push_back({value, before, to, device, phase});
    return next;
  }

  Chosen rewrite() {
    Rewriter edit(std::move(g_));
    std::vector<int> value_of;  // of reorders
    for (const Reorder& r : reorders_) {
      const Graph::Node& from = edit.node(edit.producer(r.value));
      const OpCallRef call = r.packs ? r.packs : make_reorder(r.to);
      const int node = edit.insert(r.before, {.call = call,
                                              .name = from.name + (r.packs ? "_pack" : "_reorder"),
                                              .inputs = {r.value},
                                              .phase = r.phase});
      where_.push_back(r.device);
      value_of.push_back(edit.node(node).first_output);
      types_.push_back(types_[r.value]);
      types_.back().layout = r.to;
      const Blob in = describe(r.value);
      if (r.packs) types_.back().shape = shape_of_packed(*r.packs, types_[r.value]);
      const Blob out{nullptr, in.shape, in.dtype, r.device, {}};
      Choice& c = choices_.emplace_back();
      c.in.resize(1), c.out.resize(1);
      StoredAs as{c.in, c.out};
      c.kernel =
          &choose_kernel(*edit.node(node).call, r.device, {{&in, 1}, {&out, 1}, training_}, as);
    }
    for (const Read& r : reads_) edit.set_input(r.node, r.input, value_of[r.reorder]);
    Chosen all;
    for (const auto& [value, reorder] : plain_) all.plain[value] = value_of[reorder];
    for (const auto& [value, by] : all.plain) edit.replace_outputs(value, by);
    Rewriter::Result done = edit.finish();
    all.graph = std::move(done.graph);
    all.types = std::move(types_);
    all.where.resize(where_.size()), all.choices.resize(where_.size());
    for (size_t id = 0; id < where_.size(); ++id) {
      all.where[done.node_of[id]] = where_[id];
      all.choices[done.node_of[id]] = std::move(choices_[id]);
    }
    return all;
  }

  Graph g_;
  Placement where_;
  ValueTypes types_;
  const std::vector<bool>& fixed_;
  const bool training_;
  const Keep keep_;
  KernelJudge* const judge_;
  const std::vector<int> producer_;
  std::vector<uint8_t> changed_;  // values that nodes change in place
  std::set<int> ordered_;         // values whose order somebody relies on
  std::vector<Choice> choices_;
  std::vector<Reorder> reorders_;
  std::vector<Read> reads_;
  std::map<int, int> plain_;                         // fixed value -> its reorder
  std::map<std::pair<int, std::string>, int> made_;  // (value, layout) -> reorder
  std::vector<Blob> in_, out_;
  std::vector<uint8_t> lasting_;  // of in_
};

}  // namespace choosing

Chosen choose_kernels(Graph g, Placement where, ValueTypes types, const std::vector<bool>& fixed,
                      bool training, Keep keep, KernelJudge* judge) {
  return choosing::Chooser(std::move(g), std::move(where), std::move(types), fixed, training, keep,
                           judge)
      .run();
}

}  // namespace heddle
