// The record of a cached run, its gradient, and what it is made of.
#include "executor/cached_tape.h"

#include <unordered_set>

#include "executor/seed.h"
#include "executor/tape.h"

namespace heddle {

namespace cached {

// Memory for what has to be written and is not wanted.
void* spare(OpContext& ctx, const ValueInfo& type) {
  return ctx.scratch(size_t(type.shape.size() * dtype_size(type.dtype)));
}

void zero(OpContext& ctx, Blob to) {
  static const auto* zeros = new OpCallRef(make_call(OpTable::get().of(Meaning::kZeros), {}));
  OpContext inner(ctx.device, ctx.stream, ctx.training);
  const Blob like = to;
  run_kernel(**zeros, inner, {&like, 1}, {&to, 1});
}

// A second backward finds the activations gone, as their memory was used for gradients: they are
// computed again. Auxiliary states have moved once; this run moves copies.
void forward_again(const CachedRun& run, OpContext& ctx, CachedPlan::Places& at) {
  const Network& network = run.plan->network;
  CachedPlan::Places again = at;
  for (size_t v = 0; v < network.variables.size(); ++v) {
    if (!network.variables[v].aux) continue;
    const ValueInfo& type = network.variables[v].type;
    again.variables[v] = spare(ctx, type);
    device_api(ctx.device)
        .copy(again.variables[v], ctx.device, at.variables[v], ctx.device,
              size_t(type.shape.size() * dtype_size(type.dtype)), ctx.stream);
  }
  for (size_t i = 0; i < network.outputs.size(); ++i)
    at.outputs[i] = again.outputs[i] = spare(ctx, network.outputs[i].type);
  run.plan->run(Part::kForward, {ctx.device, ctx.stream}, again, run.training, run.seeds);
}

// Inputs: what forward_record's reads name, in that order; see cached_call().
void backward(const CachedRun& run, OpContext& ctx, Inputs in, Outputs out) {
  CachedPlan& plan = *run.plan;
  const Network& network = plan.network;
  CachedPlan::Places at;
  at.heads.resize(network.outputs.size()), at.outputs.resize(network.outputs.size());
  at.variables.resize(network.variables.size()), at.gradients.resize(network.variables.size());
  int next = 0;
  for (size_t i = 0; i < network.outputs.size(); ++i)
    if (plan.plan().reads_head[i]) at.heads[i] = in[next++].data;
  for (int v : plan.variable_of) at.variables[size_t(v)] = in[next++].data;
  at.arena = in[next++].data;
  for (size_t i = 0; i < network.outputs.size(); ++i)
    if (plan.backward_reads_output(int(i))) at.outputs[i] = in[next++].data;
  if (!run.ready) forward_again(run, ctx, at);
  run.ready = false;
  size_t place = 0;
  std::vector<int> of_variable(network.variables.size(), -1);
  for (int v : plan.variable_of) {
    const Network::Variable& variable = network.variables[size_t(v)];
    if (variable.aux) continue;
    of_variable[size_t(v)] = int(place);
    if (ctx.wants(int(place))) at.gradients[size_t(v)] = out[place].data;
    else if (variable.req != GradReq::kNone) at.gradients[size_t(v)] = spare(ctx, variable.type);
    ++place;
  }
  plan.run(Part::kBackward, {ctx.device, ctx.stream}, at, ctx.training, run.seeds);
  for (int v : plan.plan().zero_gradients)
    if (const int k = of_variable[size_t(v)]; k >= 0 && ctx.wants(k)) zero(ctx, out[size_t(k)]);
}

// The two records. They are not in the catalogue: nobody calls them by name.
struct Records {
  OpDef forward{.name = "CachedOp"}, backward{.name = "_backward_CachedOp"};
  Records() {
    for (const Device::Kind kind : {Device::kCpu, Device::kCuda})
      backward.kernels.push_back(
          {.on = kind, .library = "cached", .run = Kernel(&cached::backward), .accepts = {}});
    forward.backward.run = Kernel(&cached::backward);
    forward.backward_op = &backward;
    backward.forward = &forward;
  }
};
const Records& records() {
  static const auto* r = new Records;
  return *r;
}

}  // namespace cached

OpCallRef cached_call(std::shared_ptr<CachedRun> run) {
  const CachedPlan& plan = *run->plan;
  const Network& network = plan.network;
  auto forward = std::make_shared<OpCall>();
  auto backward = std::make_shared<OpCall>();
  forward->op = &cached::records().forward;
  backward->op = &cached::records().backward;
  const int outputs = int(network.outputs.size());
  for (int i = 0; i < outputs; ++i) forward->outputs.push_back({.name = format("output{}", i)});
  forward->visible_outputs = outputs;
  const auto read = [&](Ref what, Input as) {
    forward->reads.push_back(what);
    backward->inputs.push_back(std::move(as));
  };
  for (int i = 0; i < outputs; ++i)
    if (plan.plan().reads_head[size_t(i)]) read(dy(i), {.name = "grad_of_output"});
  for (int v : plan.variable_of) {
    const Network::Variable& variable = network.variables[size_t(v)];
    const int i = int(forward->inputs.size());
    forward->inputs.push_back(
        {.name = variable.name, .role = variable.aux ? Role::kAux : Role::kRead});
    read(x(i), {.name = variable.name});
    if (!variable.aux) backward->outputs.push_back({.name = "grad"});
  }
  // Backward works in the arena; as a state, it may have changed since it was recorded.
  forward->inputs.push_back({.name = "arena", .role = Role::kAux});
  read(x(int(forward->inputs.size()) - 1), {.name = "arena", .role = Role::kAux});
  for (int i = 0; i < outputs; ++i)
    if (plan.backward_reads_output(i)) read(y(i), {.name = format("output{}", i)});
  backward->visible_outputs = int(backward->outputs.size());
  backward->params = run;
  forward->params = std::move(run);
  forward->backward = std::move(backward);
  return forward;
}

namespace cached {

// Sets the flags of the thread while in scope.
class Mode {
 public:
  explicit Mode(bool training)
      : recording_(autograd::set_recording(true)), training_(autograd::set_training(training)) {}
  ~Mode() {
    autograd::set_recording(recording_);
    autograd::set_training(training_);
  }
  Mode(const Mode&) = delete;

