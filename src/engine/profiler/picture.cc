// A picture of the pending tasks: who they are, what state they are in, who waits for whom.
#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "engine/core.h"
#include "engine/graph/graph.h"
#include "heddle/profiler.h"

namespace heddle::engine {

// While it lives no thread is half-way through a change of what threads share.
class Stillness {
 public:
  Stillness() { Gate::shut(); }
  ~Stillness() { Gate::unshut(); }
  Stillness(const Stillness&) = delete;
  Stillness& operator=(const Stillness&) = delete;
};

class Picture {
 public:
  explicit Picture(const Engine& engine) : engine_(engine) {}
  std::string draw();

 private:
  struct Seen {
    const Running* record;
    std::string state;
  };
  // One access of one variable, by a node of the picture.
  struct Step {
    int node;
    bool writes;
  };
  static void look(Running* r, void* picture);
  void add(const Running* r, std::string state);
  void add(const VarState* v) {
    if (variables_.try_emplace(v, static_cast<int>(order_.size())).second) order_.push_back(v);
  }
  void add_thread(const Running* waiter);
  void follow(const VarState& v);
  void follow_own(const Request& q, std::vector<int>& before);
  std::vector<Step> steps_of(const Request& q) const;
  void connect(int from, int to, const std::string& label);
  std::string write() const;

