// A prepared graph of tasks, and one run of it.
#pragma once
#include <memory>
#include <vector>

#include "engine/record.h"

namespace heddle::engine {

// What every run shares. `vars` are the variables that nodes use, and one of the graph's own, which
// keeps two runs of it apart, in the order of their addresses.
class PreparedGraph {
 public:
  struct Node {
    Prepared prepared;
    std::vector<int> vars;    // those it uses, as positions in `vars`; beside task.uses
    std::vector<int> after;   // whose failure skips it
    std::vector<int> before;  // nodes that count on it
    int missing = 0;          // nodes and variables it counts on
    Group* group = nullptr;
  };
  struct Outside {
    Var var;
    Access access = Access::kRead;
    int users = 0;  // nodes; with the graph's own variable, all of them
    int writes = 0;
    std::vector<int> first;  // nodes that start when it is granted
  };
  explicit PreparedGraph(std::vector<GraphTask> tasks);

  std::vector<Node> nodes;
  std::vector<Outside> vars;
  int self = 0;        // the position of the graph's own variable
  int64_t bytes = 0;   // of all nodes
  bool small = false;  // few small nodes: may run on the thread that pushes

  // Runs are made once and used again. In a critical section.
  GraphRun* take_run();
  void give_run(GraphRun* run);
  ~PreparedGraph();

 private:
  void check_after(const GraphTask& t, int at) const;
  void list_vars();
  void link();
  SpinLock lock_;
  std::vector<GraphRun*> spare_;
  std::vector<std::unique_ptr<GraphRun>> runs_;
};

// One push of a graph. Its `head` queues on the variables; its nodes start when what they count on
// is granted or done.
struct GraphRun {
  explicit GraphRun(PreparedGraph& g);
  void reset();  // the counters, for another push
  // A variable was granted to the graph: nodes that waited for it last become ready.
  void granted(int var, RunningList& ready);
  // The first cause among the nodes that `node` follows.
  FailureRef failure_before(int node) const;

  PreparedGraph& graph;
  Running* head = nullptr;  // while it runs
  std::unique_ptr<Running[]> nodes;
  std::unique_ptr<std::atomic<int>[]> users;  // per variable: nodes that have not done with it
  std::atomic<int> left{0};                   // nodes not done
  bool keep_out = false;             // never to be used again: somebody may hold a node's Done
  std::vector<FailureRef> failures;  // per node
  std::vector<EventRef> events;      // per node
};

}  // namespace heddle::engine
