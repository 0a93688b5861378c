// A symbol with everything decided that can be decided before there is memory.
#pragma once
#include <map>
#include <set>
#include <string>
#include <vector>

#include "symbol/passes.h"

namespace heddle {

struct NetworkSpec {
  Device device = {};
  std::map<std::string, Device> groups = {};  // ctx_group -> device
  // Of variables; enough of them to infer the rest.
  std::map<std::string, ValueInfo, std::less<>> known = {};
  // The variables that are others in each run; empty: any may be. What depends on none of them is
  // computed once for many runs of prediction.
  std::set<std::string, std::less<>> inputs = {};
  bool training = true;  // false: no gradients
  std::map<std::string, GradReq, std::less<>> grad_req = {};
  GradReq default_req = GradReq::kWrite;  // of those that grad_req does not name
  // What a training run may take beside the parameters: the arenas, with the scratch memory of
  // kernels, the gradients and the outputs.
  // 0: whatever it needs. To keep to it, forward nodes run again among the backward ones.
  int64_t memory_budget = 0;
  // Without a budget: the part of a step's time that may go into running again what costs little.
  double recompute_share = 0.01;
  bool recompute_all = false;  // whatever part that takes
  // Pointwise calls are run together. They allocate a little while they run: not for those who may
  // not.
  bool join_pointwise = false;
  // How many threads run pieces of a kernel's loops: what they need of scratch memory lies in the
  // arena. 0: the owner of the threads gives it to them.
  int scratch_threads = 0;
  KernelJudge* kernels = nullptr;  // who chooses among kernels; null: the order of the records
};

struct Network {
  struct Variable {
    std::string name;
    bool aux = false;  // an auxiliary state: changed by runs, without gradient
    GradReq req = GradReq::kNone;
    ValueInfo type = {};
    Device device = {};
  };
  struct Output {
    ValueInfo type = {};
    Device device = {};
    int variable = -1;  // it is this variable
    int same_as = -1;   // it is this earlier output
  };

  Symbol symbol;
  NetworkSpec spec;
  std::vector<Variable> variables;  // arguments, then auxiliary states, in the symbol's order
  std::vector<Output> outputs;

  bool has_gradients() const;
  int64_t own_bytes() const;                  // of the gradients of variables, and of outputs
  int find(std::string_view variable) const;  // -1: there is none
};

// Throws Error naming the node that fits badly, or listing the variables whose shapes stay unknown.
Network analyse(Symbol symbol, NetworkSpec spec);

}  // namespace heddle
