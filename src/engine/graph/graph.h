// A prepared graph of tasks, and one run of it.
#pragma once
#include <memory>
#include <span>
#include <vector>

#include "engine/task/running.h"

namespace heddle::engine {

// What every run shares. `vars` are the variables that nodes use, and one of the graph's own, which
// keeps two runs of it apart, in the order of their addresses.
class PreparedGraph {
 public:
  struct Node {
    Prepared prepared;
    std::vector<int> vars;   // those it uses, as positions in `vars`; beside task.uses
    std::vector<int> after;  // whose failure skips it
    Group* group = nullptr;
  };
  // What a run follows, packed: it is read once for every node.
  struct Links {
    int missing = 0;  // nodes and variables it counts on
    int before_at = 0, before_end = 0;
    int last_of_at = 0, last_of_end = 0;
  };
  struct Outside {
    Var var;
    Access access = Access::kRead;
    int last = 0;  // nodes that use it last
    int writes = 0;
    std::vector<int> first = {};  // nodes that start when it is granted
  };
  explicit PreparedGraph(std::vector<GraphTask> tasks);
  // Nodes that count on this one.
  std::span<const int> before(const Links& l) const {
    return {before_.data() + l.before_at, before_.data() + l.before_end};
  }
  // Variables that nothing uses after it.
  std::span<const int> last_of(const Links& l) const {
    return {last_of_.data() + l.last_of_at, last_of_.data() + l.last_of_end};
  }

  std::vector<Node> nodes;
  std::vector<Links> links;  // of each node
  std::vector<Outside> vars;
  int self = 0;       // the position of the graph's own variable
  int sinks = 0;      // nodes that none counts on
  int64_t bytes = 0;  // of all nodes
  // All nodes are small: one thread runs them in the order of the list. See serial.cc.
  bool serial = false;
  bool cancellable = false;  // some node has a token

  // Runs are made once and used again. In a critical section.
  GraphRun* take_run(Core* engine);
  void give_run(GraphRun* run);
  ~PreparedGraph();

 private:
  void check_after(const GraphTask& t, int at) const;
  void list_vars();
  void link();
  void pack(const std::vector<std::vector<int>>& before,
            const std::vector<std::vector<int>>& last_of);
  std::vector<int> before_, last_of_;
  SpinLock lock_;
  std::vector<GraphRun*> spare_;
  std::vector<std::unique_ptr<GraphRun>> runs_;
};

// One push of a graph. Its `head` queues on the variables; its nodes start when what they count on
// is granted or done. Of a serial graph the head runs them, and they are made only when they are
// needed one by one.
struct GraphRun {
  GraphRun(PreparedGraph& g, Core* engine);
  void make_nodes(Core* engine);
  // A variable was granted to the graph: nodes that waited for it last become ready.
  void granted(int var, ReadyList& ready);
  // A node without a place of its own has that of its graph's push.
  Origin origin_of(const Task& t) const { return {t.name, t.place.file ? t.place : place, t.lane}; }
  // The first cause among the nodes that `node` follows.
  FailureRef failure_before(size_t node) const;
  // The stage of nodes that are done. They need not be put back for the next run.
  Stage over() const { return round & 1 ? Stage::kOverOdd : Stage::kOverEven; }
  bool done(size_t node) const {
    const Stage stage = nodes[node].stage.load();
    return stage == over() || stage == Stage::kLost;
  }

  PreparedGraph& graph;
  RunningGraph* head = nullptr;  // while it runs
  Place place;                   // that pushed it
  uint32_t round = 0;            // how often it was pushed
  std::unique_ptr<RunningNode[]> nodes;
  std::unique_ptr<std::atomic<int>[]> last;  // per variable: nodes that use it last, not done yet
  std::atomic<int> left{0};                  // sinks not done
  std::atomic<bool> suspect{false};  // a variable was poisoned, or a node failed or left an event
  bool keep_out = false;             // never to be used again: somebody may hold a node's Done
  std::vector<FailureRef> failures;  // per node
  std::vector<EventRef> events;      // per node
};

inline VarState* state_of(const PreparedGraph::Outside& use) { return state_of(use.var); }

// Hands each use of the record's task to each(variable, access).
template <class Each>
void each_use(const Job* r, const Each& each) {
  if (const auto* node = as<RunningNode>(r)) {
    for (const Use& u : node->task().uses) each(*state_of(u.var), u.access);
  } else {
    for (int i = 0; i < r->count; ++i) each(*r->requests[i].var, r->requests[i].access);
  }
}

}  // namespace heddle::engine
