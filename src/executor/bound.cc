// Giving a network its arrays, and running it forward and backward.
#include "executor/bound.h"

#include <utility>

#include "base/settings.h"
#include "executor/fill.h"
#include "executor/start.h"
#include "executor/tune.h"
#include "ndarray/chunk.h"

namespace heddle {

namespace bound {

// The array that was given, checked; or a new one of zeros.
NDArray take_or_make(const char* what, const char* name, const Network::Variable& v,
                     const Arrays& given) {
  auto it = given.find(v.name);
  if (it == given.end() || !it->second) {
    const MemoryName named(name);
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

}  // namespace bound

NetworkSpec network_spec(const BindSpec& spec) {
  const int64_t budget =
      spec.memory_budget < 0 ? bytes_of(setting("HEDDLE_MEMORY_BUDGET")) : spec.memory_budget;
  NetworkSpec n{.device = spec.device,
                .groups = spec.groups,
                .training = spec.training,
                .grad_req = spec.grad_req,
                .default_req = spec.default_req,
                .memory_budget = budget,
                .recompute_all = setting_flag("MXNET_BACKWARD_DO_MIRROR"),
                .join_pointwise = true,
                .scratch_threads = threads(),
                .kernels = kernel_judge()};
  // Who lets shapes be inferred gives those of what he will put in.
  for (const auto& [name, shape] : spec.shapes) n.known[name].shape = shape, n.inputs.insert(name);
  for (const auto& [name, dtype] : spec.dtypes) n.known[name].dtype = dtype;
  for (const Arrays* arrays : {&spec.args, &spec.aux})
    for (const auto& [name, a] : *arrays)
      if (a) n.known[name] = {a.shape(), a.dtype(), Stype::kDense};
  return n;
}

BoundGraph::BoundGraph(Network given_network, const BindSpec& given, std::shared_ptr<Arenas> arenas)
    : network(std::move(given_network)), arenas(std::move(arenas)) {
  start_once();
  planned_ = plan_network(network, network.spec.training);  // who asks for too little is told now
  for (const Network::Variable& v : network.variables) {
    arrays.push_back(v.aux
                         ? bound::take_or_make("auxiliary state", "auxiliary states", v, given.aux)
                         : bound::take_or_make("argument", "arguments", v, given.args));
    gradients.emplace_back();
    if (v.req != GradReq::kNone) {
      memory_of(arrays.back()).rename("parameters");
      gradients.back() = bound::take_or_make("gradient of", "gradients", v, given.grads);
    }
    (v.aux ? aux : args).push_back(arrays.back());
    if (!v.aux) grads.push_back(gradients.back());
  }
  make_outputs();
  program(network.spec.training);
}

// Outputs that are variables are those arrays; others get arrays of their own.
void BoundGraph::make_outputs() {
  const MemoryName named("outputs");
  for (const Network::Output& o : network.outputs)
    outputs.push_back(o.variable >= 0  ? arrays[o.variable]
                      : o.same_as >= 0 ? outputs[o.same_as]
                                       : NDArray(o.type.shape, o.device, o.type.dtype));
}

NDArray BoundGraph::array_of(Home home) const {
  switch (home.kind) {
    case Home::kVariable:
      return arrays[home.index];
    case Home::kOutput:
      return outputs[home.index];
    case Home::kGradient:
      return gradients[home.index];
    case Home::kHead:
      return head_grads_[home.index];
    case Home::kShown:
      return shown_[home.index];
    case Home::kArena:
    case Home::kPrepared:
      break;
  }
  return {};
}

Program& BoundGraph::program(bool training) {
  const bool whole = bool(monitor);
  auto& p = (whole ? watched_ : programs_)[training];
  if (p) return *p;
  std::optional<Plan> plan = whole ? std::nullopt : std::exchange(planned_, std::nullopt);
  if (!plan) plan = plan_network(network, training, whole);
  head_grads_.resize(outputs.size());
  const MemoryName shown("gradients of outputs");
  for (int v = 0; v < plan->graph.values; ++v) {
    const Home home = plan->home[v];
    if (home.kind != Home::kHead && home.kind != Home::kShown) continue;
    auto& arrays = home.kind == Home::kHead ? head_grads_ : shown_;
    if (size_t(home.index) >= arrays.size()) arrays.resize(size_t(home.index) + 1);
    const Blob b = plan->describe(v);
    arrays[home.index] = NDArray(b.shape, b.device, b.dtype);
  }
  const MemoryName named(kept_name("arena of " + network.symbol.outputs().at(0)));
  p = std::make_unique<Program>(
      std::move(*plan), [this](Home home) { return array_of(home); }, *arenas);
  return *p;
}

void BoundGraph::run(Program& p, Part part, bool training) {
  if (monitor) p.push_watched(part, training, seed_, monitor, monitor_inputs);
  else p.push(part, training, seed_);
}

// A run that takes no random numbers leaves the seed of the last one that did.
void BoundGraph::draw_seed(const Program& p, bool training) {
  seeded_ = p.steps().draws(training);
  if (seeded_) seed_ = next_seed(network.spec.device);
}

void BoundGraph::forward(bool training) {
  Program& p = program(training);
  draw_seed(p, training);
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
  if (!network.has_gradients()) return;
  Program& p = program(true);
  load_head_grads(heads);
  // Backward reuses the memory of the activations: a second one, or one after somebody else's run,
  // computes them again, with the same random numbers.
  if (arenas->holder != &p) {
    if (!seeded_) draw_seed(p, true);
    run(p, Part::kForward, true);
  }
  run(p, Part::kBackward, training);
  arenas->holder = nullptr;
  for (int v : p.steps().plan().zero_gradients) fill_zero(gradients[v]);
}

}  // namespace heddle
