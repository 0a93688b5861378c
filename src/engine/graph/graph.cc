// Preparing graphs: who counts on whom. Running them: nodes, variables, the end.
#include "engine/graph/graph.h"

#include <algorithm>
#include <mutex>

#include "engine/core.h"
#include "engine/queue/acquire.h"
#include "engine/queue/release.h"
#include "engine/queue/requests.h"

namespace heddle::engine {

PreparedGraph::PreparedGraph(std::vector<GraphTask> tasks) {
  nodes.resize(tasks.size());
  for (size_t i = 0; i < tasks.size(); ++i) {
    check_after(tasks[i], static_cast<int>(i));
    nodes[i].after = std::move(tasks[i].after);
    nodes[i].prepared = Prepared(std::move(tasks[i].task));
    bytes += nodes[i].prepared.task.bytes;
    cancellable |= nodes[i].prepared.task.cancel != nullptr;
  }
  list_vars();
  link();
}

PreparedGraph::~PreparedGraph() = default;

void PreparedGraph::check_after(const GraphTask& t, int at) const {
  for (int a : t.after)
    check(a >= 0 && a < at, "[engine] node {} ({}) comes after {}, expected an earlier node", at,
          t.task.name, a);
}

void PreparedGraph::list_vars() {
  const Var own = Var::make();
  std::vector<Use> uses{{own, Access::kUpdate}};
  for (const Node& n : nodes)
    uses.insert(uses.end(), n.prepared.task.uses.begin(), n.prepared.task.uses.end());
  order_uses(uses);
  for (Use& u : uses) vars.push_back({std::move(u.var), u.access});
  auto position = [&](const Var& v) {
    const auto at =
        std::lower_bound(vars.begin(), vars.end(), state_of(v),
                         [](const Outside& o, const VarState* s) { return state_of(o) < s; });
    return static_cast<int>(at - vars.begin());
  };
  self = position(own);
  for (Node& n : nodes) {
    for (const Use& u : n.prepared.task.uses) {
      const int v = position(u.var);
      n.vars.push_back(v);
      if (u.access != Access::kRead) ++vars[v].writes;
    }
  }
}

// Edges: those of `after`, and per variable from the last write to the reads that follow it and
// from those to the next write. A node that no edge leads to for a variable waits for its grant;
// one that nothing leads to at all waits for the graph's own variable. The reads after the last
// write, or else that write, use a variable last: all its other users come before them.
void PreparedGraph::link() {
  std::vector<std::vector<int>> needs(nodes.size());  // predecessors
  std::vector<int> last_write(vars.size(), -1);
  std::vector<std::vector<int>> reads(vars.size());  // since the last write
  std::vector<std::vector<int>> before(nodes.size()), last_of(nodes.size());
  links.resize(nodes.size());
  for (int i = 0; i < static_cast<int>(nodes.size()); ++i) {
    const Node& n = nodes[i];
    int& missing = links[i].missing;
    std::vector<int>& need = needs[i];
    need = n.after;
    for (size_t k = 0; k < n.vars.size(); ++k) {
      const int v = n.vars[k];
      const bool write = n.prepared.task.uses[k].access != Access::kRead;
      if (last_write[v] < 0 && (!write || reads[v].empty())) vars[v].first.push_back(i), ++missing;
      if (write && !reads[v].empty()) need.insert(need.end(), reads[v].begin(), reads[v].end());
      else if (last_write[v] >= 0) need.push_back(last_write[v]);
      if (write) last_write[v] = i, reads[v].clear();
      else reads[v].push_back(i);
    }
    std::sort(need.begin(), need.end());
    need.erase(std::unique(need.begin(), need.end()), need.end());
    for (int p : need) before[p].push_back(i);
    if (need.empty()) vars[self].first.push_back(i), ++missing;
    missing += static_cast<int>(need.size());
  }
  for (const std::vector<int>& b : before) sinks += b.empty();
  for (size_t v = 0; v < vars.size(); ++v) {
    if (static_cast<int>(v) == self) continue;
    if (reads[v].empty()) reads[v].push_back(last_write[v]);
    vars[v].last = static_cast<int>(reads[v].size());
    for (int n : reads[v]) last_of[n].push_back(static_cast<int>(v));
  }
  pack(before, last_of);
}

void PreparedGraph::pack(const std::vector<std::vector<int>>& before,
                         const std::vector<std::vector<int>>& last_of) {
  auto append = [](std::vector<int>& to, const std::vector<int>& some, int& at, int& end) {
    at = static_cast<int>(to.size());
    to.insert(to.end(), some.begin(), some.end());
    end = static_cast<int>(to.size());
  };
  for (size_t i = 0; i < links.size(); ++i) {
    append(before_, before[i], links[i].before_at, links[i].before_end);
    append(last_of_, last_of[i], links[i].last_of_at, links[i].last_of_end);
  }
}

GraphRun* PreparedGraph::take_run(Core* engine) {
  {
    std::lock_guard lock(lock_);
    if (!spare_.empty()) {
      GraphRun* const run = spare_.back();
      spare_.pop_back();
      return run;
    }
  }
  auto made = std::make_unique<GraphRun>(*this, engine);
  std::lock_guard lock(lock_);
  runs_.push_back(std::move(made));
  spare_.reserve(runs_.size());
  return runs_.back().get();
}

void PreparedGraph::give_run(GraphRun* run) {
  std::lock_guard lock(lock_);
  spare_.push_back(run);
}

// --- one run ------------------------------------------------------------------------------------

GraphRun::GraphRun(PreparedGraph& g, Core* engine) : graph(g) {
  if (g.serial) return;
  make_nodes(engine);
  last.reset(new std::atomic<int>[g.vars.size()]);
}

void GraphRun::make_nodes(Core* engine) {
  const std::vector<PreparedGraph::Node>& all = graph.nodes;
  nodes.reset(new RunningNode[all.size()]);
  failures.resize(all.size());
  events.resize(all.size());
  for (size_t i = 0; i < all.size(); ++i) {
    RunningNode& n = nodes[i];
    const Task& t = all[i].prepared.task;
    n.engine = engine;
    n.group = all[i].group;
    n.run = this;
    n.body = &t.run;
    n.start = t.start ? &t.start : nullptr;
    n.cancel = t.cancel.get();
    n.rich = n.start || n.cancel;
    n.device = t.device;
    n.small = t.small;
    n.priority = t.priority;
    n.missing.store(graph.links[i].missing, std::memory_order_relaxed);
  }
}

void GraphRun::granted(int var, ReadyList& ready) {
  if (graph.vars[var].var.poisoned()) suspect.store(true, std::memory_order_relaxed);
  for (int n : graph.vars[var].first)
    if (nodes[n].missing.fetch_sub(1, std::memory_order_acq_rel) == 1) ready.add(&nodes[n]);
}

FailureRef GraphRun::failure_before(size_t node) const {
  FailureRef why;
  for (int p : graph.nodes[node].after) why = first_of(why, failures[p]);
  return why;
}

// --- pushing and finishing ----------------------------------------------------------------------

GraphRef Core::prepare(std::vector<GraphTask> nodes) {
  auto graph = std::make_shared<PreparedGraph>(std::move(nodes));
  for (PreparedGraph::Node& n : graph->nodes)
    n.group = group_of(n.prepared.task.device, n.prepared.task.lane);
  graph->serial = std::all_of(graph->nodes.begin(), graph->nodes.end(), [&](const auto& n) {
    return n.prepared.task.small && n.prepared.task.run && n.group == compute_;
  });
  return graph;
}

void Core::push(const GraphRef& graph) {
  constexpr size_t kFew = 256;  // small nodes that may run where they are pushed
  check(graph != nullptr, "[engine] push was given no graph");
  if (graph->nodes.empty()) return;
  Slot& slot = this_slot();
  cap_.admit(slot, tally_, graph->bytes);
  const int before = slot.state.load(std::memory_order_relaxed);
  const bool may_be_here = graph->serial && !slot.current && graph->nodes.size() <= kFew &&
                           !events_seen_.load(std::memory_order_relaxed);
  RunningGraph* here = nullptr;
  {
    Critical in(slot);
    RunningGraph* const head = take_head(slot, graph);
    if (profile::on() && !graph->serial) [[unlikely]]
      profile::pushed(slot, *head->run);
    ReadyList ready;
    submit_graph(head, ready);
    tally_.pushed(slot);
    if (may_be_here && !ready.empty()) {
      here = head;
      here->stage.store(Stage::kStarted, std::memory_order_relaxed);
      in.leave_to(Slot::kBody);
    } else {
      hand_out(slot, ready, nullptr);
    }
  }
  run_pushed(slot, here, before);
}

// The record that stands for a run of the graph, before it is queued.
RunningGraph* Core::take_head(Slot& slot, const GraphRef& graph) {
  GraphRun* const run = graph->take_run(this);
  RunningGraph* const head = run->head = take_graph(slot);
  run->place = current_place();
  run->suspect.store(false, std::memory_order_relaxed);
  run->left.store(graph->sinks, std::memory_order_relaxed);
  ++run->round;
  if (!graph->serial)
    for (size_t v = 0; v < graph->vars.size(); ++v)
      run->last[v].store(graph->vars[v].last, std::memory_order_relaxed);
  head->graph = graph;
  head->rich = true;
  head->bytes = graph->bytes;
  head->engine = this;
  head->group = compute_;
  head->run = run;
  head->place = run->place;
  head->suspect.store(false, std::memory_order_relaxed);
  head->stage.store(Stage::kWaiting, std::memory_order_relaxed);
  set_requests(head, graph->vars);
  return head;
}

// As submit(), but what is granted starts the nodes that waited for it; a serial graph starts when
// all is.
void Core::submit_graph(RunningGraph* head, ReadyList& ready) {
  PreparedGraph& graph = head->run->graph;
  const AllLocked locked(head);
  const int waits = locked.place([&](Request& q, bool holds) {
    const int i = head->var_of(q);
    q.var->count_write(static_cast<uint64_t>(graph.vars[i].writes));
    if (!holds) return;
    if (graph.serial) head->note_poison(*q.var);
    else head->run->granted(i, ready);
  });
  head->missing.store(waits, std::memory_order_relaxed);
  if (graph.serial && waits == 0) ready.add(head);
}

// A node that is done lets go of the variables it was the last to use, and may be what other nodes
// waited for. Nothing of the run is touched after the last of them knows.
Job* Core::complete_node(Slot& slot, RunningNode* r, Group* chain) {
  GraphRun& run = *r->run;
  const PreparedGraph& graph = run.graph;
  const PreparedGraph::Links& links = graph.links[r->index()];
  const std::span<const int> before = graph.before(links);
  for (int n : before) fetch_to_write(&run.nodes[n]);
  const FailureRef failure = std::move(r->failure);
  const EventRef event = std::move(r->event);
  ReadyList ready;
  Leftovers leftovers;
  const Ending in(slot);
  if (r->stage.load(std::memory_order_relaxed) != Stage::kLost)
    r->stage.store(run.over(), std::memory_order_relaxed);
  if (failure || event || run.suspect.load(std::memory_order_relaxed)) [[unlikely]]
    settle_node(r, failure, event);
  r->missing.store(links.missing, std::memory_order_relaxed);
  for (int v : graph.last_of(links))
    if (run.last[v].fetch_sub(1, std::memory_order_acq_rel) == 1)
      let_go(slot, run.head->requests[v], ready);
  if (!before.empty()) {
    for (int n : before)
      if (run.nodes[n].missing.fetch_sub(1, std::memory_order_acq_rel) == 1)
        ready.add(&run.nodes[n]);
  } else if (run.left.fetch_sub(1, std::memory_order_acq_rel) == 1) {
    finish_graph(slot, run, ready, &leftovers);
  }
  return hand_out(slot, ready, chain);
}

// What a node leaves on its variables, where it is more than data.
void Core::settle_node(RunningNode* r, const FailureRef& failure, const EventRef& event) {
  GraphRun& run = *r->run;
  const size_t node = r->index();
  const Pending pending{event, r->group->stream(), false};
  if (failure) log(failure);
  if (event) events_seen_.store(true);
  if (failure || event) run.suspect.store(true, std::memory_order_relaxed);
  run.events[node] = event;
  run.failures[node] = failure;
  for (const Use& use : r->task().uses) {
    VarState& v = *state_of(use);
    std::lock_guard lock(v.lock);
    v.settle(use.access, failure, event ? &pending : nullptr);
  }
}

void Core::finish_graph(Slot& slot, GraphRun& run, ReadyList& ready, Leftovers* leftovers) {
  PreparedGraph& graph = run.graph;
  RunningGraph* const head = run.head;
  VarState& own = *state_of(graph.vars[graph.self]);
  head->after.clear();
  if (run.suspect.load(std::memory_order_relaxed)) {
    std::lock_guard lock(own.lock);
    bool first = true;
    for (size_t i = 0; i < graph.nodes.size(); ++i) {
      if (run.failures[i]) leftovers->failures.push_back(std::move(run.failures[i]));
      if (!run.events[i]) continue;
      head->after.push_back({run.events[i], run.nodes[i].group->stream(), true});
      own.settle(first ? Access::kUpdate : Access::kRead, nullptr, &head->after.back());
      own.aftermath->events.back().write = true;
      first = false;
      leftovers->events.push_back(std::move(run.events[i]));
    }
  }
  Request& last = head->requests[graph.self];
  if (!run.keep_out) graph.give_run(&run);  // from here on, the next push may use it
  let_go(slot, last, ready);
  if (head->after.empty()) retire(slot, head, leftovers);
  else watcher_.retire_after_events(head);
}

}  // namespace heddle::engine
