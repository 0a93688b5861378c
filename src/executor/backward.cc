// The nodes that gradient() appends to a frozen tape are run in order; what has had its last reader
// is let go at once.
#include "executor/backward.h"

#include <algorithm>
#include <unordered_set>

#include "executor/call.h"
#include "ndarray/chunk.h"

namespace heddle {

namespace backwards {

class Run {
 public:
  Run(FrozenTape tape, const std::vector<BackwardTarget>& targets, const BackwardSpec& spec)
      : tape_(std::move(tape)), targets_(targets), spec_(spec) {}
  std::vector<NDArray> run();

 private:
  struct Slot {
    NDArray array;
    bool ours = false;  // made here, so that it may be overwritten after its last reader
  };

  void differentiate();
  void count_uses();
  void check_versions() const;
  void choose_destinations();
  void release_tape();
  void list_entries();
  void execute(const Graph::Node& n);
  NDArray input(const Graph::Node& n, size_t i) const;
  NDArray moved(const NDArray& a, Device device) const;
  void outputs(const Graph::Node& n, const CallTypes& types, std::vector<NDArray>& out);
  NDArray reuse(const Graph::Node& n, int output, const ValueInfo& type) const;
  std::shared_ptr<const CallTypes> types(const Graph::Node& n,
                                         std::span<const NDArray* const> in) const;
  void set(int value, NDArray array, bool ours);
  void used(int value);
  std::vector<NDArray> results();

  bool is_forward(int value) const { return value < forward_values_; }
  const Graph& graph() const { return gradient_.graph; }

