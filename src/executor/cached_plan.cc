// Running a plan on arrays that are new each time.
#include "executor/cached_plan.h"

#include <algorithm>

#include "heddle/profiler.h"
#include "ndarray/chunk.h"

namespace heddle {

CachedPlan::CachedPlan(Network given, Plan plan, std::vector<int> variable_of,
                       std::vector<int> streams)
    : network(std::move(given)),
      variable_of(std::move(variable_of)),
      streams(std::move(streams)),
      steps_(std::move(plan)) {
  const Plan& p = steps_.plan();
  check(p.arenas.size() <= 1, "[CachedOp] found values on {} devices, expected one",
        p.arenas.size());
  reads_output_.assign(network.outputs.size(), 0);
  uses_.assign(network.variables.size(), {false, Access::kRead});
  for (int i = 0; i < steps_.size(); ++i) {
    const Graph::Node& n = steps_.node(i);
    const Part part = steps_.is_part(i, Part::kPrepare)   ? Part::kPrepare
                      : steps_.is_part(i, Part::kForward) ? Part::kForward
                                                          : Part::kBackward;
    if (steps_[i].idle) continue;
    parts_[size_t(part)].push_back(i);
    if (part == Part::kForward) forward_bytes_ += steps_[i].bytes;
    for (size_t k = 0; k < n.inputs.size(); ++k) {
      const Home home = p.home[n.inputs[k]];
      if (n.call->inputs[k].shape_only) continue;
      if (home.kind == Home::kOutput && part == Part::kBackward)
        reads_output_[size_t(home.index)] = 1;
      if (home.kind != Home::kVariable) continue;
      if (part == Part::kPrepare) prepared_from_.push_back(home.index);
      if (part != Part::kForward) continue;
      auto& [used, access] = uses_[size_t(home.index)];
      used = true;
      if (n.call->inputs[k].role != Role::kRead) access = Access::kUpdate;
    }
  }
  std::sort(prepared_from_.begin(), prepared_from_.end());
  prepared_from_.erase(std::unique(prepared_from_.begin(), prepared_from_.end()),
                       prepared_from_.end());
  const MemoryName named("prepared weights");
  for (int v = 0; v < p.graph.values; ++v)  // they count in the order of values
    if (p.home[v].kind == Home::kPrepared) {
      const Blob b = p.describe(v);
      prepared_.emplace_back(b.shape, b.device, b.dtype);
      if (p.passing[v]) passing_.push_back(prepared_.back());
    }
}

int64_t CachedPlan::arena_bytes() const {
  return plan().arenas.empty() ? 0 : plan().arenas[0].second;
}

bool CachedPlan::uses(int variable, Access* access) const {
  const auto& [used, how] = uses_[size_t(variable)];
  *access = how;
  return used;
}

void* CachedPlan::address(int value, const Places& at) const {
  const Home home = plan().home[value];
  const auto index = size_t(home.index);
  switch (home.kind) {
    case Home::kVariable:
      return static_cast<char*>(at.variables[index]) + home.offset;
    case Home::kOutput:
      return at.outputs[index];
    case Home::kGradient:
      return at.gradients[index];
    case Home::kHead:
      return at.heads[index];
    case Home::kPrepared:
      return prepared_[index].blob().data;
    case Home::kShown:
    case Home::kArena:
      break;
  }
  if (plan().offset[value] < 0) return nullptr;
  return static_cast<char*>(at.arena) + plan().offset[value];
}

std::unique_ptr<Steps> CachedPlan::borrow() {
  {
    std::lock_guard lock(mutex_);
    if (!idle_.empty()) {
      auto steps = std::move(idle_.back());
      idle_.pop_back();
      return steps;
    }
  }
  return std::make_unique<Steps>(steps_);
}

void CachedPlan::give_back(std::unique_ptr<Steps> steps) {
  std::lock_guard lock(mutex_);
  idle_.push_back(std::move(steps));
}

void CachedPlan::run(Part part, const RunContext& where, const Places& at, bool training,
                     std::span<const uint64_t> seeds) {
  struct Borrowed {
    explicit Borrowed(CachedPlan& of) : plan(of), steps(of.borrow()) {}
    ~Borrowed() { plan.give_back(std::move(steps)); }
    Borrowed(const Borrowed&) = delete;
    CachedPlan& plan;
    std::unique_ptr<Steps> steps;
  } borrowed(*this);
  Steps& steps = *borrowed.steps;
  for (int i : parts_[size_t(part)]) {
    steps.locate(
        i, [&](int value) { return address(value, at); }, at.arena);
    const Graph::Node& n = steps.node(i);
    uint64_t seed = 0;
    if (n.call->op->draws) {
      const auto found = std::find(streams.begin(), streams.end(), n.stream);
      if (found != streams.end()) seed = seeds[size_t(found - streams.begin())];
    }
    const profiler::Part named(n.call->op->name.c_str());
    steps.run_seeded(i, where.device, where.stream, training, seed);
  }
}

template <class Find>
CachedPlan::Versions CachedPlan::versions(const Find& array_of) const {
  Versions found;
  for (int v : prepared_from_) {
    const Var& var = array_of(v)->var();
    found.emplace_back(var, var.version());
  }
  return found;
}

void CachedPlan::prepare(std::span<const NDArray* const> variables, const RunContext& where) {
  if (prepared_.empty()) return;
  std::lock_guard lock(preparing_);  // until it is pushed: who comes later finds it in the queue
  Versions now = versions([&](int v) { return variables[size_t(v)]; });
  if (now == prepared_of_) return;
  Task task{.name = "prepare", .device = where.device};
  std::vector<NDArray> read(network.variables.size());
  for (int v : prepared_from_) {
    read[size_t(v)] = variables[size_t(v)]->detach();
    task.uses.push_back({read[size_t(v)].var(), Access::kRead});
  }
  for (const NDArray& a : prepared_) task.uses.push_back({a.var(), Access::kOverwrite});
  task.run = [plan = shared_from_this(), read = std::move(read)](RunContext& here) {
    Places at;
    for (const NDArray& a : read) at.variables.push_back(a ? a.blob().data : nullptr);
    plan->run(Part::kPrepare, here, at, false, {});
    for (const NDArray& a : plan->passing_) memory_of(a).release();
  };
  Engine::get().push(std::move(task));
  prepared_of_ = std::move(now);
}

void CachedPlan::drop_stale(std::span<const NDArray* const> in) {
  if (prepared_.empty()) return;
  std::lock_guard lock(preparing_);
  if (prepared_of_.empty()) return;
  const auto given = [&](int v) {
    return in[size_t(std::find(variable_of.begin(), variable_of.end(), v) - variable_of.begin())];
  };
  if (versions(given) == prepared_of_) return;
  prepared_of_.clear();
  Task task{.name = "drop", .small = true};
  for (const NDArray& a : prepared_) task.uses.push_back({a.var(), Access::kOverwrite});
  task.run = [plan = shared_from_this()](RunContext&) {
    for (const NDArray& a : plan->prepared_) memory_of(a).release();
  };
  Engine::get().push(std::move(task));
}

}  // namespace heddle
