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
  BindSpec spec = graph_->spec;
  spec.shapes = shapes;
  for (const BoundVariable& v : graph_->variables) spec.dtypes[v.name] = v.type.dtype;
  const auto now = analyse_variables(graph_->symbol, spec);
  for (size_t i = 0; i < now.size(); ++i) {
    const BoundVariable& old = graph_->variables[i];
    const Shape& shape = now[i].type.shape;
    auto fit = [&](const NDArray& a) {
      return reshape::fit(old.name, a, shape, shapes.contains(old.name),
                          {partial_shaping, allow_up_sizing});
    };
    (old.aux ? spec.aux : spec.args)[old.name] = fit(old.array);
    if (old.gradient) spec.grads[old.name] = fit(old.gradient);
  }
  Executor e;
  e.graph_ = std::make_shared<BoundGraph>(graph_->symbol, std::move(spec), graph_->arenas);
  return e;
}

}  // namespace heddle
