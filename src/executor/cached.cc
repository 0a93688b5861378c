// A symbol as an operator: plans by the types of the arrays, and one task per call.
#include <algorithm>
#include <list>
#include <mutex>
#include <optional>
#include <set>

#include "executor/bound.h"
#include "executor/cached_tape.h"
#include "executor/start.h"
#include "executor/tape.h"
#include "heddle/cached_op.h"
#include "heddle/storage.h"

namespace heddle {

namespace cached {

// Starting a task costs as much as work on so many bytes.
constexpr int64_t kSmallBytes = 1 << 20;
constexpr size_t kFewUses = 64;

// What a plan is made for.
struct Key {
  bool training = false, recorded = false;
  Device device = {};
  std::vector<ValueInfo> types = {};     // of the inputs
  std::vector<uint8_t> wants_grad = {};  // of the inputs; empty where nothing is recorded
};

bool same_host(Device a, Device b) {
  const auto host = [](Device d) { return d.kind == Device::kCpu || d.kind == Device::kPinned; };
  return a == b || (host(a) && host(b));
}

// The work of a forward run.
struct Forward {
  std::shared_ptr<CachedPlan> plan;
  std::shared_ptr<CachedRun> run;  // says the mode and the seeds

  void operator()(const RunContext& where, std::span<const NDArray* const> in,
                  std::span<const NDArray> out, const NDArray& arena) const {
    CachedPlan::Places at;
    at.variables.resize(plan->network.variables.size());
    Access access;
    for (size_t i = 0; i < in.size(); ++i) {
      const int v = plan->variable_of[i];
      if (plan->uses(v, &access)) at.variables[size_t(v)] = in[i]->blob().data;
    }
    for (const NDArray& a : out) at.outputs.push_back(a.blob().data);
    at.gradients.resize(plan->network.variables.size());
    at.heads.resize(out.size());
    at.arena = arena.blob().data;
    plan->run(Part::kForward, where, at, run->training, run->seeds);
  }
};

// Outputs that are variables, or said twice, become copies: every output has memory of its own.
Symbol with_own_outputs(const Symbol& symbol) {
  std::vector<Entry> entries;
  std::set<std::pair<const Node*, int>> seen;
  for (const Entry& e : symbol.entries()) {
    if (e.node->call && seen.emplace(e.node.get(), e.index).second) {
      entries.push_back(e);
      continue;
    }
    const OpCallRef copy = make_call(OpTable::get().of(Meaning::kIdentity), {});
    entries.push_back(Symbol::apply(copy, {Symbol({e})}, {}, e.node->name + "_copy").entries()[0]);
  }
  return Symbol(std::move(entries));
}

}  // namespace cached

class CachedGraph {
 public:
  CachedGraph(Symbol given, CachedOptions options)
      : symbol(std::move(given)),
        options(options),
        replay(std::make_shared<Replay>(symbol)),
        planned_(cached::with_own_outputs(symbol)),
        names_(symbol.inputs()) {}

  std::vector<NDArray> call(std::span<const NDArray* const> in);
  size_t plans() {
    std::lock_guard lock(mutex_);
    return plans_.size();
  }

  const Symbol symbol;
  const CachedOptions options;
  const std::shared_ptr<const Replay> replay;

 private:
  struct Planned {
    cached::Key key;
    std::shared_ptr<CachedPlan> plan;
  };
  void check_inputs(std::span<const NDArray* const> in) const;
  bool fits(const cached::Key& key, std::span<const NDArray* const> in, bool training,
            bool recorded) const;
  std::shared_ptr<CachedPlan> plan_for(std::span<const NDArray* const> in, bool training,
                                       bool recorded);
  std::shared_ptr<CachedPlan> make_plan(const cached::Key& key) const;
  void drop_stale(std::span<const NDArray* const> in);
  void push(const cached::Forward& forward, std::span<const NDArray* const> in,
            std::span<const NDArray> out, const NDArray& arena, Device device) const;

