// The nodes of a plan as they run: each with its kernel and its blobs, built once.
#pragma once
#include <memory>
#include <vector>

#include "executor/plan.h"

namespace heddle {

struct Step {
  int node = 0;
  const OpDef::Implementation* kernel = nullptr;  // null: a copy between devices
  std::vector<Blob> in, out;                      // addresses are found at the first run, and stay
  std::vector<uint8_t> wanted;                    // of the outputs; empty: all
  std::vector<Use> uses;                          // of arrays the user can see
  int64_t bytes = 0;                              // that the blobs cover
  bool writes_outside = false;
  bool idle = false;  // nobody wants an output, and nothing is changed: there is nothing to run
  bool resolved = false;
};

// Shared by the tasks that run them, and kept alive by those on their way.
class Steps {
 public:
  Steps(Plan plan, Arenas& arenas);

  const Plan& plan() const { return plan_; }
  int size() const { return int(steps_.size()); }
  const Step& operator[](int i) const { return steps_[i]; }
  const OpCall& call(int i) const { return *node(i).call; }
  const Graph::Node& node(int i) const { return plan_.graph.nodes[steps_[i].node]; }
  Device device(int i) const { return plan_.where[steps_[i].node]; }
  int of_node(int node) const { return of_node_[node]; }  // -1: a variable
  bool random() const { return random_; }
  int64_t touched_bytes() const { return touched_; }  // the furthest bytes that steps were given
  const std::vector<NDArray>& arenas() const { return arenas_; }

  // On the thread of a task that owns what the step uses. Throws Error naming the node.
  void run(int i, RunContext& where, bool training, uint64_t run_seed);
  void touch_arenas() const;  // gets their memory
  // The blob of a value, once the step that makes it has run.
  Blob blob(int value) const;

 private:
  Blob describe(int value) const;
  void add(int node);
  void list_uses(Step& s) const;
  void resolve(Step& s) const;
  void* address(int value) const;

  const Plan plan_;
  std::vector<NDArray> arenas_;  // in the order of plan_.arenas
  std::vector<Step> steps_;
  std::vector<int> of_node_;
  bool random_ = false;
  int64_t touched_ = 0;
};

}  // namespace heddle
