// Can a wait inside a task end? It cannot when what it waits for waits for the task itself.
#include <mutex>
#include <unordered_set>
#include <vector>

#include "engine/core.h"
#include "engine/graph/graph.h"

namespace heddle::engine {

// Follows what a waiter waits for: the requests before it on its variable, the variables that their
// tasks are still missing, the waits that running ones sleep in.
//
// A record is looked at only while a lock is held that it needs in order to end: that of a variable
// it has a request on. What lies behind it is remembered as variables and places in their queues:
// variables are never freed, only used again, and then the place is not found.
class Behind {
 public:
  explicit Behind(const Job* task) : task_(task) {}
  bool leads_to_task(const Waiter* waiter);

 private:
  struct Step {
    VarState* var;
    const Running* who;  // what its request comes after
    uint64_t order;
  };
  void go_behind(const Request& q) { steps_.push_back({q.var, q.owner, q.order}); }
  void go_behind(const Running* r) {
    for (int i = 0; i < r->count; ++i) go_behind(r->requests[i]);
  }
  void take(const Step& step);
  void visit(const Request& q);
  void visit_graph(const RunningGraph& head, const Request& q);

  const Job* const task_;
  bool found_ = false;
  std::vector<Step> steps_;
  std::unordered_set<const void*> seen_;  // records; of a graph's head, requests
};

bool Behind::leads_to_task(const Waiter* waiter) {
  go_behind(waiter);
  while (!steps_.empty() && !found_) {
    const Step step = steps_.back();
    steps_.pop_back();
    take(step);
  }
  return found_;
}

// Who reads waits for earlier writes only: earlier reads may still wait for other variables.
void Behind::take(const Step& step) {
  VarState& v = *step.var;
  std::lock_guard lock(v.lock);
  const Request* mine = as<Waiter>(step.who) ? v.waiters : v.first;
  while (mine && (mine->owner != step.who || mine->order != step.order)) mine = mine->next;
  if (!mine) return;  // it was granted
  auto look = [&](const Request& q) {
    if (!found_ && q.order < mine->order && (q.writes() || mine->writes())) visit(q);
  };
  v.each_holder(look);
  for (const Request* q = v.first; q; q = q->next) look(*q);
}

void Behind::visit(const Request& q) {
  const auto* const r = static_cast<const Job*>(q.owner);  // nobody waits for waiters
  const auto* const head = as<RunningGraph>(r);
  if (head && head->has_nodes()) return visit_graph(*head, q);
  if (r == task_) found_ = true;
  if (!seen_.insert(r).second) return;
  if (r->asleep_on) go_behind(r->asleep_on);
  if (head || r->stage.load() == Stage::kWaiting) go_behind(r);
}

// A graph lets go of a variable when the nodes that use it are done: only these matter, the nodes
// before them, and the variables that those start with. Its own variable it keeps to the end.
void Behind::visit_graph(const RunningGraph& head, const Request& q) {
  if (!seen_.insert(&q).second) return;
  const GraphRun& run = *head.run;
  const PreparedGraph& graph = run.graph;
  const int var = head.var_of(q);
  std::vector<bool> needed(graph.nodes.size(), var == graph.self);
  for (size_t i = needed.size(); i-- > 0;) {
    for (int used : graph.nodes[i].vars) needed[i] = needed[i] || used == var;
    for (int later : graph.before(graph.links[i])) needed[i] = needed[i] || needed[later];
    if (!needed[i]) continue;
    if (&run.nodes[i] == task_) found_ = true;
    if (const Waiter* const waiter = run.nodes[i].asleep_on) go_behind(waiter);
  }
  for (size_t v = 0; v < graph.vars.size(); ++v)
    for (int first : graph.vars[v].first)
      if (needed[first]) {
        go_behind(head.requests[v]);
        break;
      }
}

bool Core::leads_to(const Waiter* waiter, const Job* task) {
  return Behind(task).leads_to_task(waiter);
}

}  // namespace heddle::engine
