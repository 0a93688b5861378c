// What is in use while each node runs, of the pieces of the arenas.
#include "runtime/memory_use.h"

#include <algorithm>

namespace heddle {

MemoryUse memory_use(const Plan& p) {
  const Graph& g = p.graph;
  MemoryUse u;
  std::vector<int64_t> change(g.nodes.size() + 1, 0);
  for (const MemoryPlan::Piece& piece : p.pieces)
    change[piece.begin] += piece.bytes, change[piece.end + 1] -= piece.bytes;
  u.live.resize(g.nodes.size());
  int64_t now = 0;
  for (size_t i = 0; i < g.nodes.size(); ++i) {
    const int64_t scratch = p.scratch_bytes(int(i));
    u.live[i] = (now += change[i]) + scratch;
    u.scratch = std::max(u.scratch, scratch);
    if (u.live[i] > u.lower_bound) u.lower_bound = u.live[i], u.peak = int(i);
  }
  for (const MemoryPlan::Piece& piece : p.pieces)
    if (piece.begin <= u.peak && u.peak <= piece.end && piece.bytes > 0)
      u.at_peak.push_back({piece.value, piece.bytes});
  if (!g.nodes.empty() && p.scratch_bytes(u.peak) > 0)
    u.at_peak.push_back({-1, p.scratch_bytes(u.peak)});
  std::stable_sort(
      u.at_peak.begin(), u.at_peak.end(),
      [](const MemoryUse::Piece& a, const MemoryUse::Piece& b) { return a.bytes > b.bytes; });
  return u;
}

std::string value_name(const Plan& p, int value) {
  const Graph::Node& n = p.graph.nodes[p.producer[value]];
  std::string name = n.name.empty() && n.call ? std::string(n.call->op->name) : n.name;
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
