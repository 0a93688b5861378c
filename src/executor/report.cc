// Memory plans for those who look at them: of a bound graph, or of one that is not bound.
#include "executor/bound.h"
#include "runtime/memory_use.h"

namespace heddle {

namespace report {

MemoryReport of(const Network& network, const Plan& p, const Plan& plain) {
  const MemoryUse use = memory_use(p);
  MemoryReport r{.arena = p.stated_bytes(),
                 .lower_bound = use.lower_bound,
                 .scratch = use.scratch,
                 .plain_arena = plain.stated_bytes(),
                 .seconds = p.seconds,
                 .again = p.seconds_again,
                 .steps = {},
                 .at_peak = {}};
  for (const Network::Variable& v : network.variables) {
    const int64_t bytes = v.type.shape.size() * dtype_size(v.type.dtype);
    r.parameters += bytes;
    if (v.req != GradReq::kNone) r.gradients += bytes;
  }
  r.outputs = network.own_bytes() - r.gradients + p.kept_bytes();
  for (size_t i = 0; i < p.graph.nodes.size(); ++i) {
    const Graph::Node& n = p.graph.nodes[i];
    if (!n.call) continue;
    if (int(i) <= use.peak) r.peak = int(r.steps.size());
    r.steps.push_back({n.name, n.call->op->name, uint8_t(n.phase), use.live[i]});
  }
  for (const MemoryUse::Piece& piece : use.at_peak)
    r.at_peak.push_back({piece_name(p, use, piece), piece.bytes});
  return r;
}

MemoryReport of(const Network& network, bool training) {
  Network unlimited = network;
  unlimited.spec.memory_budget = 0, unlimited.spec.recompute_share = 0;
  unlimited.spec.recompute_all = false;
  return of(network, plan_network(network, training), plan_network(unlimited, training));
}

}  // namespace report

MemoryReport Executor::plan(bool training) const { return report::of(graph_->network, training); }

MemoryReport Executor::plan(const Symbol& symbol, BindSpec spec, bool training) {
  spec.training = training;
  return report::of(analyse(symbol, network_spec(spec)), training);
}

}  // namespace heddle
