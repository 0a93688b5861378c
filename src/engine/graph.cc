// Preparing graphs: who counts on whom. Running them: nodes, variables, the end.
#include "engine/graph.h"

#include <algorithm>
#include <mutex>

#include "engine/core.h"

namespace heddle::engine {

PreparedGraph::PreparedGraph(std::vector<GraphTask> tasks) {
  nodes.resize(tasks.size());
  for (size_t i = 0; i < tasks.size(); ++i) {
    check_after(tasks[i], static_cast<int>(i));
    nodes[i].after = std::move(tasks[i].after);
    nodes[i].prepared = Prepared(std::move(tasks[i].task));
    bytes += nodes[i].prepared.task.bytes;
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
  vars.push_back({Var::make(), Access::kUpdate, static_cast<int>(nodes.size()), 0, {}});
  const Var own = vars[0].var;
  for (const Node& n : nodes)
    for (const Use& u : n.prepared.task.uses) vars.push_back({u.var, u.access, 0, 0, {}});
  auto before = [](const Outside& a, const Outside& b) { return a.var.state() < b.var.state(); };
  std::stable_sort(vars.begin(), vars.end(), before);
  size_t kept = 0;
  for (size_t i = 1; i < vars.size(); ++i) {
    if (vars[i].var == vars[kept].var) vars[kept].access = both(vars[kept].access, vars[i].access);
    else if (++kept != i) vars[kept] = std::move(vars[i]);
  }
  vars.resize(kept + 1);
  auto position = [&](const Var& v) {
    const Outside key{v, Access::kRead, 0, 0, {}};
    return static_cast<int>(std::lower_bound(vars.begin(), vars.end(), key, before) - vars.begin());
  };
  self = position(own);
  for (Node& n : nodes) {
    for (const Use& u : n.prepared.task.uses) {
      const int v = position(u.var);
      n.vars.push_back(v);
      ++vars[v].users;
      if (u.access != Access::kRead) ++vars[v].writes;
    }
  }
}

// Edges: those of `after`, and per variable from the last write to the reads that follow it and
// from those to the next write. A node that no edge leads to for a variable waits for its grant;
// one that nothing leads to at all waits for the graph's own variable.
void PreparedGraph::link() {
  std::vector<std::vector<int>> needs(nodes.size());  // predecessors
  std::vector<int> last_write(vars.size(), -1);
  std::vector<std::vector<int>> reads(vars.size());  // since the last write
  for (int i = 0; i < static_cast<int>(nodes.size()); ++i) {
    Node& n = nodes[i];
    std::vector<int>& need = needs[i];
    need = n.after;
    for (size_t k = 0; k < n.vars.size(); ++k) {
      const int v = n.vars[k];
      const bool write = n.prepared.task.uses[k].access != Access::kRead;
      if (last_write[v] < 0 && (!write || reads[v].empty()))
        vars[v].first.push_back(i), ++n.missing;
      if (write && !reads[v].empty()) need.insert(need.end(), reads[v].begin(), reads[v].end());
      else if (last_write[v] >= 0) need.push_back(last_write[v]);
      if (write) last_write[v] = i, reads[v].clear();
      else reads[v].push_back(i);
    }
    std::sort(need.begin(), need.end());
    need.erase(std::unique(need.begin(), need.end()), need.end());
    for (int p : need) nodes[p].before.push_back(i);
    if (need.empty()) vars[self].first.push_back(i), ++n.missing;
    n.missing += static_cast<int>(need.size());
  }
}

GraphRun* PreparedGraph::take_run() {
  {
    std::lock_guard lock(lock_);
    if (!spare_.empty()) {
      GraphRun* const run = spare_.back();
      spare_.pop_back();
      return run;
    }
  }
  auto made = std::make_unique<GraphRun>(*this);
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

GraphRun::GraphRun(PreparedGraph& g)
    : graph(g),
      nodes(new Running[g.nodes.size()]),
      users(new std::atomic<int>[g.vars.size()]),
      failures(g.nodes.size()),
      events(g.nodes.size()) {
  for (size_t i = 0; i < g.nodes.size(); ++i) {
    Running& n = nodes[i];
    n.kind = Kind::kNode;
    n.run = this;
    n.node = static_cast<int>(i);
    n.task = &g.nodes[i].prepared.task;
    n.name = n.task->name;
    n.priority = n.task->priority;
  }
}

void GraphRun::reset() {
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    nodes[i].missing.store(graph.nodes[i].missing, std::memory_order_relaxed);
    nodes[i].stage.store(Stage::kWaiting, std::memory_order_relaxed);
  }
  for (size_t v = 0; v < graph.vars.size(); ++v)
    users[v].store(graph.vars[v].users, std::memory_order_relaxed);
  left.store(static_cast<int>(graph.nodes.size()), std::memory_order_relaxed);
}

void GraphRun::granted(int var, RunningList& ready) {
  for (int n : graph.vars[var].first)
    if (nodes[n].missing.fetch_sub(1, std::memory_order_acq_rel) == 1) ready.add(&nodes[n]);
}

FailureRef GraphRun::failure_before(int node) const {
  FailureRef why;
  for (int p : graph.nodes[node].after) why = first_of(why, failures[p]);
  return why;
}

// --- pushing and finishing ----------------------------------------------------------------------

GraphRef Core::prepare(std::vector<GraphTask> nodes) {
  auto graph = std::make_shared<PreparedGraph>(std::move(nodes));
  for (PreparedGraph::Node& n : graph->nodes)
    n.group = group_of(n.prepared.task.device, n.prepared.task.lane);
  constexpr size_t kFew = 256;
  graph->small = graph->nodes.size() <= kFew &&
                 std::all_of(graph->nodes.begin(), graph->nodes.end(), [&](const auto& n) {
                   return n.prepared.task.small && n.prepared.task.run && n.group == compute_;
                 });
  return graph;
}

void Core::push(const GraphRef& graph) {
  check(graph != nullptr, "[engine] push was given no graph");
  if (graph->nodes.empty()) return;
  Slot& slot = this_slot();
  if (!slot.current) cap_.admit_task(slot, tally_);
  cap_.admit_bytes(graph->bytes, !slot.current);
  const int before = slot.state.load(std::memory_order_relaxed);
  Group* const chain = graph->small && !slot.current ? compute_ : nullptr;
  Running* here = nullptr;
  {
    Critical in(slot);
    GraphRun* const run = graph->take_run();
    run->reset();
    Running* const head = run->head = take_record(slot);
    head->graph = graph;
    head->bytes = graph->bytes;
    head->kind = Kind::kGraph;
    head->engine = this;
    head->run = run;
    head->name = "graph";
    head->outer = nullptr;
    head->counted = true;
    head->stage.store(Stage::kWaiting, std::memory_order_relaxed);
    const Place place = current_place();
    for (size_t i = 0; i < graph->nodes.size(); ++i) {
      Running& n = run->nodes[i];
      n.engine = this;
      n.group = graph->nodes[i].group;
      n.place = n.task->place.file ? n.task->place : place;
    }
    if (profile::on()) [[unlikely]]
      profile::pushed(slot, *run);
    head->set_count(static_cast<int>(graph->vars.size()));
    RunningList ready;
    submit_graph(head, ready);
    tally_.pushed(slot);
    here = hand_out(slot, ready, chain);
    if (here) in.leave_to(Slot::kBody);
  }
  if (here) {
    run_kept(slot, here, chain);
    if (!slot.later) slot.state.store(before, std::memory_order_release);
  }
  run_later(slot, before);
}

// As submit(), but what is granted starts the nodes that waited for it.
void Core::submit_graph(Running* head, RunningList& ready) {
  PreparedGraph& graph = head->run->graph;
  for (int i = 0; i < head->count; ++i) {
    Request& q = head->requests[i];
    q.owner = head;
    q.var = graph.vars[i].var.state();
    q.access = graph.vars[i].access;
  }
  for (int i = 0; i < head->count; ++i) head->requests[i].var->lock.lock();
  for (int i = 0; i < head->count; ++i) {
    Request& q = head->requests[i];
    VarState& v = *q.var;
    v.count_write(static_cast<uint64_t>(graph.vars[i].writes));
    q.order = v.requests++;
    if (v.idle_for(q.access)) {
      v.hold(q);
      head->run->granted(i, ready);
    } else {
      v.enqueue(q);
    }
  }
  for (int i = 0; i < head->count; ++i) head->requests[i].var->lock.unlock();
}

// A node that is done settles the variables it used, lets go of those it was the last to use, and
// may be what other nodes waited for.
Running* Core::complete_node(Slot& slot, Running* r, Group* chain) {
  GraphRun& run = *r->run;
  PreparedGraph& graph = run.graph;
  const PreparedGraph::Node& node = graph.nodes[r->node];
  const Pending pending{r->event, r->group->stream(), false};
  const Pending* const left_behind = r->event ? &pending : nullptr;
  const FailureRef failure = std::move(r->failure);
  RunningList ready;
  Leftovers leftovers;
  const Critical in(slot);
  if (r->stage.load(std::memory_order_relaxed) != Stage::kLost)
    r->stage.store(Stage::kFree, std::memory_order_relaxed);
  if (failure) log(failure);
  if (left_behind) events_seen_.store(true);
  run.events[r->node] = std::move(r->event);
  run.failures[r->node] = failure;
  for (size_t k = 0; k < node.vars.size(); ++k) {
    const int i = node.vars[k];
    VarState& v = *graph.vars[i].var.state();
    std::lock_guard lock(v.lock);
    v.settle(node.prepared.task.uses[k].access, failure, left_behind);
    if (run.users[i].fetch_sub(1, std::memory_order_acq_rel) == 1)
      let_go(run.head->requests[i], ready);
  }
  for (int n : node.before)
    if (run.nodes[n].missing.fetch_sub(1, std::memory_order_acq_rel) == 1) ready.add(&run.nodes[n]);
  if (run.left.fetch_sub(1, std::memory_order_acq_rel) == 1)
    finish_graph(slot, run, ready, &leftovers);
  return hand_out(slot, ready, chain);
}

void Core::finish_graph(Slot& slot, GraphRun& run, RunningList& ready, Leftovers* leftovers) {
  PreparedGraph& graph = run.graph;
  Running* const head = run.head;
  VarState& own = *graph.vars[graph.self].var.state();
  head->after.clear();
  {
    std::lock_guard lock(own.lock);
    bool first = true;
    for (size_t i = 0; i < graph.nodes.size(); ++i) {
      if (run.failures[i]) leftovers->failures.push_back(std::move(run.failures[i]));
      if (!run.events[i]) continue;
      head->after.push_back({run.events[i], run.nodes[i].group->stream(), true});
      own.settle(first ? Access::kUpdate : Access::kRead, nullptr, &head->after.back());
      own.events.back().write = true;
      first = false;
      leftovers->events.push_back(std::move(run.events[i]));
    }
    let_go(head->requests[graph.self], ready);
  }
  if (!run.keep_out) graph.give_run(&run);
  if (head->after.empty()) retire(slot, head, leftovers);
  else watcher_.retire_after_events(head);
}

}  // namespace heddle::engine
