// The only place that chains the passes: Graph::of, expand, delay, gradient, fuse, place,
// infer, choose_kernels, recompute, fuse_pointwise, plan_memory.
#include "runtime/plan.h"

#include <algorithm>
#include <map>
#include <optional>
#include <string_view>
#include <tuple>

#include "base/settings.h"
#include "device/scratch.h"
#include "runtime/memory_use.h"
#include "symbol/recompute.h"

namespace heddle {

int64_t Plan::scratch_bytes(int node) const {
  if (scratch.empty() || scratch[size_t(node)].call + scratch[size_t(node)].piece == 0) return 0;
  const ScratchNeed& n = scratch[size_t(node)];
  return ScratchRoom::bytes(n.call, n.piece, int(n.pieces));
}

int64_t Plan::stated_bytes() const {
  int64_t n = 0;
  for (const auto& [device, bytes] : arenas) n += bytes;
  return n;
}

int64_t Plan::kept_bytes() const {
  int64_t n = 0;
  for (int v = 0; v < graph.values; ++v)
    if ((home[v].kind == Home::kPrepared && !passing[v]) || home[v].kind == Home::kHead)
      n += describe(v).bytes();
  return n;
}

Blob Plan::describe(int value) const {
  const ValueInfo& t = types[value];
  return {nullptr, t.shape, t.dtype, device(value), {Stype::kDense, t.layout}};
}

namespace planning {

using Known = std::map<std::string, ValueInfo, std::less<>>;

Known known_of(const Network& network) {
  Known known;
  for (const Network::Variable& v : network.variables) known[v.name] = v.type;
  return known;
}

// A graph on its way to a plan.
struct Draft {
  Graph graph;
  std::map<int, Home> home;             // of values that do not live in the arena
  std::map<std::string, int> variable;  // name -> node
};

Draft draft_of(const Network& network) {
  Draft d{expand(Graph::of(network.symbol)), {}, {}};
  for (Graph::Node& n : d.graph.nodes)
    if (n.call && n.call->op->stateful) n.call = make_call(*n.call->op, n.call->kwargs);
  for (size_t i = 0; i < d.graph.nodes.size(); ++i)
    if (!d.graph.nodes[i].call) d.variable[d.graph.nodes[i].name] = int(i);
  for (size_t i = 0; i < network.variables.size(); ++i) {
    const int node = d.variable.at(network.variables[i].name);
    d.home[d.graph.nodes[node].first_output] = {Home::kVariable, int(i)};
  }
  for (size_t i = 0; i < network.outputs.size(); ++i)  // of those that are the same, the first
    d.home.try_emplace(d.graph.outputs[i], Home{Home::kOutput, int(i)});
  return d;
}

// From the last node to the first: whom nobody wants, and who changes nothing, wants nothing.
std::vector<uint8_t> find_wanted(const Graph& g, const std::vector<bool>& outside) {
  std::vector<uint8_t> wanted(outside.begin(), outside.end());
  for (auto n = g.nodes.rbegin(); n != g.nodes.rend(); ++n) {
    bool runs = n->call && n->call->mutates;
    for (int k = 0; k < n->outputs(); ++k) runs = runs || wanted[n->first_output + k];
    for (int k = 0; runs && n->call && k < n->outputs(); ++k)
      if (always_written(*n, k)) wanted[n->first_output + k] = 1;
    for (size_t k = 0; runs && k < n->inputs.size(); ++k)
      if (!n->call->inputs[k].shape_only) wanted[n->inputs[k]] = 1;
  }
  return wanted;
}

std::vector<bool> outside_of(const std::vector<Home>& home) {
  std::vector<bool> outside(home.size());
  for (size_t v = 0; v < home.size(); ++v) outside[v] = home[v].kind != Home::kArena;
  return outside;
}

// Gives parts of variables that no node changes the memory that they are in already.
void view_variables(const Chosen& c, std::vector<Home>& home) {
  const Graph& g = c.graph;
  const std::vector<Views> views = find_views(g, c.types, c.choices);
  if (views.empty()) return;
  const std::vector<uint8_t> changed = g.changed();
  for (size_t i = 0; i < g.nodes.size(); ++i) {
    const Graph::Node& n = g.nodes[i];
    if (views[i].of != Views::kInput) continue;
    const Home base = home[n.inputs[0]];
    bool all = base.kind == Home::kVariable && !changed[n.inputs[0]];
    for (int v = n.first_output; v < n.first_output + n.outputs(); ++v)
      all = all && home[v].kind == Home::kArena && !changed[v];
    for (int k = 0; all && k < n.outputs(); ++k)
      home[n.first_output + k] = {Home::kVariable, base.index, base.offset + views[i].at[k], true};
  }
}

// A large gradient that is written over a sum of others has that in its own memory already, and so
// on to the first of them.
void view_gradients(const Chosen& c, std::vector<Home>& home) {
  constexpr int64_t kLarge = int64_t{1} << 20;  // tasks that write what users see are not joined
  const Graph& g = c.graph;
  std::vector<int> readers(size_t(g.values), 0), of_index;
  for (const Graph::Node& n : g.nodes)
    for (int v : n.inputs) ++readers[v];
  for (const Home& h : home) {
    if (h.kind != Home::kGradient) continue;
    if (of_index.size() <= size_t(h.index)) of_index.resize(size_t(h.index) + 1, 0);
    ++of_index[h.index];
  }
  const auto type_of = [&](int v) {
    return std::tuple(c.types[v].shape.size(), c.types[v].dtype, c.types[v].layout);
  };
  for (auto n = g.nodes.rbegin(); n != g.nodes.rend(); ++n) {
    if (!n->call || n->call->mutates) continue;
    for (const auto& [from, to] : n->call->inplace) {
      const int v = n->inputs[from], o = n->first_output + to;
      if (home[o].kind != Home::kGradient || of_index[home[o].index] != 1) continue;
      if (home[v].kind != Home::kArena || readers[v] != 1 || type_of(v) != type_of(o)) continue;
      if (c.types[v].shape.size() * dtype_size(c.types[v].dtype) < kLarge) continue;
      home[v] =
          home[o];  // what it takes the place of follows: nodes come from the last to the first
    }
  }
}

// Memory, device by device.
void plan_arenas(Plan& p, bool views) {
  const Graph& g = p.graph;
  p.offset.assign(g.values, MemoryPlan::kOutside);
  p.shares.assign(g.values, -1);
  p.after.assign(g.nodes.size(), {});
  p.scratch_offset.assign(p.scratch.size(), MemoryPlan::kUnused);
  p.still.assign(g.nodes.size(), 0);
  for (size_t n = 0; n < g.nodes.size(); ++n)
    p.still[n] =
        g.nodes[n].call && g.nodes[n].outputs() > 0 && p.home[g.nodes[n].first_output].part;
  const std::vector<int64_t> scratch = scratch_bytes(p.scratch);
  const std::vector<Views> all = views ? find_views(g, p.types, p.choices) : std::vector<Views>{};
  std::vector<Device> devices;
  for (Device d : p.where)
    if (std::find(devices.begin(), devices.end(), d) == devices.end()) devices.push_back(d);
  for (Device d : devices) {
    std::vector<bool> elsewhere(g.values);
    for (int v = 0; v < g.values; ++v)
      elsewhere[v] = p.outside(v) || !g.nodes[p.producer[v]].call || p.device(v) != d;
    std::vector<std::vector<int>> after;
    std::vector<int64_t> here(scratch);
    for (size_t n = 0; n < here.size(); ++n)
      if (p.where[n] != d) here[n] = 0;
    const MemoryPlan m = plan_memory(g, p.types, elsewhere, &after, 0, here, all);
    p.arenas.emplace_back(d, m.arena_bytes);
    for (int v = 0; v < g.values; ++v)
      if (!elsewhere[v]) p.offset[v] = m.offset[v], p.shares[v] = m.shares[v];
    for (size_t n = 0; n < here.size(); ++n)
      if (here[n] > 0) p.scratch_offset[n] = m.scratch[n];
    for (size_t n = 0; n < m.still.size(); ++n) p.still[n] |= m.still[n];
    p.pieces.insert(p.pieces.end(), m.pieces.begin(), m.pieces.end());
    for (size_t n = 0; n < after.size(); ++n)
      p.after[n].insert(p.after[n].end(), after[n].begin(), after[n].end());
  }
}

void find_passing(Plan& p) {
  const Graph& g = p.graph;
  std::vector<std::vector<int>> made_of(g.nodes.size());  // of prepared nodes: variables, sorted
  p.passing.assign(g.values, 0);
  for (int v = 0; v < g.values; ++v)
    p.passing[v] = p.home[v].kind == Home::kPrepared && p.device(v).kind == Device::kCpu;
  std::vector<uint8_t> read(g.values, 0);
  for (size_t i = 0; i < g.nodes.size(); ++i) {
    const Graph::Node& n = g.nodes[i];
    const bool prepares = n.call && n.phase == Phase::kPrepare;
    std::vector<int>& all = made_of[i];
    for (int v : n.inputs) {
      read[v] = 1;
      if (!prepares) p.passing[v] = 0;
      else if (g.nodes[p.producer[v]].call)
        all.insert(all.end(), made_of[p.producer[v]].begin(), made_of[p.producer[v]].end());
      else all.push_back(v);
    }
    std::sort(all.begin(), all.end());
    all.erase(std::unique(all.begin(), all.end()), all.end());
    for (int v : n.inputs)
      if (made_of[p.producer[v]] != all) p.passing[v] = 0;
  }
  for (int v = 0; v < g.values; ++v) p.passing[v] = p.passing[v] && read[v];
}

// Whether HEDDLE_PASSES leaves a pass in.
bool has_pass(std::string_view name) {
  const std::string all = setting("HEDDLE_PASSES");
  return format(",{},", all).find(format(",-{},", name)) == std::string::npos;
}

// Estimated time: of forward, and of what is recomputed.
struct Spent {
  double seconds = 0, again = 0;
};

// Recomputes what is worth it, or what a budget asks for.
Chosen save_memory(Chosen c, const std::vector<Home>& home, const Network& network, Spent& spent) {
  const std::vector<bool> outside = outside_of(home);
  int64_t own = network.own_bytes();
  for (int v = 0; v < c.graph.values; ++v) {
    if (home[v].kind == Home::kHead) own += c.types[v].shape.size() * dtype_size(c.types[v].dtype);
  }
  const NetworkSpec& spec = network.spec;
  const CheapSpec cheap{spec.recompute_share, spec.recompute_all};
  if (spec.memory_budget <= 0 && !(has_pass("recompute") && asks_for_recomputation(c.graph, cheap)))
    return c;
  std::vector<int64_t> scratch;
  if (spec.scratch_threads > 0)
    scratch = scratch_bytes(scratch_needs(c.graph, c.where, c.types, c.choices, true,
                                          spec.scratch_threads, find_wanted(c.graph, outside)));
  Recomputed r = spec.memory_budget > 0 ? recompute(std::move(c), outside, scratch,
                                                    spec.memory_budget - own, has_pass("views"))
                                        : recompute_cheap(std::move(c), outside, scratch, cheap);
  spent = {r.forward_seconds, r.seconds};
  return std::move(r.graph);
}

std::vector<uint8_t> fixed_values(const Draft& d) {
  std::vector<uint8_t> fixed(d.graph.values);
  for (const auto& [value, home] : d.home) fixed[value] = 1;
  return fixed;
}

// What is computed once is kept, so a budget leaves no room for it.
void hoist_draft(Draft& d, const NetworkSpec& spec) {
  if (spec.memory_budget > 0 || !spec.groups.empty() || !has_pass("constants")) return;
  hoist(d.graph, fixed_values(d), [&](int node) {
    return !spec.inputs.empty() && !spec.inputs.contains(d.graph.nodes[node].name);
  });
}

// On the device whose operators have kernels for it.
void fuse_draft(Draft& d, const Known& known, const NetworkSpec& spec, bool training = false) {
  if (spec.device.kind != Device::kCpu || !spec.groups.empty() || !has_pass("fuse")) return;
  const std::vector<uint8_t> fixed = fixed_values(d);
  const std::vector<int> producer = d.graph.producers();
  const bool folds = has_pass("fold") && spec.memory_budget <= 0;  // folded weights are kept
  const auto wide_enough = [&](int value) {
    const auto type = known.find(d.graph.nodes[producer[value]].name);
    if (!folds || type == known.end()) return false;
    return type->second.dtype == Dtype::kFloat32 || type->second.dtype == Dtype::kFloat64;
  };
  Fused f = fuse(Graph(d.graph), fixed, wide_enough, training);
  d.graph = std::move(f.graph);
  std::map<int, Home> home;
  for (const auto& [value, h] : d.home) home[f.value_of[value]] = h;
  d.home = std::move(home);
  for (auto& [name, node] : d.variable) node = f.node_of[node];
}

// Gives every output that no node reads memory of its own.
void show_everything(Draft& d) {
  std::vector<uint8_t> read(d.graph.values);
  for (const Graph::Node& n : d.graph.nodes)
    for (int v : n.inputs) read[v] = 1;
  int shown = 0;
  for (const Graph::Node& n : d.graph.nodes)
    for (int v = n.first_output; n.call && v < n.first_output + n.outputs(); ++v)
      if (!read[v] && d.home.try_emplace(v, Home{Home::kShown, shown}).second) ++shown;
}

// In an order in which less is in use at once. Of the forward nodes, before gradients follow them.
void delay_draft(Draft& d, const Known& known, bool training) {
  if (!has_pass("delay") || !asks_for_delay(d.graph)) return;
  const ValueTypes types = infer_float32(d.graph, known, training);
  std::vector<int64_t> bytes(size_t(d.graph.values), 0);
  for (const Graph::Node& n : d.graph.nodes)
    for (int v = n.first_output; n.call && v < n.first_output + n.outputs(); ++v)
      if (!d.home.count(v) && types[v].shape.known() && types[v].dtype != Dtype::kUnknown)
        bytes[v] = types[v].shape.size() * dtype_size(types[v].dtype);
  std::vector<int> node_of;
  d.graph = delay(std::move(d.graph), bytes, &node_of);
  for (auto& [name, node] : d.variable) node = node_of[node];
}

// A plan of these nodes, whose values have these homes.
Plan lay_out(Chosen c, std::vector<Home> home, bool training, int scratch_threads, bool views) {
  Plan p;
  p.graph = std::move(c.graph), p.where = std::move(c.where), p.types = std::move(c.types);
  p.choices = std::move(c.choices), p.home = std::move(home);
  p.producer = p.graph.producers();
  p.home.resize(p.graph.values);
  int prepared = 0;
  for (int v = 0; v < p.graph.values; ++v)
    if (const Graph::Node& n = p.graph.nodes[p.producer[v]]; n.call && n.phase == Phase::kPrepare)
      p.home[v] = {Home::kPrepared, prepared++};
  p.wanted = find_wanted(p.graph, outside_of(p.home));
  find_passing(p);
  if (scratch_threads > 0)
    p.scratch =
        scratch_needs(p.graph, p.where, p.types, p.choices, training, scratch_threads, p.wanted);
  plan_arenas(p, views);
  return p;
}

// The same with pointwise calls joined; the plan as it was where that would take more memory.
Plan join_pointwise(Plan p, bool training, int scratch_threads, bool views) {
  std::vector<uint8_t> fixed(p.graph.values);
  for (int v = 0; v < p.graph.values; ++v) fixed[v] = p.outside(v);
  std::optional<Joined> joined = fuse_pointwise({p.graph, p.where, p.types, p.choices, {}}, fixed);
  if (!joined) return p;
  std::vector<Home> home(joined->chosen.graph.values);
  for (size_t v = 0; v < p.home.size(); ++v)
    if (joined->value_of[v] >= 0) home[joined->value_of[v]] = p.home[v];
  Plan q = lay_out(std::move(joined->chosen), std::move(home), training, scratch_threads, views);
  if (q.stated_bytes() > p.stated_bytes()) return p;
  q.seconds = p.seconds, q.seconds_again = p.seconds_again;
  return q;
}

// What a plan is made for besides what its network says.
struct Purpose {
  bool training = false;
  bool keep = false;       // reordered variables stay from run to run
  bool gradients = false;  // there are backward nodes
  bool whole = false;      // somebody looks at every value
};

Plan finish(Draft d, Known known, const Network& network, Purpose purpose) {
  Placement where;
  Graph g = place(std::move(d.graph), network.spec.groups, network.spec.device, &where);
  ValueTypes types = infer_float32(g, std::move(known), purpose.training);
  std::vector<bool> fixed(g.values);
  for (const auto& [value, home] : d.home) fixed[value] = true;
  Chosen c =
      choose_kernels(std::move(g), std::move(where), std::move(types), fixed, purpose.training,
                     {.reordered = purpose.keep, .packed = purpose.keep && has_pass("pack")},
                     network.spec.kernels);
  std::vector<Home> homes(c.graph.values);
  for (const auto& [value, home] : d.home) {
    const auto moved = c.plain.find(value);
    homes[moved == c.plain.end() ? value : moved->second] = home;
  }
  const bool views = !purpose.whole && has_pass("views");
  if (views) view_variables(c, homes);
  if (views && purpose.gradients) view_gradients(c, homes);
  Spent spent;
  if (kGradients && purpose.gradients) c = save_memory(std::move(c), homes, network, spent);
  const int threads = network.spec.scratch_threads;
  Plan p = lay_out(std::move(c), std::move(homes), purpose.training, threads, views);
  p.seconds = spent.seconds, p.seconds_again = spent.again;
  if (network.spec.join_pointwise && !purpose.whole && has_pass("pointwise"))
    p = join_pointwise(std::move(p), purpose.training, threads, views);
  if (purpose.gradients) check_budget(network, p);
  return p;
}

// Variables for the gradients of the outputs; returns their values.
std::vector<int> add_heads(Draft& d, Known& known, const Network& network) {
  std::vector<int> values;
  for (size_t i = 0; i < network.outputs.size(); ++i) {
    const std::string name = format("gradient of output {}", i);  // no variable has blanks
    const ValueInfo& t = network.outputs[i].type;
    known[name] = {t.shape, t.dtype, Stype::kDense};
    values.push_back(d.graph.values);
    d.graph.add({.name = name});
  }
  return values;
}

// Lets the gradient `value` of variable `index` end in the memory it is for.
void deliver(Draft& d, Known& known, const Network& network, int index, int value, bool computed) {
  const Network::Variable& v = network.variables[index];
  const Home home{Home::kGradient, index};
  const int variable = d.variable.at(v.name);
  auto pass = [&](Meaning what, std::vector<int> inputs) {
    const int node = d.graph.add({.call = make_call(OpTable::get().of(what), {}),
                                  .name = v.name + "_grad_out",
                                  .inputs = std::move(inputs),
                                  .forward = variable,
                                  .phase = Phase::kBackward});
    d.home[d.graph.nodes[node].first_output] = home;
  };
  if (v.req == GradReq::kAdd) {
    const std::string name = "gradient of " + v.name;
    known[name] = v.type;
    const int before = d.graph.values;
    d.graph.add({.name = name});
    d.home[before] = home;
    return pass(Meaning::kAdd, {before, value});
  }
  if (computed && network.spec.groups.empty() && d.home.try_emplace(value, home).second) return;
  pass(Meaning::kIdentity, {value});
}

}  // namespace planning

Plan plan_forward(const Network& network, bool training, bool whole) {
  planning::Draft d = planning::draft_of(network);
  planning::Known known = planning::known_of(network);
  if (whole) planning::show_everything(d);
  else planning::delay_draft(d, known, training);
  if (!whole && !training) {
    planning::hoist_draft(d, network.spec);
    planning::fuse_draft(d, known, network.spec);
  }
  const bool keep = network.spec.memory_budget <= 0;
  Plan p = planning::finish(std::move(d), std::move(known), network,
                            {.training = training, .keep = keep, .whole = whole});
  check_budget(network, p);
  return p;
}

namespace planning {

// Whether anything may be computed in halves, whose sums of many terms are better made of several
// at once.
bool has_halves(const Graph& g, const Known& known) {
  const auto half = [](Dtype d) { return is_float(d) && dtype_size(d) < 4; };
  for (const auto& [name, type] : known)
    if (half(type.dtype)) return true;
  for (const Graph::Node& n : g.nodes) {
    const auto dtype = n.call ? n.call->kwargs.find("dtype") : Kwargs::const_iterator{};
    if (n.call && dtype != n.call->kwargs.end() &&
        (dtype->second == "float16" || dtype->second == "bfloat16"))
      return true;
  }
  return false;
}

}  // namespace planning

Plan plan_training(const Network& network, bool whole) {
  planning::Draft d = planning::draft_of(network);
  planning::Known known = planning::known_of(network);
  planning::delay_draft(d, known, true);
  if (!whole) planning::fuse_draft(d, known, network.spec, true);
  GradientSpec spec;
  spec.add_to_sums = network.spec.device.kind == Device::kCpu && network.spec.groups.empty() &&
                     !planning::has_halves(d.graph, known);
  spec.heads = d.graph.outputs;
  spec.head_grads = planning::add_heads(d, known, network);
  std::vector<int> wanted;
  for (size_t i = 0; i < network.variables.size(); ++i) {
    if (network.variables[i].req == GradReq::kNone) continue;
    wanted.push_back(int(i));
    spec.wrt.push_back(d.graph.nodes[d.variable.at(network.variables[i].name)].first_output);
  }
  Gradient gradients = gradient(std::move(d.graph), spec);
  d.graph = std::move(gradients.graph);
  const std::vector<int> producer = d.graph.producers();
  std::vector<int> zero;
  for (size_t i = 0; i < wanted.size(); ++i) {
    if (gradients.grads[i] >= 0)
      planning::deliver(d, known, network, wanted[i], gradients.grads[i],
                        d.graph.nodes[producer[gradients.grads[i]]].call != nullptr);
    else if (network.variables[wanted[i]].req != GradReq::kAdd) zero.push_back(wanted[i]);
  }
  std::vector<uint8_t> read(d.graph.values);
  for (const Graph::Node& n : d.graph.nodes)
    for (int v : n.inputs) read[v] = 1;
  std::vector<uint8_t> reads_head;
  for (size_t i = 0; i < network.outputs.size(); ++i) {
    reads_head.push_back(read[spec.head_grads[i]]);
    if (reads_head[i]) d.home[spec.head_grads[i]] = {Home::kHead, int(i)};
  }
  Plan p = planning::finish(std::move(d), std::move(known), network,
                            {.training = true, .gradients = true, .whole = whole});
  p.reads_head = std::move(reads_head);
  p.zero_gradients = std::move(zero);
  return p;
}

Plan plan_network(const Network& network, bool training, bool whole) {
  return kGradients && training && network.has_gradients() ? plan_training(network, whole)
                                                           : plan_forward(network, training, whole);
}

}  // namespace heddle
