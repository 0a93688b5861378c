// autograd::backward and grad: which gradients are wanted, and where they go.
#include "executor/backward.h"
#include "executor/cached_tape.h"
#include "executor/fill.h"

namespace heddle {

namespace autograd {

void check_head_grads(std::span<const NDArray> heads, std::span<const NDArray> head_grads) {
  check(!heads.empty(), "[backward] found no heads");
  check(head_grads.empty() || head_grads.size() == heads.size(),
        "[backward] found {} head gradients, expected {}", head_grads.size(), heads.size());
  for (size_t i = 0; i < head_grads.size(); ++i)
    if (head_grads[i])
      check(head_grads[i].shape() == heads[i].shape() && head_grads[i].dtype() == heads[i].dtype(),
            "[backward] head gradient {} has shape {} and dtype {}, expected {} and {}", i,
            head_grads[i].shape(), head_grads[i].dtype(), heads[i].shape(), heads[i].dtype());
}

// Invokes a call while recording is as said.
void invoke_recording(bool on, const OpCallRef& call, std::span<const NDArray* const> in,
                      std::vector<NDArray>& out) {
  const bool recording = set_recording(on);
  try {
    invoke(call, in, out);
  } catch (...) {
    set_recording(recording);
    throw;
  }
  set_recording(recording);
}

// The gradient of what nothing flows back to. One that is differentiated again is zeros like the
// variable, on the tape as all others are.
NDArray no_gradient(const NDArray& variable, bool create_graph) {
  if (create_graph) {
    static const auto* zeros = new OpCallRef(make_call(OpTable::get().of(Meaning::kZeros), {}));
    std::vector<NDArray> out;
    const NDArray* in[] = {&variable};
    invoke_recording(true, *zeros, in, out);
    return out[0];
  }
  NDArray made(variable.shape(), variable.device(), variable.dtype());
  fill_zero(made);
  return made;
}

// Puts a gradient where the leaf wants it.
void deliver(const NDArray& found, const NDArray& into, GradReq req) {
  if (!found) {
    if (req != GradReq::kAdd) fill_zero(into);  // nothing flows back
  } else if (req == GradReq::kAdd) {
    static const auto* add = new OpCallRef(make_call(OpTable::get().of(Meaning::kAdd), {}));
    std::vector<NDArray> out = {into};
    const NDArray* in[] = {&into, &found};
    invoke_recording(false, *add, in, out);
  } else if (!found.shares_memory(into) || found.offset() != into.offset()) {
    copy(found, into);
  }
}

void backward(std::span<const NDArray> heads, std::span<const NDArray> head_grads,
              bool retain_graph, bool training) {
  check_head_grads(heads, head_grads);
  FrozenTape tape = freeze(heads);
  std::vector<BackwardTarget> targets;
  for (int i : tape.leaves) {
    const TapeRef& leaf = tape.nodes[i];
    const GradReq req = leaf->node->req;
    if (req == GradReq::kNone) continue;
    targets.push_back({leaf, req == GradReq::kAdd ? NDArray() : leaf->node->gradient});
  }
  check(!targets.empty(), "There are no inputs in computation graph that require gradients.");
  const auto found = run_backward(std::move(tape), targets,
                                  {.heads = heads,
                                   .head_grads = head_grads,
                                   .retain_graph = retain_graph,
                                   .training = training});
  for (size_t i = 0; i < targets.size(); ++i) {
    TapeNode& leaf = *targets[i].entry->node;
    deliver(found[i], leaf.gradient, leaf.req);
    leaf.fresh = true;
  }
}

std::vector<NDArray> grad(std::span<const NDArray> heads, std::span<const NDArray> variables,
                          std::span<const NDArray> head_grads, bool retain_graph, bool create_graph,
                          bool training) {
  check_head_grads(heads, head_grads);
  if (create_graph) unroll_cached(heads);
  FrozenTape tape = freeze(heads);
  std::vector<BackwardTarget> targets;
  for (size_t i = 0; i < variables.size(); ++i) {
    const NDArray& v = variables[i];
    check(v && v.tape,
          "Cannot differentiate with respect to the {}-th variable because it does not require "
          "gradient.",
          i + 1);
    check(tape.value_of(v.tape) >= 0,
          "Cannot differentiate with respect to the {}-th variable because it is unreachable from "
          "the outputs.",
          i + 1);
    targets.push_back({v.tape});
  }
  auto found = run_backward(std::move(tape), targets,
                            {.heads = heads,
                             .head_grads = head_grads,
                             .retain_graph = retain_graph,
                             .create_graph = create_graph,
                             .training = training});
  for (size_t i = 0; i < found.size(); ++i)
    if (!found[i]) found[i] = no_gradient(variables[i], create_graph);
  return found;
}

}  // namespace autograd
}  // namespace heddle
