// Giving a network its memory, and running it.
#include "runtime/session.h"

#include <cstring>

namespace heddle {

Session::Session(Network network, std::map<std::string, Tensor, std::less<>> given)
    : network_(std::move(network)), given_(std::move(given)) {
  for (const Network::Variable& v : network_.variables) {
    check(v.device.kind == Device::kCpu, "[bind] '{}' is on {}, expected the CPU", v.name,
          v.device);
    const auto it = given_.find(v.name);
    if (it == given_.end()) {
      variables_.push_back(make(v.type));
    } else {
      const Blob& b = it->second.blob;
      check(b.shape == v.type.shape && b.dtype == v.type.dtype,
            "[bind] {} '{}' has shape {} and dtype {}, expected {} and {}",
            v.aux ? "auxiliary state" : "argument", v.name, b.shape, b.dtype, v.type.shape,
            v.type.dtype);
      variables_.push_back(b);
    }
    gradients_.push_back(v.req == GradReq::kNone ? Blob{} : make(v.type));
  }
  for (const Network::Output& o : network_.outputs)
    outputs_.push_back(o.variable >= 0  ? variables_[o.variable]
                       : o.same_as >= 0 ? outputs_[o.same_as]
                                        : make(o.type));
  program(network_.spec.training);  // what does not fit is found now
}

Blob Session::make(const ValueInfo& type) {
  Blob b{nullptr, type.shape, type.dtype, Device{}};
  b.data = memory_.emplace_back(b.bytes()).data();
  return b;
}

size_t Session::at(std::string_view name) const {
  const int i = network_.find(name);
  check(i >= 0, "[bind] found no variable '{}'", name);
  return size_t(i);
}

Session::Program& Session::program(bool training) {
  auto& p = programs_[training];
  if (p) return *p;
  const bool gradients = training && network_.has_gradients();
  p.emplace(plan_network(network_, training));
  const Plan& plan = p->steps.plan();
  for (const auto& arena : plan.arenas) p->arenas.emplace_back(arena.second);
  for (int v = 0; v < plan.graph.values; ++v)
    if (plan.home[v].kind == Home::kPrepared)  // their homes count in the order of values
      p->prepared.emplace_back(plan.describe(v).bytes());
  if (gradients)
    for (size_t i = 0; i < network_.outputs.size(); ++i)
      heads_.push_back(plan.reads_head[i] ? make(network_.outputs[i].type) : Blob{});
  for (int i = 0; i < p->steps.size(); ++i)
    p->steps.locate(i, [&](int value) { return address(*p, value); });
  return *p;
}

void* Session::address(const Program& p, int value) const {
  const Plan& plan = p.steps.plan();
  const Home home = plan.home[value];
  switch (home.kind) {
    case Home::kVariable:
      return variables_[home.index].data;
    case Home::kOutput:
      return outputs_[home.index].data;
    case Home::kGradient:
      return gradients_[home.index].data;
    case Home::kHead:
      return heads_[home.index].data;
    case Home::kPrepared:
      return p.prepared[home.index].data();
    case Home::kArena:
      break;
  }
  if (plan.offset[value] < 0) return nullptr;
  for (size_t i = 0; i < plan.arenas.size(); ++i)
    if (plan.arenas[i].first == plan.device(value)) return p.arenas[i].data() + plan.offset[value];
  return nullptr;
}

void Session::run(Part part, bool training, uint64_t seed) {
  Steps& steps = program(training).steps;
  for (int i = 0; i < steps.size(); ++i) {
    if (!steps.is_part(i, part)) continue;
    const Step& s = steps[i];
    if (s.kernel) steps.run(i, steps.device(i), nullptr, training, seed);
    else std::memcpy(s.out[0].data, s.in[0].data, size_t(s.in[0].bytes()));  // cpu(0) to cpu(1)
  }
}

// Variables may have been written since the last run: nobody tells.
void Session::forward(bool training, uint64_t seed) {
  run(Part::kPrepare, training, seed);
  run(Part::kForward, training, seed);
  ready_ = training;
  seed_ = seed;
}

void Session::load_heads(std::span<const Blob> heads) {
  check(heads.empty() || heads.size() == outputs_.size(),
        "[backward] found {} head gradients, expected {}", heads.size(), outputs_.size());
  for (size_t i = 0; i < heads_.size(); ++i) {
    const Blob& into = heads_[i];
    if (!into.data) continue;
    check(i < heads.size() && heads[i].data,
          "[backward] output {} is not a loss, expected the gradient of it", i);
    check(heads[i].shape == into.shape && heads[i].dtype == into.dtype,
          "[backward] head gradient {} has shape {} and dtype {}, expected {} and {}", i,
          heads[i].shape, heads[i].dtype, into.shape, into.dtype);
    std::memcpy(into.data, heads[i].data, size_t(into.bytes()));
  }
}

void Session::backward(std::span<const Blob> heads) {
  if (!network_.has_gradients()) return;
  check(ready_, "[backward] nothing was run forward in training mode since the last one");
  load_heads(heads);
  ready_ = false;  // the memory of the activations is used again
  run(Part::kBackward, true, seed_);
  for (int v : program(true).steps.plan().zero_gradients)
    std::memset(gradients_[v].data, 0, size_t(gradients_[v].bytes()));
}

}  // namespace heddle
