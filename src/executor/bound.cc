// Giving a symbol its arrays, and running it forward and backward.
#include "executor/bound.h"

#include "executor/fill.h"
#include "executor/start.h"

namespace heddle {

namespace bound {

// The array that was given, checked; or a new one of zeros.
NDArray take_or_make(const char* what, const BoundVariable& v, const Arrays& given) {
  auto it = given.find(v.name);
  if (it == given.end() || !it->second) {
    NDArray a(v.type.shape, v.device, v.type.dtype);
    fill_zero(a);
    return a;
  }
  const NDArray& a = it->second;
  check(a.shape() == v.type.shape && a.dtype() == v.type.dtype,
        "[bind] {} '{}' has shape {} and dtype {}, expected {} and {}", what, v.name, a.shape(),
        a.dtype(), v.type.shape, v.type.dtype);
  check(a.device().kind == v.device.kind, "[bind] {} '{}' is on {}, expected {}", what, v.name,
        a.device(), v.device);
  return a.detach();
}

BindSpec without_arrays(BindSpec spec) {
  spec.args.clear(), spec.grads.clear(), spec.aux.clear();
  return spec;
}

}  // namespace bound

BoundGraph::BoundGraph(const Symbol& symbol, BindSpec given, std::shared_ptr<Arenas> arenas)
    : symbol(symbol), spec(bound::without_arrays(given)), arenas(std::move(arenas)) {
  start_once();
  variables = analyse_variables(symbol, given);
  for (BoundVariable& v : variables) {
    v.array = bound::take_or_make(v.aux ? "auxiliary state" : "argument", v,
                                  v.aux ? given.aux : given.args);
    if (v.req != GradReq::kNone) v.gradient = bound::take_or_make("gradient of", v, given.grads);
    has_gradients_ |= v.req != GradReq::kNone;
    (v.aux ? aux : args).push_back(v.array);
    if (!v.aux) grads.push_back(v.gradient);
  }
  make_outputs();
  program(spec.training);
}

// Outputs that are variables are those arrays; others get arrays of their own.
void BoundGraph::make_outputs() {
  const Plan types = plan_forward(*this, spec.training);
  for (int value : types.graph.outputs) {
    const Graph::Node& n = types.graph.nodes[types.producer[value]];
    if (!n.call) {
      for (const BoundVariable& v : variables)
        if (v.name == n.name) outputs.push_back(v.array);
      continue;
    }
    NDArray out;
    for (size_t i = 0; i < outputs.size(); ++i)
      if (types.graph.outputs[i] == value) out = outputs[i];
    const ValueInfo& t = types.types[value];
    if (!out) out = NDArray(t.shape, types.where[types.producer[value]], t.dtype);
    outputs.push_back(out);
  }
}

Program& BoundGraph::program(bool training) {
  auto& p = programs_[training];
  if (p) return *p;
  if (training && has_gradients_) {
    TrainingPlan t = plan_training(*this);
    head_grads_ = std::move(t.head_grads);
    zero_grads_ = std::move(t.zero_grads);
    p = std::make_unique<Program>(std::move(t.plan), *arenas);
  } else {
    p = std::make_unique<Program>(plan_forward(*this, training), *arenas);
  }
  return *p;
}

void BoundGraph::run(Program& p, Part part, bool training) {
  if (monitor) p.push_watched(part, training, seed_, monitor, monitor_inputs);
  else p.push(part, training, seed_);
}

void BoundGraph::forward(bool training) {
  Program& p = program(training);
  if (p.steps().random()) seed_ = next_seed(spec.device);
  arenas->holder = nullptr;
  run(p, Part::kForward, training);
  if (training) arenas->holder = &p;
}

void BoundGraph::load_head_grads(std::span<const NDArray> heads) {
  check(heads.empty() || heads.size() == outputs.size(),
        "[backward] found {} head gradients, expected {}", heads.size(), outputs.size());
  for (size_t i = 0; i < head_grads_.size(); ++i) {
    const NDArray& into = head_grads_[i];
    if (!into) continue;
    check(i < heads.size() && heads[i],
          "Because the last operator is not Loss function, head_gradient is required when calling "
          "backward. If you are attempting to minimize the output as an objective, please modify "
          "your network and pass it through the make_loss symbol.");
    check(heads[i].shape() == into.shape(), "[backward] head gradient {} has shape {}, expected {}",
          i, heads[i].shape(), into.shape());
  }
  for (size_t i = 0; i < head_grads_.size(); ++i)
    if (head_grads_[i]) copy(heads[i], head_grads_[i]);
}

void BoundGraph::backward(std::span<const NDArray> heads, bool training) {
  if (!has_gradients_) return;
  Program& p = program(true);
  load_head_grads(heads);
  // Backward reuses the memory of the activations: a second one, or one after somebody else's run,
  // computes them again, with the same random numbers.
  if (arenas->holder != &p) run(p, Part::kForward, true);
  run(p, Part::kBackward, training);
  arenas->holder = nullptr;
  for (const NDArray& g : zero_grads_) fill_zero(g);
}

}  // namespace heddle
