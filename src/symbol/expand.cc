// Operators that are composed of others, in a graph: the nodes of those take their place.
#include <algorithm>
#include <utility>

#include "symbol/passes.h"
#include "symbol/rewrite.h"

namespace heddle {

namespace expansion {

bool is_composed(const Graph::Node& n) { return n.call && !n.call->parts.empty(); }

void expand(Rewriter& edit, int id) {
  const Graph::Node whole = edit.node(id);
  std::vector<int> value = whole.inputs;
  int last = -1;
  for (const OpCall::Part& part : whole.call->parts) {
    Graph::Node n = whole;
    n.call = part.call;
    if (&part != &whole.call->parts.back()) n.name += "_" + part.call->op->name_hint();
    n.stream = -1;  // parts draw random numbers of their own
    n.inputs.clear();
    for (int v : part.inputs) n.inputs.push_back(value[size_t(v)]);
    last = edit.insert(id, std::move(n));
    for (int k = 0; k < edit.node(last).outputs(); ++k)
      value.push_back(edit.node(last).first_output + k);
  }
  for (size_t k = 0; k < whole.call->results.size(); ++k)
    edit.replace(whole.first_output + int(k), value[size_t(whole.call->results[k])]);
  edit.remove(id, last);
}

}  // namespace expansion

Graph expand(Graph g) {
  if (std::none_of(g.nodes.begin(), g.nodes.end(), expansion::is_composed)) return g;
  const int nodes = int(g.nodes.size());
  Rewriter edit(std::move(g));
  for (int id = 0; id < nodes; ++id)
    if (expansion::is_composed(edit.node(id))) expansion::expand(edit, id);
  return std::move(edit.finish().graph);
}

}  // namespace heddle
