// Lifetimes of the pieces of the arenas. Values that take each other's place are one piece.
#include "runtime/memory_use.h"

#include <algorithm>

namespace heddle {

MemoryUse memory_use(const Plan& p) {
  const Graph& g = p.graph;
  std::vector<int> last(size_t(g.values), -1), root(size_t(g.values), -1);
  for (size_t i = 0; i < g.nodes.size(); ++i) {
    const Graph::Node& n = g.nodes[i];
    for (size_t k = 0; k < n.inputs.size(); ++k)
      if (!n.call->inputs[k].shape_only) last[n.inputs[k]] = int(i);
  }
  const auto in_arena = [&](int v) { return p.offset[v] >= 0; };
  // Nodes are in order: a value is met after the one whose place it takes.
  std::vector<int> begin(size_t(g.values), -1), end(size_t(g.values), -1);
  for (size_t i = 0; i < g.nodes.size(); ++i)
    for (int k = 0; k < g.nodes[i].outputs(); ++k) {
      const int v = g.nodes[i].first_output + k;
      if (!in_arena(v)) continue;
      root[v] = p.shares[v] >= 0 ? root[p.shares[v]] : v;
      if (root[v] == v) begin[v] = int(i);
      end[root[v]] = std::max(end[root[v]], last[v]);
    }
  MemoryUse u;
  std::vector<int64_t> change(g.nodes.size() + 1, 0);
  const auto bytes = [&](int v) { return p.describe(v).bytes(); };
  for (int v = 0; v < g.values; ++v)
    if (begin[v] >= 0) change[begin[v]] += bytes(v), change[end[v] + 1] -= bytes(v);
  u.live.resize(g.nodes.size());
  int64_t now = 0;
  for (size_t i = 0; i < g.nodes.size(); ++i) {
    const int64_t scratch = p.scratch_bytes(int(i));
    u.live[i] = (now += change[i]) + scratch;
    u.scratch = std::max(u.scratch, scratch);
    if (u.live[i] > u.lower_bound) u.lower_bound = u.live[i], u.peak = int(i);
  }
  for (int v = 0; v < g.values; ++v)
    if (begin[v] >= 0 && begin[v] <= u.peak && u.peak <= end[v] && bytes(v) > 0)
      u.at_peak.push_back({v, bytes(v)});
  if (!g.nodes.empty() && p.scratch_bytes(u.peak) > 0)
    u.at_peak.push_back({-1, p.scratch_bytes(u.peak)});
  std::stable_sort(
      u.at_peak.begin(), u.at_peak.end(),
      [](const MemoryUse::Piece& a, const MemoryUse::Piece& b) { return a.bytes > b.bytes; });
  return u;
}

std::string value_name(const Plan& p, int value) {
  const Graph::Node& n = p.graph.nodes[p.producer[value]];
  std::string name = n.name.empty() && n.call ? n.call->op->name : n.name;
  if (value != n.first_output) name += format("_{}", value - n.first_output);
  if (n.phase == Phase::kRecomputed) name += " (again)";
  return name;
}

std::string piece_name(const Plan& p, const MemoryUse& use, const MemoryUse::Piece& piece) {
  if (piece.value >= 0) return value_name(p, piece.value);
  return "scratch memory of " + value_name(p, p.graph.nodes[size_t(use.peak)].first_output);
}

void check_budget(const Network& network, const Plan& p) {
  const int64_t budget = network.spec.memory_budget, own = network.own_bytes() + p.kept_bytes();
  if (budget <= 0 || p.stated_bytes() + own <= budget) return;
  const MemoryUse u = memory_use(p);
  std::string largest;
  for (size_t i = 0; i < std::min<size_t>(5, u.at_peak.size()); ++i)
    largest +=
        format("{}{}: {}", i ? ", " : "", piece_name(p, u, u.at_peak[i]), u.at_peak[i].bytes);
  fail(
      "[bind] memory_budget is {} bytes, but this network needs {} at least: {} for its values and "
      "the scratch memory of kernels, {} for gradients and outputs. Most is in use while {} runs, "
      "of which the largest are {}.",
      budget, p.stated_bytes() + own, p.stated_bytes(), own,
      p.graph.nodes.empty() ? "" : value_name(p, p.graph.nodes[size_t(u.peak)].first_output),
      largest);
}

}  // namespace heddle
