// Choosing kernels and laying out blobs, and running one step.
#include "executor/steps.h"

#include <algorithm>

#include "heddle/profiler.h"

namespace heddle {

namespace steps {

// A seed of its own for every stream of every run.
uint64_t seed_of(uint64_t run_seed, int stream) {
  uint64_t z = run_seed + 0x9e3779b97f4a7c15ull * (uint64_t(stream) + 1);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
  return z ^ (z >> 31);
}

void use(std::vector<Use>& uses, const NDArray& array, Access access) {
  for (Use& u : uses) {
    if (u.var != array.var()) continue;
    if (access != u.access && access != Access::kRead) u.access = Access::kUpdate;
    return;
  }
  uses.push_back({array.var(), access});
}

}  // namespace steps

Steps::Steps(Plan plan, Arenas& arenas) : plan_(std::move(plan)) {
  for (const auto& [device, bytes] : plan_.arenas) {
    arenas_.push_back(arenas.of(device, bytes));
    int64_t reach = 0;
    for (int v = 0; v < plan_.graph.values; ++v)
      if (plan_.offset[v] >= 0 && plan_.where[plan_.producer[v]] == device) {
        const ValueInfo& t = plan_.types[v];
        reach = std::max(reach, plan_.offset[v] + t.shape.size() * dtype_size(t.dtype));
      }
    touched_ += reach;
  }
  const auto& nodes = plan_.graph.nodes;
  of_node_.assign(nodes.size(), -1);
  for (size_t n = 0; n < nodes.size(); ++n)
    if (nodes[n].call) add(int(n));
}

Blob Steps::describe(int value) const { return plan_.describe(value); }

void Steps::add(int node) {
  const Graph::Node& n = plan_.graph.nodes[node];
  of_node_[node] = int(steps_.size());
  Step& s = steps_.emplace_back();
  s.node = node;
  for (int v : n.inputs) s.in.push_back(describe(v));
  bool all = true, none = true;
  for (int k = 0; k < n.outputs(); ++k) {
    const int v = n.first_output + k;
    s.out.push_back(describe(v));
    s.wanted.push_back(plan_.wanted[v]);
    all &= bool(plan_.wanted[v]);
    none &= !plan_.wanted[v];
    if (plan_.wanted[v]) s.bytes += s.out.back().bytes();
    if (plan_.outside[v]) s.writes_outside = true;
  }
  if (all) s.wanted.clear();
  s.idle = none && !n.call->mutates;
  for (const Blob& b : s.in) s.bytes += b.bytes();
  random_ |= n.call->op->random;
  s.kernel = plan_.kernels[node];
  list_uses(s);
}

void Steps::list_uses(Step& s) const {
  const Graph::Node& n = plan_.graph.nodes[s.node];
  for (size_t i = 0; i < n.inputs.size(); ++i) {
    const NDArray& a = plan_.outside[n.inputs[i]];
    if (!a || n.call->inputs[i].shape_only) continue;
    const bool reads = n.call->inputs[i].role == Role::kRead;
    if (!reads) s.writes_outside = true;
    steps::use(s.uses, a, reads ? Access::kRead : Access::kUpdate);
  }
  for (int k = 0; k < n.outputs(); ++k)
    if (const NDArray& a = plan_.outside[n.first_output + k])
      steps::use(s.uses, a, a.write_access());
}

void* Steps::address(int value) const {
  if (const NDArray& own = plan_.outside[value]) return own.blob().data;
  if (plan_.offset[value] < 0) return nullptr;
  const Device device = plan_.where[plan_.producer[value]];
  for (const NDArray& arena : arenas_)
    if (arena.device() == device)
      return static_cast<char*>(arena.blob().data) + plan_.offset[value];
  return nullptr;
}

Blob Steps::blob(int value) const {
  Blob b = describe(value);
  b.data = address(value);
  return b;
}

void Steps::resolve(Step& s) const {
  const Graph::Node& n = plan_.graph.nodes[s.node];
  // What is read for its type only may be written meanwhile, or lie nowhere.
  for (size_t i = 0; i < s.in.size(); ++i)
    s.in[i].data = n.call->inputs[i].shape_only ? nullptr : address(n.inputs[i]);
  for (size_t k = 0; k < s.out.size(); ++k) s.out[k].data = address(n.first_output + int(k));
  s.resolved = true;
}

void Steps::touch_arenas() const {
  for (const NDArray& arena : arenas_)
    if (arena.bytes() > 0) arena.blob();
}

void Steps::run(int i, RunContext& where, bool training, uint64_t run_seed) {
  Step& s = steps_[i];
  const Graph::Node& n = plan_.graph.nodes[s.node];
  if (s.idle) return;
  if (!s.resolved) resolve(s);
  if (!s.kernel) {
    device_api(s.out[0].device.kind == Device::kCpu ? s.in[0].device : s.out[0].device)
        .copy(s.out[0].data, s.out[0].device, s.in[0].data, s.in[0].device, size_t(s.in[0].bytes()),
              where.stream);
    return;
  }
  OpContext ctx(where.device, where.stream, training, s.wanted,
                n.call->op->random ? steps::seed_of(run_seed, n.stream) : 0);
  try {
    const profiler::Part part(n.call->op->name.c_str());
    run_kernel(*s.kernel, *n.call, ctx, s.in, s.out);
  } catch (const Error& e) {
    throw Error(format("Error in operator {}: {}", n.name, e.what()));
  }
}

}  // namespace heddle