  FrozenTape tape_;
  const std::vector<BackwardTarget>& targets_;
  const BackwardSpec& spec_;
  int forward_values_ = 0;
  std::vector<int> heads_;
  Gradient gradient_;
  std::vector<int> uses_;  // value -> readers to come
  std::vector<int> slot_;  // value -> place in slots_, or -1
  std::vector<Slot> slots_;
  std::vector<int> free_;         // of slots_
  std::vector<NDArray> into_;     // of each target: where its gradient is written directly
  std::vector<int> target_of_;    // value -> the target that takes it directly, or -1
  std::vector<TapeRef> entries_;  // value -> where it stands on the tape (create_graph only)
};

std::vector<NDArray> Run::run() {
  differentiate();
  count_uses();
  check_versions();
  choose_destinations();
  if (spec_.create_graph) list_entries();
  if (!spec_.retain_graph && !spec_.create_graph) release_tape();
  for (const Graph::Node& n : graph().nodes)
    if (n.phase == Phase::kBackward) execute(n);
  return results();
}

void Run::differentiate() {
  GradientSpec g;
  g.create_graph = spec_.create_graph;
  forward_values_ = tape_.graph.values;
  for (size_t i = 0; i < spec_.heads.size(); ++i) {
    g.heads.push_back(tape_.value_of(spec_.heads[i].tape));
    const bool given = i < spec_.head_grads.size() && spec_.head_grads[i];
    g.head_grads.push_back(given ? tape_.graph.values : -1);
    if (given) tape_.graph.add({});
  }
  heads_ = g.heads;
  for (const BackwardTarget& t : targets_) g.wrt.push_back(tape_.value_of(t.entry));
  const std::vector<int> head_grads = g.head_grads;
  gradient_ = gradient(std::move(tape_.graph), g);
  slot_.assign(graph().values, -1);
  uses_.assign(graph().values, 0);
  target_of_.assign(graph().values, -1);
  for (size_t i = 0; i < head_grads.size(); ++i)
    if (head_grads[i] >= 0) set(head_grads[i], spec_.head_grads[i], false);
}

void Run::count_uses() {
  for (const Graph::Node& n : graph().nodes)
    if (n.phase == Phase::kBackward)
      for (int v : n.inputs) ++uses_[v];
  for (int v : gradient_.grads)
    if (v >= 0) ++uses_[v];
}

// What was saved must still be what it was.
void Run::check_versions() const {
  for (const Graph::Node& n : graph().nodes)
    for (size_t k = 0; n.phase == Phase::kBackward && k < n.inputs.size(); ++k) {
      const int v = n.inputs[k];
      if (!is_forward(v) || !tape_.saved[v] || n.call->inputs[k].shape_only) continue;
      const SavedArray& s = *tape_.saved[v];
      check(!s.fixed || s.array.var().version() == s.version,
            "[{}] an array that its gradient reads ({}, shape {}) was overwritten after it was "
            "recorded: found version {}, expected {}",
            n.call->op->name, n.call->inputs[k].name, s.array.shape(), s.array.var().version(),
            s.version);
    }
}

// A gradient is computed straight into the array it is for, unless that array is still to be read.
void Run::choose_destinations() {
  std::unordered_set<const Chunk*> read;
  for (const SavedArray* s : tape_.saved)
    if (s) read.insert(s->array.chunk().get());
  for (const NDArray& g : spec_.head_grads)
    if (g) read.insert(g.chunk().get());
  into_.resize(targets_.size());
  for (size_t i = 0; i < targets_.size(); ++i) {
    const NDArray& into = targets_[i].into;
    const int v = gradient_.grads[i];
    if (!into || v < 0 || is_forward(v) || slot_[v] >= 0 || target_of_[v] >= 0) continue;
    const TapeEntry& e = *targets_[i].entry;
    const ValueInfo& type = e.node->output(e.index);
    if (into.shape() != type.shape || into.dtype() != type.dtype) continue;
    if (into.device() != e.node->device) continue;
    if (!read.insert(into.chunk().get()).second) continue;
    into_[i] = into;
    target_of_[v] = int(i);
  }
}

// Hands what the tape kept over to this run, which drops it bit by bit.
void Run::release_tape() {
  for (int v = 0; v < forward_values_; ++v)
    if (tape_.saved[v] && uses_[v]) set(v, tape_.saved[v]->array, false);
  tape_.saved.assign(forward_values_, nullptr);
  for (const TapeRef& e : tape_.nodes) {
    if (!e->node->call) continue;
    e->node->freed = true;
    e->node->free();
  }
}

void Run::list_entries() {
  entries_.resize(graph().values);
  for (size_t i = 0; i < tape_.nodes.size(); ++i) {
    TapeNode* node = tape_.nodes[i]->node;
    for (size_t k = 0; k < node->entries.size(); ++k)
      entries_[tape_.first_value[i] + k] = TapeRef(tape_.nodes[i], &node->entries[k]);
  }
}

void Run::set(int value, NDArray array, bool ours) {
  if (free_.empty()) {
    free_.push_back(int(slots_.size()));
    slots_.emplace_back();
  }
  slot_[value] = free_.back();
  free_.pop_back();
  slots_[slot_[value]] = {std::move(array), ours};
}

void Run::used(int value) {
  if (--uses_[value] > 0 || slot_[value] < 0) return;
  slots_[slot_[value]] = {};
  free_.push_back(slot_[value]);
  slot_[value] = -1;
}

NDArray Run::moved(const NDArray& a, Device device) const {
  NDArray there[] = {NDArray(a.shape(), device, a.dtype())};
  copy(a, there[0]);
  if (a.tape) {
    const NDArray* from[] = {&a};
    const ValueInfo type[] = {info_of(a)};
    tape::record(make_call(OpTable::get().of(Meaning::kTransfer), {}), from, there, type,
                 spec_.training);
  }
  return there[0];
}

// The array of the i-th input of a node, on the node's device.
NDArray Run::input(const Graph::Node& n, size_t i) const {
  const int value = n.inputs[i];
  NDArray a;
  const Device device = tape_.devices[n.forward];
  if (slot_[value] >= 0) a = slots_[slot_[value]].array;
  else if (is_forward(value) && tape_.saved[value]) a = tape_.saved[value]->array;
  if (!a)
    for (size_t h = 0; h < heads_.size(); ++h)
      if (heads_[h] == value) a = spec_.heads[h].detach();
  if (!a) {
    // Only the type is asked for; the array never gets memory that anyone reads.
    check(n.call->inputs[i].shape_only, "[{}] its gradient reads an array that was not kept",
          n.call->op->name);
    const ValueInfo& t = *tape_.types[value];
    a = NDArray(t.shape, device, t.dtype);
  }
  if (spec_.create_graph && entries_[value]) a.tape = entries_[value];
  return a.device() == device ? a : moved(a, device);
}

// Gradients have the types of what they are gradients of.
std::shared_ptr<const CallTypes> Run::types(const Graph::Node& n,
                                            std::span<const NDArray* const> in) const {
  if (!n.call->op->forward) return types_of(n.call, in, {}, spec_.training);
  const Graph::Node& f = graph().nodes[n.forward];
  auto found = std::make_shared<CallTypes>();
  found->out.resize(n.outputs());
  if (f.call->op == n.call->op)  // a gradient taken once more, with other inputs of the same types
    for (int k = 0; k < n.outputs(); ++k) found->out[k] = *tape_.types[f.first_output + k];
  else
    each_gradient(
        *f.call, [](int, int) {}, [&](int k, int i) { found->out[k] = *tape_.types[f.inputs[i]]; });
  for (const NDArray* a : in) found->bytes += a->bytes();
  for (int k = 0; k < n.outputs(); ++k)
    if (uses_[n.first_output + k])
      found->bytes += found->out[k].shape.size() * dtype_size(found->out[k].dtype);
  return found;
}

// The memory of an input that has no reader after this node, where the record lets output share it.
NDArray Run::reuse(const Graph::Node& n, int output, const ValueInfo& type) const {
  if (spec_.create_graph) return {};
  for (auto [i, o] : n.call->inplace) {
    if (o != output) continue;
    const int v = n.inputs[i];
    const bool once = uses_[v] == std::count(n.inputs.begin(), n.inputs.end(), v);
    if (!once || slot_[v] < 0 || !slots_[slot_[v]].ours) continue;
    if (!may_write_over(*n.call, output, [&](int j) { return n.inputs[j] == v; })) continue;
    const NDArray& a = slots_[slot_[v]].array;
    if (a.shape() == type.shape && a.dtype() == type.dtype) return a;
  }
  return {};
}

void Run::outputs(const Graph::Node& n, const CallTypes& types, std::vector<NDArray>& out) {
  auto recorded = [&](int k) {
    for (const Ref& r : n.call->reads)
      if (r.kind == Ref::kY && r.index == k) return true;
    return false;
  };
  const MemoryName named(n.call->op->name.c_str());
  for (int k = 0; k < n.outputs(); ++k) {
    const int v = n.first_output + k;
    if (!uses_[v] && !(spec_.create_graph && recorded(k))) continue;
    const ValueInfo& t = types.out[k];
    if (target_of_[v] >= 0) out[k] = into_[target_of_[v]];
    else out[k] = reuse(n, k, t);
    for (int i = 0; i < k && out[k]; ++i)
      if (out[i] && out[i].shares_memory(out[k])) out[k] = NDArray();  // another output took it
    if (!out[k]) out[k] = NDArray(t.shape, tape_.devices[n.forward], t.dtype);
  }
}

void Run::execute(const Graph::Node& n) {
  std::vector<NDArray> in, out(n.outputs());
  std::vector<const NDArray*> pointers;
  in.reserve(n.inputs.size());
  for (size_t i = 0; i < n.inputs.size(); ++i) in.push_back(input(n, i));
  for (const NDArray& a : in) pointers.push_back(&a);
  const auto t = types(n, pointers);
  outputs(n, *t, out);
  heddle::run(
      {n.call, pointers, out, t->out, tape_.devices[n.forward], spec_.training, true, t->bytes});
  if (spec_.create_graph && tape::reaches(pointers))
    tape::record(n.call, pointers, out, t->out, spec_.training);
  for (int k = 0; k < n.outputs(); ++k) {
    const int v = n.first_output + k;
    if (!uses_[v]) continue;
    if (spec_.create_graph) entries_[v] = out[k].tape;
    const bool ours = target_of_[v] < 0;
    set(v, std::move(out[k]), ours);
  }
  in.clear();
  for (int v : n.inputs) used(v);
}

std::vector<NDArray> Run::results() {
  std::vector<NDArray> found;
  for (size_t i = 0; i < targets_.size(); ++i) {
    const int v = gradient_.grads[i];
    found.emplace_back();
    if (v < 0) continue;
    const Slot& slot = slots_[slot_[v]];
    const Device device = targets_[i].entry->node->device;
    bool shared = !slot.ours && target_of_[v] != int(i);
    for (size_t k = 0; k < i && !shared; ++k) shared = gradient_.grads[k] == v;
    const bool stays = slot.array.device() == device && (!shared || spec_.create_graph);
    found.back() = stays ? slot.array : moved(slot.array, device);
  }
  return found;
}

}  // namespace backwards

std::vector<NDArray> run_backward(FrozenTape tape, const std::vector<BackwardTarget>& targets,
                                  const BackwardSpec& spec) {
  return backwards::Run(std::move(tape), targets, spec).run();
}

}  // namespace heddle
