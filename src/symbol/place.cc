// Devices of nodes, from their __ctx_group__ attributes, and copies where a value changes device.
#include <algorithm>
#include <utility>

#include "symbol/passes.h"
#include "symbol/rewrite.h"

namespace heddle {

namespace placement {

constexpr Device kNowhere{Device::kCpu, -1};

// The group a node names itself.
Device own_device(const Graph::Node& n, const std::map<std::string, Device>& groups) {
  auto group = n.attrs.find("__ctx_group__");
  if (group == n.attrs.end()) return kNowhere;
  auto device = groups.find(group->second);
  return device == groups.end() ? kNowhere : device->second;
}

// Gradients run where their forward node does; variables live where they are read first.
Placement choose(const Graph& g, const std::map<std::string, Device>& groups, Device fallback) {
  Placement where(g.nodes.size(), kNowhere);
  const std::vector<int> producer = g.producers();
  for (size_t i = 0; i < g.nodes.size(); ++i) {
    const Graph::Node& n = g.nodes[i];
    where[i] = n.forward >= 0 ? where[n.forward] : own_device(n, groups);
    if (!n.call) continue;
    if (where[i] == kNowhere) where[i] = fallback;
    for (int v : n.inputs)
      if (Device& variable = where[producer[v]]; variable == kNowhere) variable = where[i];
  }
  for (Device& d : where)
    if (d == kNowhere) d = fallback;
  return where;
}

}  // namespace placement

Graph place(Graph g, const std::map<std::string, Device>& groups, Device fallback,
            Placement* where) {
  Placement device = placement::choose(g, groups, fallback);
  if (std::all_of(device.begin(), device.end(), [&](Device d) { return d == device[0]; })) {
    *where = std::move(device);
    return g;
  }
  const OpCallRef copy =
      groups.empty() ? nullptr : make_call(OpTable::get().of(Meaning::kTransfer), {});
  const int nodes = int(g.nodes.size());
  Rewriter edit(std::move(g));
  std::map<std::pair<int, int>, int> copied;  // (value, device kind and id) -> its copy there
  for (int id = 0; id < nodes; ++id)
    for (size_t i = 0; i < edit.node(id).inputs.size(); ++i) {
      const Graph::Node& n = edit.node(id);
      const int v = n.inputs[i], from = edit.producer(v);
      if (device[from] == device[id] || n.call->inputs[i].shape_only) continue;
      auto [at, fresh] = copied.try_emplace({v, device[id].kind << 24 | device[id].id}, 0);
      if (fresh) {
        const int c = edit.insert(id, {.call = copy,
                                       .name = edit.node(from).name + "_copy",
                                       .inputs = {v},
                                       .forward = n.forward,
                                       .phase = n.phase});
        at->second = edit.node(c).first_output;
        device.push_back(device[id]);
      }
      edit.set_input(id, int(i), at->second);
    }
  Rewriter::Result done = edit.finish();
  where->assign(device.size(), fallback);
  for (size_t id = 0; id < device.size(); ++id) (*where)[done.node_of[id]] = device[id];
  return std::move(done.graph);
}

}  // namespace heddle
