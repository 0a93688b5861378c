// What depends on constants alone is computed before the runs, and again where one was written.
#include "symbol/passes.h"

namespace heddle {

namespace hoisting {

// Whether a run of the node now and one later give the same, and change nothing.
bool repeatable(const Graph::Node& n) {
  const OpDef& op = *n.call->op;
  return n.phase == Phase::kForward && !n.call->mutates && !op.stateful && !op.dynamic_shape &&
         op.meaning != Meaning::kTransfer && !n.call->draws(false);
}

}  // namespace hoisting

void hoist(Graph& g, const std::vector<uint8_t>& fixed, FunctionRef<bool(int)> constant) {
  const std::vector<uint8_t> changed = g.changed(false);
  std::vector<uint8_t> stays(size_t(g.values));  // of values: no run changes it
  for (size_t i = 0; i < g.nodes.size(); ++i)
    if (const int v = g.nodes[i].first_output; !g.nodes[i].call && !changed[size_t(v)])
      stays[size_t(v)] = constant(int(i));
  for (Graph::Node& n : g.nodes) {
    if (!n.call || !hoisting::repeatable(n)) continue;
    bool ready = true;
    for (int v : n.inputs) ready &= bool(stays[size_t(v)]);
    for (int v = n.first_output; v < n.first_output + n.outputs(); ++v) ready &= !fixed[size_t(v)];
    if (!ready) continue;
    n.phase = Phase::kPrepare;
    for (int v = n.first_output; v < n.first_output + n.outputs(); ++v) stays[size_t(v)] = 1;
  }
}

}  // namespace heddle
