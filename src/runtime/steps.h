// The nodes of a plan as they run: each with its kernel and its blobs, built once.
#pragma once
#include <string>
#include <vector>

#include "runtime/plan.h"

namespace heddle {

enum class Part : uint8_t { kPrepare, kForward, kBackward };  // of a program

struct Step {
  int node = 0;
  const OpDef::Implementation* kernel = nullptr;  // null: a copy between devices, which
                                                  // is for the owner of the memory to make
  std::vector<Blob> in, out;                      // where they are is said once, by locate()
  std::vector<uint8_t> wanted;                    // of the outputs; empty: all
  int64_t bytes = 0;                              // that the blobs cover
  bool idle = false;  // there is nothing to run: nobody wants an output and nothing is changed, or
                      // the outputs are there already
  bool located = false;
  void* scratch = nullptr;  // memory for its kernel to work in, where the plan has some
};

// Of an output of a node: "<node>_<output>", as MXNet's monitors know it; counted where several
// have one name.
std::string shown_name(const Graph::Node& n, int output);

class Steps {
 public:
  explicit Steps(Plan plan);

  const Plan& plan() const { return plan_; }
  int size() const { return int(steps_.size()); }
  const Step& operator[](int i) const { return steps_[i]; }
  const Graph::Node& node(int i) const { return plan_.graph.nodes[steps_[i].node]; }
  Device device(int i) const { return plan_.where[steps_[i].node]; }
  int of_node(int node) const { return of_node_[node]; }  // -1: a variable
  bool is_part(int i, Part part) const {
    const Phase p = node(i).phase;
    return part == (p == Phase::kPrepare   ? Part::kPrepare
                    : p == Phase::kForward ? Part::kForward
                                           : Part::kBackward);
  }
  // Whether any step takes random numbers: in such a run, or at all.
  bool draws(bool training) const { return draws_[training]; }
  bool draws() const { return draws_[0] || draws_[1]; }
  int64_t touched_bytes() const { return touched_; }  // the furthest bytes that steps were given

  // Gives the blobs of a step their addresses, which stay: address(value) may be null for values
  // that nobody reads. `arena`: of its device, where the plan has scratch memory for the step.
  void locate(int i, FunctionRef<void*(int value)> address, void* arena = nullptr);
  bool has_scratch(int i) const { return plan_.scratch_bytes(steps_[i].node) > 0; }
  // Runs a step that has a kernel, once it is located, on a thread that may use what it uses.
  // Throws Error naming the node. `run_seed` is what the random numbers of a run are drawn from.
  void run(int i, Device device, Stream* stream, bool training, uint64_t run_seed);
  // The same, where the owner has drawn the number for this step himself.
  void run_seeded(int i, Device device, Stream* stream, bool training, uint64_t seed);

 private:
  void add(int node);

  const Plan plan_;
  std::vector<Step> steps_;
  std::vector<int> of_node_;
  bool draws_[2] = {};
  int64_t touched_ = 0;
};

}  // namespace heddle