 private:
  const bool recording_, training_;
};

void unroll(TapeNode& node) {
  const auto& run = *static_cast<const CachedRun*>(node.call->params.get());
  const size_t count = node.call->inputs.size() - 1;  // without the arena
  std::vector<NDArray> arrays(count);
  for (const SavedArray& s : node.saved) {
    const auto i = size_t(s.what.index);
    if (s.what.kind != Ref::kX || i >= count) continue;
    check(!s.fixed || s.array.var().version() == s.version,
          "[CachedOp] an array that its gradient reads ({}, shape {}) was overwritten after it was "
          "recorded",
          node.call->inputs[i].name, s.array.shape());
    arrays[i] = s.array;
    if (node.call->inputs[i].role == Role::kAux) {
      arrays[i] = NDArray(s.array.shape(), s.array.device(), s.array.dtype());
      copy(s.array, arrays[i]);
    }
    arrays[i].tape = node.inputs[i];
  }
  std::vector<const NDArray*> in;
  for (const NDArray& a : arrays) in.push_back(&a);
  const Mode mode(run.training);
  SeedsAgain seeds(run.seeds);
  std::vector<NDArray> out = run.replay->run(in, node.device);
  for (NDArray& o : out)  // what depends on nothing that was recorded is a constant
    node.stands_in.push_back(o.tape ? o.tape : tape::make_leaf(o, {}, GradReq::kNone));
  node.saved.clear();
}

}  // namespace cached

void unroll_cached(std::span<const NDArray> heads) {
  std::unordered_set<const TapeNode*> seen;
  std::vector<TapeRef> path;
  const auto enter = [&](const TapeRef& e) {
    if (const TapeRef& at = standing_in(e); at && seen.insert(at->node).second) path.push_back(at);
  };
  for (const NDArray& head : heads)
    if (head) enter(head.tape);
  while (!path.empty()) {
    const TapeRef at = std::move(path.back());
    path.pop_back();
    TapeNode& node = *at->node;
    if (node.call && node.call->op == &cached::records().forward && !node.freed)
      cached::unroll(node);
    for (const TapeRef& input : node.inputs) enter(input);
  }
}

}  // namespace heddle
