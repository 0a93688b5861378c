// Memory of a program, device by device.
#include "executor/plan.h"

#include <algorithm>

namespace heddle {

int64_t Plan::stated_bytes() const {
  int64_t n = 0;
  for (const auto& [device, bytes] : arenas) n += bytes;
  return n;
}

Blob Plan::describe(int value) const {
  const ValueInfo& t = types[value];
  const NDArray& own = outside[value];
  return {nullptr, t.shape, t.dtype, own ? own.device() : where[producer[value]]};
}

void choose_kernels(Plan& p, bool training) {
  const Graph& g = p.graph;
  p.producer = g.producers();
  p.kernels.assign(g.nodes.size(), nullptr);
  std::vector<Blob> in, out;
  for (size_t node = 0; node < g.nodes.size(); ++node) {
    const Graph::Node& n = g.nodes[node];
    if (!n.call) continue;
    in.clear(), out.clear();
    for (int v : n.inputs) in.push_back(p.describe(v));
    for (int k = 0; k < n.outputs(); ++k) out.push_back(p.describe(n.first_output + k));
    const Device device = p.where[node];
    if (n.call->op->meaning == Meaning::kTransfer && in[0].device != device) continue;
    try {
      p.kernels[node] = &choose_kernel(*n.call, device, {in, out, training});
    } catch (const Error& e) {
      throw Error(format("Error in operator {}: {}", n.name, e.what()));
    }
  }
}

void plan_values(Plan& p) {
  const Graph& g = p.graph;
  p.wanted.assign(g.values, 0);
  for (int v = 0; v < g.values; ++v) p.wanted[v] = bool(p.outside[v]);
  // From the last node to the first: whom nobody wants, and who changes nothing, wants nothing.
  for (auto n = g.nodes.rbegin(); n != g.nodes.rend(); ++n) {
    bool runs = n->call && n->call->mutates;
    for (int k = 0; k < n->outputs(); ++k) runs = runs || p.wanted[n->first_output + k];
    for (size_t k = 0; runs && k < n->inputs.size(); ++k)
      if (!n->call->inputs[k].shape_only) p.wanted[n->inputs[k]] = 1;
  }
  p.offset.assign(g.values, MemoryPlan::kOutside);
  p.shares.assign(g.values, -1);
  p.after.assign(g.nodes.size(), {});
  std::vector<Device> devices;
  for (Device d : p.where)
    if (std::find(devices.begin(), devices.end(), d) == devices.end()) devices.push_back(d);
  for (Device d : devices) {
    std::vector<bool> elsewhere(g.values);
    for (int v = 0; v < g.values; ++v)
      elsewhere[v] = p.outside[v] || !g.nodes[p.producer[v]].call || p.where[p.producer[v]] != d;
    std::vector<std::vector<int>> after;
    const MemoryPlan m = plan_memory(g, p.types, elsewhere, &after);
    p.arenas.emplace_back(d, m.arena_bytes);
    for (int v = 0; v < g.values; ++v)
      if (!elsewhere[v]) p.offset[v] = m.offset[v], p.shares[v] = m.shares[v];
    for (size_t n = 0; n < after.size(); ++n)
      p.after[n].insert(p.after[n].end(), after[n].begin(), after[n].end());
  }
}

NDArray Arenas::of(Device device, int64_t bytes) {
  for (const NDArray& a : arenas_)
    if (a.device() == device && a.bytes() >= bytes) return a;
  arenas_.emplace_back(Shape{bytes}, device, Dtype::kUint8);
  return arenas_.back();
}

}  // namespace heddle
