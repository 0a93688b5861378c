// What an Executor holds: a symbol's variables with their arrays, and the programs that run on
// them.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "executor/program.h"
#include "heddle/executor.h"

namespace heddle {

struct BoundVariable {
  std::string name;
  bool aux = false;
  GradReq req = GradReq::kNone;
  ValueInfo type = {};
  Device device = {};
  NDArray array = {};
  NDArray gradient = {};  // none unless wanted
};

// Arguments, then auxiliary states, with types and devices but no arrays. Throws Error naming the
// node that fits badly, or listing what stays unknown.
std::vector<BoundVariable> analyse_variables(const Symbol& symbol, const BindSpec& spec);

class BoundGraph {
 public:
  BoundGraph(const Symbol& symbol, BindSpec spec, std::shared_ptr<Arenas> arenas);

  void forward(bool training);
  void backward(std::span<const NDArray> heads, bool training);
  Program& program(bool training);  // made when first needed
  const Program* made(bool training) const { return programs_[training].get(); }
  bool has_gradients() const { return has_gradients_; }

  const Symbol symbol;
  const BindSpec spec;  // without its arrays
  std::vector<BoundVariable> variables;
  std::vector<NDArray> outputs, args, grads, aux;
  Monitor monitor;
  bool monitor_inputs = false;
  const std::shared_ptr<Arenas> arenas;

 private:
  void make_outputs();
  void run(Program& p, Part part, bool training);
  void load_head_grads(std::span<const NDArray> heads);

  std::unique_ptr<Program> programs_[2];  // [training]
  bool has_gradients_ = false;
  std::vector<NDArray> head_grads_;  // one per output; none: backward does not read it
  std::vector<NDArray> zero_grads_;  // gradients that nothing flows to
  uint64_t seed_ = 0;                // of the last forward run
};

// The pipeline of passes; see bind.cc.
struct TrainingPlan {
  Plan plan;
  std::vector<NDArray> head_grads, zero_grads;
};
Plan plan_forward(const BoundGraph& bound,
                  bool training);  // as it stands: without outputs yet, too
TrainingPlan plan_training(const BoundGraph& bound);

}  // namespace heddle
