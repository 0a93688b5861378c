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
    const Job* record;  // null: a thread of the program that waits
    std::string state;
  };
  // One access of one variable, by a node of the picture.
  struct Step {
    int node;
    bool writes;
  };
  void look(const Running* any);
  void add(const Job* r, std::string state);
  void add(const VarState* v) {
    if (variables_.try_emplace(v, static_cast<int>(order_.size())).second) order_.push_back(v);
  }
  void add_thread(const Waiter* waiter);
  void follow(const VarState& v);
  void follow_own(const Request& q, std::vector<int>& before);
  std::vector<Step> steps_of(const Request& q) const;
  void connect(int from, int to, const std::string& label);
  std::string write() const;

  const Engine& engine_;
  std::vector<Seen> seen_;
  std::map<const Running*, int> number_;  // positions in seen_
  std::vector<const Waiter*> waiters_;    // of threads, and of tasks
  std::vector<const RunningGraph*> heads_;
  std::map<const VarState*, int> variables_;  // positions in order_
  std::vector<const VarState*> order_;
  std::map<std::pair<int, int>, std::string> edges_;
};

std::string state_of(const Job* r) {
  if (r->asleep_on) return "asleep in a wait";
  if (r->stage.load() == Stage::kStarted)
    return r->parts.load() == 1 ? "waiting for its Done" : "running";
  if (r->missing.load() > 0) return "waiting";
  if (r->count > 0) {
    const Request& q = r->requests[0];
    bool holds = false;
    q.var->each_holder([&](const Request& holder) { holds |= &holder == &q; });
    if (!holds) return "on its device";  // its variables are released, its memory is not
  }
  return "ready";
}

void Picture::look(const Running* any) {
  const Stage stage = any->stage.load();
  if (stage == Stage::kFree || stage == Stage::kLost || any->engine != &engine_) return;
  if (const auto* waiter = as<Waiter>(any)) return waiters_.push_back(waiter);
  const auto* const r = static_cast<const Job*>(any);
  const auto* const head = as<RunningGraph>(r);
  if (!head || !head->has_nodes()) return add(r, state_of(r));
  heads_.push_back(head);
  const GraphRun& run = *r->run;
  for (size_t i = 0; i < run.graph.nodes.size(); ++i)
    if (!run.done(i)) add(&run.nodes[i], state_of(&run.nodes[i]));
}

void Picture::add(const Job* r, std::string state) {
  number_[r] = static_cast<int>(seen_.size());
  seen_.push_back({r, std::move(state)});
  // A node has none: its graph's head has.
  for (int i = 0; i < r->count; ++i) add(r->requests[i].var);
}

// A waiter that sleeps inside a task is that task; another one is a thread of the program.
void Picture::add_thread(const Waiter* waiter) {
  const Request& q = waiter->request;
  const Request* waits = q.var->waiters;
  while (waits && waits != &q) waits = waits->next;
  if (!waits) return;  // it is about to wake up
  for (const Seen& s : seen_) {
    if (!s.record || s.record->asleep_on != waiter) continue;
    number_[waiter] = number_[s.record];
    add(q.var);
    return;
  }
  number_[waiter] = static_cast<int>(seen_.size());
  seen_.push_back({nullptr, "asleep"});
  add(q.var);
}

std::vector<Picture::Step> Picture::steps_of(const Request& q) const {
  std::vector<Step> steps;
  const auto* const head = as<RunningGraph>(q.owner);
  if (!head || !head->has_nodes()) {
    if (const auto at = number_.find(q.owner); at != number_.end())
      steps.push_back({at->second, q.writes()});
    return steps;
  }
  const GraphRun& run = *head->run;
  const int var = head->var_of(q);
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
      if (as<Waiter>(q->owner)) continue;  // nobody waits for it
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
  const GraphRun& run = *static_cast<const RunningGraph*>(q.owner)->run;
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
  for_each_record([this](const Running* r) { look(r); });
  for (const Waiter* w : waiters_) add_thread(w);
  std::map<const VarState*, std::vector<const Request*>> own;
  for (const RunningGraph* head : heads_) {
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
    const bool thread = !seen_[i].record;
    const Origin from = thread ? Origin{"a thread", {}, {}} : origin_of(seen_[i].record);
    text += format("  n{} [label=\"", i);
    append_label(text, from.name);
    text += "\\n" + seen_[i].state;
    if (from.place.file) {
      text += "\\n";
      append_label(text, format("{}:{}", from.place.file, from.place.line));
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