  const Engine& engine_;
  std::vector<Seen> seen_;
  std::map<const Running*, int> number_;         // positions in seen_
  std::vector<const Running*> waiters_, heads_;  // of threads and tasks that wait; of graphs
  std::map<const VarState*, int> variables_;     // positions in order_
  std::vector<const VarState*> order_;
  std::map<std::pair<int, int>, std::string> edges_;
};

std::string state_of(const Running* r) {
  if (r->asleep_on) return "asleep in a wait";
  if (r->stage.load() == Stage::kStarted)
    return r->parts.load() == 1 ? "waiting for its Done" : "running";
  if (r->missing.load() > 0) return "waiting";
  if (r->kind != Kind::kNode && r->count > 0) {
    const Request& q = r->requests[0];
    bool holds = false;
    q.var->each_holder([&](const Request& holder) { holds |= &holder == &q; });
    if (!holds) return "on its device";  // its variables are released, its memory is not
  }
  return "ready";
}

void Picture::look(Running* r, void* arg) {
  auto& p = *static_cast<Picture*>(arg);
  const Stage stage = r->stage.load();
  if (stage == Stage::kFree || stage == Stage::kLost || r->engine != &p.engine_) return;
  if (r->kind == Kind::kWaiter) return p.waiters_.push_back(r);
  if (r->kind != Kind::kGraph || r->run->graph.serial) return p.add(r, state_of(r));
  p.heads_.push_back(r);
  const GraphRun& run = *r->run;
  for (size_t i = 0; i < run.graph.nodes.size(); ++i)
    if (!run.done(i)) p.add(&run.nodes[i], state_of(&run.nodes[i]));
}

void Picture::add(const Running* r, std::string state) {
  number_[r] = static_cast<int>(seen_.size());
  seen_.push_back({r, std::move(state)});
  if (r->kind == Kind::kNode) return;  // the graph's head has the requests
  for (int i = 0; i < r->count; ++i) add(r->requests[i].var);
}

// A waiter that sleeps inside a task is that task; another one is a thread of the program.
void Picture::add_thread(const Running* waiter) {
  const Request& q = waiter->requests[0];
  const Request* waits = q.var->waiters;
  while (waits && waits != &q) waits = waits->next;
  if (!waits) return;  // it is about to wake up
  for (const Seen& s : seen_) {
    if (s.record->asleep_on != waiter) continue;
    number_[waiter] = number_[s.record];
    add(q.var);
    return;
  }
  add(waiter, "asleep");
}

std::vector<Picture::Step> Picture::steps_of(const Request& q) const {
  std::vector<Step> steps;
  if (q.owner->kind != Kind::kGraph || q.owner->run->graph.serial) {
    if (const auto at = number_.find(q.owner); at != number_.end())
      steps.push_back({at->second, q.writes()});
    return steps;
  }
  const GraphRun& run = *q.owner->run;
  const int var = static_cast<int>(&q - q.owner->requests);
  for (size_t i = 0; i < run.graph.nodes.size(); ++i) {
    const auto at = number_.find(&run.nodes[i]);
    if (at == number_.end()) continue;  // done
    const PreparedGraph::Node& node = run.graph.nodes[i];
    for (size_t k = 0; k < node.vars.size(); ++k)
      if (node.vars[k] == var)
        steps.push_back({at->second, node.prepared.task.uses[k].access != Access::kRead});
  }
  return steps;
}

// The order in which pending tasks use one variable.
void Picture::follow(const VarState& v) {
  std::vector<const Request*> queue;
  v.each_holder([&](const Request& q) { queue.push_back(&q); });
  for (const Request* list : {v.first, v.waiters})
    for (const Request* q = list; q; q = q->next) queue.push_back(q);
  std::sort(queue.begin(), queue.end(),
            [](const Request* a, const Request* b) { return a->order < b->order; });
  const std::string label = format("v{}", variables_.at(&v));
  std::vector<int> reads;
  std::vector<int> write;  // the last one, if any
  for (const Request* q : queue) {
    for (const Step& step : steps_of(*q)) {
      const bool after_reads = step.writes && !reads.empty();
      for (int before : after_reads ? reads : write) connect(before, step.node, label);
      if (q->owner->kind == Kind::kWaiter) continue;  // nobody waits for it
      if (step.writes) {
        write.assign(1, step.node);
        reads.clear();
      } else {
        reads.push_back(step.node);
      }
    }
  }
}

// A graph's own variable keeps two pushes of it apart: the last nodes of one and the first of the
// next. `before` are the last ones of the push before this one.
void Picture::follow_own(const Request& q, std::vector<int>& before) {
  const GraphRun& run = *q.owner->run;
  auto number = [&](int node) {
    const auto at = number_.find(&run.nodes[node]);
    return at == number_.end() ? -1 : at->second;
  };
  for (int node : run.graph.vars[run.graph.self].first)
    for (int b : before)
      if (number(node) >= 0) connect(b, number(node), "graph");
  before.clear();
  for (int i = 0; i < static_cast<int>(run.graph.nodes.size()); ++i) {
    if (number(i) < 0) continue;
    const PreparedGraph::Node& node = run.graph.nodes[i];
    for (int a : node.after)
      if (number(a) >= 0 && !edges_.count({number(a), number(i)}))
        connect(number(a), number(i), "after");
    if (run.graph.before(run.graph.links[i]).empty()) before.push_back(number(i));
  }
}

void Picture::connect(int from, int to, const std::string& label) {
  if (from == to) return;
  std::string& labels = edges_[{from, to}];
  if (!labels.empty()) labels += ", ";
  labels += label;
}

std::string Picture::draw() {
  const Stillness still;
  for_each_record(look, this);
  const std::vector<const Running*> waiters = waiters_;
  for (const Running* w : waiters) add_thread(w);
  std::map<const VarState*, std::vector<const Request*>> own;
  for (const Running* head : heads_) {
    const int self = head->run->graph.self;
    for (int i = 0; i < head->count; ++i) {
      const Request& q = head->requests[i];
      if (i == self) own[q.var].push_back(&q);
      // Requests of variables that the graph has done with are no longer linked.
      else if (head->run->last[i].load() > 0) add(q.var);
    }
  }
  for (const VarState* v : order_) follow(*v);
  for (auto& [v, pushes] : own) {
    std::sort(pushes.begin(), pushes.end(),
              [](const Request* a, const Request* b) { return a->order < b->order; });
    std::vector<int> before;
    for (const Request* q : pushes) follow_own(*q, before);
  }
  return write();
}

void append_label(std::string& to, std::string_view text) {
  for (char c : text) {
    if (c == '"' || c == '\\') to += '\\';
    to += c;
  }
}

std::string Picture::write() const {
  std::string text = "digraph pending {\n  rankdir=LR;\n  node [shape=box];\n";
  for (size_t i = 0; i < seen_.size(); ++i) {
    const Running* const r = seen_[i].record;
    const bool thread = r->kind == Kind::kWaiter;
    text += format("  n{} [label=\"", i);
    append_label(text, thread ? "a thread" : r->name);
    text += "\\n" + seen_[i].state;
    if (const Place place = place_of(r); place.file && !thread) {
      text += "\\n";
      append_label(text, format("{}:{}", place.file, place.line));
    }
    text += thread ? "\", shape=ellipse];\n" : "\"];\n";
  }
  for (const auto& [ends, label] : edges_)
    text += format("  n{} -> n{} [label=\"{}\"];\n", ends.first, ends.second, label);
  return text + "}\n";
}

}  // namespace heddle::engine

namespace heddle::profiler {

std::string pending_dot(Engine& engine) { return engine::Picture(engine).draw(); }

}  // namespace heddle::profiler