  const Symbol planned_;
  const std::vector<std::string> names_;  // of the inputs
  std::mutex mutex_;
  std::list<Planned> plans_;  // the one that was used last is first
};

void CachedGraph::check_inputs(std::span<const NDArray* const> in) const {
  check(in.size() == names_.size(), "[CachedOp] found {} inputs, expected {}", in.size(),
        names_.size());
  for (size_t i = 0; i < in.size(); ++i) {
    check(in[i] && *in[i], "[CachedOp] {} is missing", names_[i]);
    check(cached::same_host(in[i]->device(), in[0]->device()),
          "[CachedOp] {} is on {}, expected {}, where {} is", names_[i], in[i]->device(),
          in[0]->device(), names_[0]);
    check(in[i]->tape || !autograd::is_recording() || !in[i]->left_behind(),
          "[CachedOp] {} is a view of an array that was written while autograd recorded: it would "
          "stand for a constant. Take the view again, or detach() it",
          names_[i]);
  }
}

bool CachedGraph::fits(const cached::Key& key, std::span<const NDArray* const> in, bool training,
                       bool recorded) const {
  if (key.training != training || key.recorded != recorded) return false;
  if (!in.empty() && key.device != in[0]->device()) return false;
  for (size_t i = 0; i < in.size(); ++i) {
    const ValueInfo& t = key.types[i];
    if (t.dtype != in[i]->dtype() || t.shape != in[i]->shape()) return false;
    if (recorded && bool(key.wants_grad[i]) != bool(in[i]->tape)) return false;
  }
  return true;
}

std::shared_ptr<CachedPlan> CachedGraph::plan_for(std::span<const NDArray* const> in, bool training,
                                                  bool recorded) {
  std::lock_guard lock(mutex_);
  for (auto p = plans_.begin(); p != plans_.end(); ++p) {
    if (!fits(p->key, in, training, recorded)) continue;
    plans_.splice(plans_.begin(), plans_, p);
    return p->plan;
  }
  cached::Key key{.training = training, .recorded = recorded};
  if (!in.empty()) key.device = in[0]->device();
  for (const NDArray* a : in) {
    key.types.push_back(info_of(*a));
    if (recorded) key.wants_grad.push_back(bool(a->tape));
  }
  auto plan = make_plan(key);
  plans_.push_front({std::move(key), plan});
  if (plans_.size() > options.most_plans) plans_.pop_back();
  return plan;
}

// While a network learns, what plans of prediction have made of its weights is of no use.
void CachedGraph::drop_stale(std::span<const NDArray* const> in) {
  std::lock_guard lock(mutex_);
  for (const Planned& p : plans_) p.plan->drop_stale(in);
}

std::shared_ptr<CachedPlan> CachedGraph::make_plan(const cached::Key& key) const {
  BindSpec spec{.device = key.device,
                .default_req = GradReq::kNone,
                .training = key.recorded,
                .memory_budget = options.memory_budget};
  for (size_t i = 0; i < names_.size(); ++i) {
    spec.shapes[names_[i]] = key.types[i].shape;
    spec.dtypes[names_[i]] = key.types[i].dtype;
    if (key.recorded && key.wants_grad[i]) spec.grad_req[names_[i]] = GradReq::kWrite;
  }
  Network network = analyse(planned_, network_spec(spec));
  std::vector<int> variable_of;
  for (size_t i = 0; i < names_.size(); ++i) {
    const int v = network.find(names_[i]);
    const ValueInfo& found = network.variables[size_t(v)].type;
    check(found.dtype == key.types[i].dtype, "[CachedOp] {} has dtype {}, expected {}", names_[i],
          key.types[i].dtype, found.dtype);
    variable_of.push_back(v);
  }
  // As eager calls follow each other, whatever the order of the plan.
  std::vector<int> streams;
  for (const Graph::Node& n : expand(Graph::of(planned_)).nodes)
    if (n.call && n.call->draws(key.training)) streams.push_back(n.stream);
  Plan plan = key.recorded && network.has_gradients() ? plan_training(network)
                                                      : plan_forward(network, key.training);
  return std::make_shared<CachedPlan>(std::move(network), std::move(plan), std::move(variable_of),
                                      std::move(streams));
}

void CachedGraph::push(const cached::Forward& forward, std::span<const NDArray* const> in,
                       std::span<const NDArray> out, const NDArray& arena, Device device) const {
  CachedPlan& plan = *forward.plan;
  std::vector<const NDArray*> variables(plan.network.variables.size());
  for (size_t i = 0; i < in.size(); ++i) variables[size_t(plan.variable_of[i])] = in[i];
  plan.prepare(variables, {device, nullptr});

  std::vector<Engine::BorrowedUse> uses;
  const auto use = [&](const NDArray& a, Access access) {
    for (auto& u : uses) {
      if (*u.var != a.var()) continue;
      if (access != Access::kRead) u.access = Access::kUpdate;
      return;
    }
    uses.push_back({&a.var(), access});
  };
  Access access;
  for (size_t i = 0; i < in.size(); ++i)
    if (plan.uses(plan.variable_of[i], &access)) use(*in[i], access);
  for (const NDArray& a : plan.prepared()) use(a, Access::kRead);
  for (const NDArray& a : out) uses.push_back({&a.var(), Access::kOverwrite});
  uses.push_back({&arena.var(), Access::kOverwrite});

  if (device.kind == Device::kCpu && plan.forward_bytes() <= cached::kSmallBytes &&
      uses.size() <= cached::kFewUses) {
    struct Here {
      const cached::Forward& forward;
      std::span<const NDArray* const> in;
      std::span<const NDArray> out;
      const NDArray& arena;
      Device device;
    } here{forward, in, out, arena, device};
    const auto body = [](void* arg) {
      const Here& h = *static_cast<const Here*>(arg);
      h.forward({h.device, nullptr}, h.in, h.out, h.arena);
    };
    if (Engine::get().run_if_idle(uses, "CachedOp", body, &here)) return;
  }
  Task task{.name = "CachedOp",
            .device = device,
            .small = plan.forward_bytes() <= cached::kSmallBytes,
            .bytes = arena.bytes(),
            .place = current_place()};
  for (const auto& u : uses) task.uses.push_back({*u.var, u.access});
  // The tape that arrays stand on must not live as long as the task.
  std::vector<NDArray> given, made;
  for (const NDArray* a : in) given.push_back(a->detach());
  for (const NDArray& a : out) made.push_back(a.detach());
  task.run = [forward, given = std::move(given), made = std::move(made),
              arena = arena.detach()](RunContext& where) {
    std::vector<const NDArray*> pointers;
    for (const NDArray& a : given) pointers.push_back(&a);
    forward(where, pointers, made, arena);
  };
  Engine::get().push(std::move(task));
}

std::vector<NDArray> CachedGraph::call(std::span<const NDArray* const> in) {
  start_once();
  check_inputs(in);
  const Device device = in.empty() ? Device{} : in[0]->device();
  if (replay->dynamic()) return replay->run(in, device);
  const bool training = autograd::is_training();
  const bool recorded = autograd::is_recording() && tape::reaches(in);
  cached::Forward forward{plan_for(in, training, recorded), std::make_shared<CachedRun>()};
  CachedPlan& plan = *forward.plan;
  CachedRun& run = *forward.run;
  if (recorded) drop_stale(in);
  run.training = training;
  for (size_t i = 0; i < plan.streams.size(); ++i) run.seeds.push_back(next_seed(device));
  std::vector<NDArray> out;
  const MemoryName of_outputs("outputs");
  for (const Network::Output& o : plan.network.outputs)
    out.emplace_back(o.type.shape, device, o.type.dtype);
  const MemoryName named("arenas of hybrid blocks");
  const NDArray arena(Shape{std::max<int64_t>(plan.arena_bytes(), 1)}, device, Dtype::kUint8);
  push(forward, in, out, arena, device);
  if (recorded && plan.network.has_gradients()) {
    run.plan = forward.plan;
    run.replay = replay;
    std::vector<const NDArray*> inputs(in.begin(), in.end());
    inputs.push_back(&arena);
    std::vector<ValueInfo> types;
    for (const NDArray& o : out) types.push_back(info_of(o));
    tape::record(cached_call(forward.run), inputs, out, types, training);
  }
  return out;
}

CachedOp::CachedOp(Symbol symbol, CachedOptions options)
    : graph_(std::make_shared<CachedGraph>(std::move(symbol), options)) {}
CachedOp::~CachedOp() = default;

std::vector<NDArray> CachedOp::operator()(std::span<const NDArray* const> inputs) const {
  return graph_->call(inputs);
}

std::vector<NDArray> CachedOp::watched(std::span<const NDArray* const> inputs, const Each& each,
                                       bool inputs_too) const {
  const auto show = [&](const Node& n, std::span<const NDArray* const> in,
                        std::span<const NDArray> out) {
    const OpCall& call = *n.call;
    for (size_t i = 0; inputs_too && i < in.size(); ++i)
      each(n.name + "_" + call.inputs[i].name, call.op->name, *in[i]);
    const NodeRef node(NodeRef(), &n);  // for its name only
    for (size_t k = 0; k < out.size(); ++k)
      each(output_name({node, int(k)}), call.op->name, out[k]);
  };
  return graph_->replay->run(inputs, inputs.empty() ? Device{} : inputs[0]->device(), show);
}

const Symbol& CachedOp::symbol() const { return graph_->symbol; }
size_t CachedOp::plans() const { return graph_->plans(); }

}  // namespace heddle
