// New shapes for a bound graph, on the arrays it has where they fit.
#include "executor/bound.h"
#include "executor/fill.h"

namespace heddle {

namespace reshape {

struct Rules {
  bool partial_shaping;
  bool allow_up_sizing;
};

// The array for a new shape: the old one, its beginning, or a larger one.
NDArray fit(const std::string& name, const NDArray& old, const Shape& shape, bool given,
            Rules rules) {
  if (!old || old.shape() == shape) return old;
  check(given || rules.partial_shaping,
        "Shape of unspecified array arg: {} changed. This can cause the new executor to not share "
        "parameters with the old one. Please check for error in the network. If this is intended, "
        "set partial_shaping=True to suppress this warning.",
        name);
  if (shape.size() <= old.size()) return old.view(shape, old.dtype(), old.offset());
  check(rules.allow_up_sizing,
        "New shape of arg: {} is larger than original. First making a big executor and then down "
        "sizing it is more efficient than the reverse. If you really want to up size, set "
        "allow_up_sizing=True to enable allocation of new arrays.",
        name);
  NDArray larger(shape, old.device(), old.dtype());
  fill_zero(larger);
  return larger;
}

}  // namespace reshape

Executor Executor::reshape(const std::map<std::string, Shape, std::less<>>& shapes,
                           bool partial_shaping, bool allow_up_sizing) const {
  NetworkSpec spec = graph_->network.spec;
  spec.known.clear();
  for (const auto& [name, shape] : shapes) spec.known[name].shape = shape;
  for (const Network::Variable& v : graph_->network.variables)
    spec.known[v.name].dtype = v.type.dtype;
  Network network = analyse(graph_->network.symbol, std::move(spec));
  BindSpec given;
  for (size_t i = 0; i < network.variables.size(); ++i) {
    const Network::Variable& v = network.variables[i];
    auto fit = [&](const NDArray& a) {
      return reshape::fit(v.name, a, v.type.shape, shapes.contains(v.name),
                          {partial_shaping, allow_up_sizing});
    };
    (v.aux ? given.aux : given.args)[v.name] = fit(graph_->arrays[i]);
    if (graph_->gradients[i]) given.grads[v.name] = fit(graph_->gradients[i]);
  }
  Executor e;
  e.graph_ = std::make_shared<BoundGraph>(std::move(network), given, graph_->arenas);
  return e;
}

}  // namespace heddle
