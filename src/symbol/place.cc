// Devices of nodes, from their __ctx_group__ attributes, and copies where a value changes device.
#include <utility>

#include "symbol/passes.h"

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
  const Placement device = placement::choose(g, groups, fallback);
  const std::vector<int> producer = g.producers();
  const OpCallRef copy =
      groups.empty() ? nullptr : make_call(OpTable::get().at("_CrossDeviceCopy"), {});
  Graph placed;
  placed.values = g.values;  // values keep their numbers, only nodes move
  placed.outputs = std::move(g.outputs);
  where->clear();
  std::vector<int> now(g.nodes.size());       // old node -> new node
  std::map<std::pair<int, int>, int> copied;  // (value, device kind and id) -> its copy there
  for (size_t i = 0; i < g.nodes.size(); ++i) {
    Graph::Node& n = g.nodes[i];
    for (int& v : n.inputs) {
      const int from = producer[v];
      if (device[from] == device[i]) continue;
      auto [at, fresh] = copied.try_emplace({v, device[i].kind << 24 | device[i].id}, 0);
      if (fresh) {
        Graph::Node c{.call = copy, .name = placed.nodes[now[from]].name + "_copy", .inputs = {v}};
        if (n.forward >= 0) c.forward = now[n.forward];
        at->second = placed.values;
        placed.add(std::move(c));
        where->push_back(device[i]);
      }
      v = at->second;
    }
    if (n.forward >= 0) n.forward = now[n.forward];
    for (int& before : n.after) before = now[before];
    now[i] = int(placed.nodes.size());
    placed.nodes.push_back(std::move(n));
    where->push_back(device[i]);
    if (int(i) + 1 == g.forward_nodes) placed.forward_nodes = int(placed.nodes.size());
  }
  return placed;
}

}  // namespace heddle
