// Recording calls, and the flags of each thread that say whether to.
#include "executor/tape.h"

#include <utility>

#include "ndarray/chunk.h"

namespace heddle {

namespace tape {

struct Flags {
  bool recording = false;
  bool training = false;
};
thread_local Flags flags;

constexpr const char* kInplaceText =
    "Inplace operations (+=, -=, x[:]=, etc) are not supported when recording with autograd. "
    "Assigning to NDArrays that are already in a computational graph will cause undefined behavior "
    "when evaluating gradients. Please call backward first to clear the graph or do this out side "
    "of a record section.";

std::shared_ptr<TapeNode> make_node(size_t outputs) {
  auto node = std::make_shared<TapeNode>();
  node->entries.reserve(outputs);
  for (size_t i = 0; i < outputs; ++i) node->entries.push_back({node.get(), int(i)});
  return node;
}

TapeRef entry_of(const std::shared_ptr<TapeNode>& node, size_t i) {
  return TapeRef(node, &node->entries[i]);
}

TapeRef make_leaf(const NDArray& variable, const NDArray& gradient, GradReq req) {
  auto node = make_node(1);
  node->types = {info_of(variable)};
  node->device = variable.device();
  if (gradient) node->gradient = gradient.detach();
  node->req = req;
  return entry_of(node, 0);
}

bool reaches(std::span<const NDArray* const> in) {
  for (const NDArray* a : in)
    if (a->tape) return true;
  return false;
}

void save(TapeNode& node, std::span<const NDArray* const> in, std::span<NDArray> out) {
  node.saved.reserve(node.call->reads.size());
  for (const Ref& r : node.call->reads) {
    if (r.kind == Ref::kDy || r.shape_only) continue;
    const NDArray& a = r.kind == Ref::kX ? *in[r.index] : out[r.index];
    check(bool(a), "[{}] output {} is read by the gradient but was not computed",
          node.call->op->name, r.index);
    const bool fixed = r.kind == Ref::kY || node.call->inputs[r.index].role == Role::kRead;
    node.saved.push_back({r, a.detach(), a.var().version(), fixed});
  }
}

void record(const OpCallRef& call, std::span<const NDArray* const> in, std::span<NDArray> out,
            std::span<const ValueInfo> types, bool training) {
  auto node = make_node(out.size());
  node->call = call;
  node->training = training;
  node->types.reserve(out.size() + in.size());
  node->types.assign(types.begin(), types.end());
  node->inputs.reserve(in.size());
  for (const NDArray* a : in) {
    node->types.push_back(info_of(*a));
    node->inputs.push_back(a->tape);
  }
  save(*node, in, out);
  for (size_t i = 0; i < out.size(); ++i) {
    if (!out[i]) continue;
    out[i].tape = entry_of(node, i);
    node->device = out[i].device();
  }
}

}  // namespace tape

TapeNode::~TapeNode() { free(); }

// A node that only this one keeps hands its own inputs over before it goes.
void TapeNode::free() {
  saved.clear();
  std::vector<TapeRef> going = std::move(inputs);
  inputs.clear();
  for (TapeRef& e : stands_in) going.push_back(std::move(e));
  stands_in.clear();
  while (!going.empty()) {
    TapeRef last = std::move(going.back());
    going.pop_back();
    if (!last || last.use_count() > 1) continue;
    for (auto* held : {&last->node->inputs, &last->node->stands_in}) {
      for (TapeRef& e : *held) going.push_back(std::move(e));
      held->clear();
    }
  }
}

namespace autograd {

bool is_recording() { return tape::flags.recording; }
bool is_training() { return tape::flags.training; }
bool set_recording(bool on) { return std::exchange(tape::flags.recording, on); }
bool set_training(bool on) { return std::exchange(tape::flags.training, on); }

void mark_variable(NDArray& variable, const NDArray& gradient, GradReq req) {
  check(bool(variable), "[mark_variable] found no array");
  check(req == GradReq::kNone || bool(gradient), "[mark_variable] found no gradient array");
  if (gradient)
    check(gradient.shape() == variable.shape(),
          "[mark_variable] gradient has shape {}, expected {}", gradient.shape(), variable.shape());
  if (gradient && !variable.is_view()) memory_of(variable).rename("parameters");
  if (gradient && !gradient.is_view()) memory_of(gradient).rename("gradients");
  variable.tape = tape::make_leaf(variable, gradient, req);
}

NDArray gradient_of(const NDArray& variable) {
  return variable.tape && !variable.tape->node->call ? variable.tape->node->gradient : NDArray();
}

bool gradient_is_fresh(const NDArray& variable) {
  return variable.tape && !variable.tape->node->call && variable.tape->node->fresh;
}
void set_gradient_fresh(const NDArray& variable, bool fresh) {
  if (variable.tape && !variable.tape->node->call) variable.tape->node->fresh = fresh;
}

bool is_recorded(const NDArray& array) { return array.tape && array.tape->node->call; }

void record_call(const OpCallRef& call, std::span<const NDArray* const> inputs,
                 std::vector<NDArray>& outputs) {
  for (NDArray& o : outputs) o = o.detach();
  if (!is_recording() || !tape::reaches(inputs)) return;
  check(inputs.size() == call->inputs.size() && outputs.size() == call->outputs.size(),
        "[{}] found {} inputs and {} outputs, expected {} and {}", call->op->name, inputs.size(),
        outputs.size(), call->inputs.size(), call->outputs.size());
  std::vector<ValueInfo> types;
  for (const NDArray& o : outputs) types.push_back(info_of(o));
  tape::record(call, inputs, outputs, types, is_training());
}

void check_inplace(const NDArray& array) {
  check(!is_recording() || !array.tape, tape::kInplaceText);
}

}  // namespace autograd
}  // namespace heddle
