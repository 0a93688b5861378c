// The face of a bound graph.
#include "heddle/executor.h"

#include <algorithm>

#include "executor/bound.h"

namespace heddle {

Executor Executor::bind(const Symbol& symbol, BindSpec spec) {
  Executor e;
  e.graph_ = std::make_shared<BoundGraph>(analyse(symbol, network_spec(spec)), spec,
                                          std::make_shared<Arenas>());
  return e;
}

void Executor::forward(bool training) { graph_->forward(training); }

void Executor::backward(std::span<const NDArray> heads, bool training) {
  graph_->backward(heads, training);
}

const std::vector<NDArray>& Executor::outputs() const { return graph_->outputs; }
const std::vector<NDArray>& Executor::args() const { return graph_->args; }
const std::vector<NDArray>& Executor::grads() const { return graph_->grads; }
const std::vector<NDArray>& Executor::aux() const { return graph_->aux; }
const Symbol& Executor::symbol() const { return graph_->network.symbol; }

void Executor::monitor(std::function<void(std::string_view, const NDArray&)> each,
                       bool inputs_too) {
  graph_->monitor = std::move(each);
  graph_->monitor_inputs = inputs_too;
}

Executor::Memory Executor::memory() const {
  Memory m;
  for (const bool training : {false, true}) {
    const Program* p = graph_->made(training);
    if (!p) continue;
    int64_t allocated = 0;
    for (const NDArray& arena : p->places().arenas()) allocated += arena.bytes();
    m.planned_arena = std::max(m.planned_arena, p->steps().plan().stated_bytes());
    m.allocated_arena = std::max(m.allocated_arena, allocated);
    m.touched_arena = std::max(m.touched_arena, p->steps().touched_bytes());
    m.kept = std::max(m.kept, p->places().prepared_bytes());
  }
  return m;
}

}  // namespace heddle
