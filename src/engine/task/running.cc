// Preparing tasks, and the stores of records.
#include "engine/task/running.h"

#include "engine/graph/graph.h"
#include "engine/queue/requests.h"

namespace heddle::engine {

void check_task(const Task& task) {
  check(bool(task.run) != bool(task.start),
        "[engine] task {} has {}, expected one of run and start", task.name,
        task.run ? "both run and start" : "no body");
  check_uses(std::span<const Use>(task.uses), task.name);
}

Prepared::Prepared(Task t) : task(std::move(t)) {
  check_task(task);
  order_uses(task.uses);
}

size_t RunningNode::index() const { return static_cast<size_t>(this - run->nodes.get()); }
const Task& RunningNode::task() const { return run->graph.nodes[index()].prepared.task; }
bool RunningGraph::has_nodes() const { return !run->graph.serial; }

Origin origin_of(const Job* r) {
  if (const auto* task = as<RunningTask>(r)) return {task->name, task->place, task->lane};
  if (const auto* graph = as<RunningGraph>(r)) return {"graph", graph->place, Lane::kCompute};
  return r->run->origin_of(static_cast<const RunningNode*>(r)->task());
}

// Never destroyed; see Pool.
struct Stores {
  Pool<RunningTask> tasks;
  Pool<RunningGraph> graphs;
  Pool<Waiter> waiters;
};
Stores& stores() {
  static Stores* const all = new Stores;
  return *all;
}

// The lines of the next one are asked for already: often another thread has them.
RunningTask* take_task(Slot& slot) {
  RunningTask* const r = stores().tasks.take(slot.tasks);
  if (const RunningTask* const next = slot.tasks.first) fetch(next, Kind::kTask);
  return r;
}
RunningGraph* take_graph(Slot& slot) { return stores().graphs.take(slot.graphs); }
Waiter* take_waiter(Slot& slot) { return stores().waiters.take(slot.waiters); }

void give_record(Slot& slot, Running* r) {
  r->stage.store(Stage::kFree, std::memory_order_relaxed);
  if (auto* task = as<RunningTask>(r)) [[likely]]
    return stores().tasks.give(slot.tasks, task);
  if (auto* graph = as<RunningGraph>(r)) return stores().graphs.give(slot.graphs, graph);
  stores().waiters.give(slot.waiters, static_cast<Waiter*>(r));
}

void for_each_record(FunctionRef<void(Running*)> each) {
  stores().tasks.for_each(each);
  stores().graphs.for_each(each);
  stores().waiters.for_each(each);
}

}  // namespace heddle::engine
