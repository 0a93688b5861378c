// A Symbol bound to arrays and ready to run.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "heddle/imperative.h"
#include "heddle/ndarray.h"
#include "heddle/symbol.h"

namespace heddle {

using Arrays = std::map<std::string, NDArray, std::less<>>;

struct HEDDLE_API BindSpec {
  Device device = {};
  std::map<std::string, Shape, std::less<>> shapes = {};  // enough of them to infer the rest
  std::map<std::string, Dtype, std::less<>> dtypes = {};  // default float32
  Arrays args = {}, grads = {},
         aux = {};  // those given are used; missing ones are made, zero-filled
  std::map<std::string, GradReq, std::less<>> grad_req = {};  // absent: default_req
  GradReq default_req = GradReq::kWrite;
  bool training = true;                       // false: no gradients are prepared
  std::map<std::string, Device> groups = {};  // ctx_group -> device
  // Most bytes that a run may take beside the parameters: for its values, the scratch memory of
  // kernels, the gradients and the outputs. 0: no limit; -1: what the setting HEDDLE_MEMORY_BUDGET
  // says.
  int64_t memory_budget = -1;
};

// What a run needs, known before anything is allocated.
struct HEDDLE_API MemoryReport {
  struct Step {
    std::string name, op;
    uint8_t phase;  // 0: before the run, 1: forward, 2: recomputed, 3: backward, 4: update
    int64_t live;   // bytes of the arenas in use while it runs
  };
  struct Piece {
    std::string name;
    int64_t bytes;
  };
  int64_t arena = 0;        // of the values between variables and outputs, and scratch memory
  int64_t lower_bound = 0;  // the largest sum of those in use at once
  int64_t scratch = 0;      // most that a kernel takes while it runs, on all threads: in the arena
  int64_t plain_arena = 0;  // the arena where nothing is recomputed
  int64_t gradients = 0, outputs = 0, parameters = 0;
  double seconds = 0, again = 0;  // estimated, of the forward nodes and of those that run again
  int peak = 0;                   // the step at which most is in use
  std::vector<Step> steps;
  std::vector<Piece> at_peak;  // what is in use then, the largest first
  int64_t total() const { return arena + gradients + outputs; }
};

// One executor is driven from one thread at a time; what it starts runs asynchronously.
class HEDDLE_API Executor {
 public:
  // Throws Error naming the node, or listing the arguments whose shapes are unknown.
  static Executor bind(const Symbol& symbol, BindSpec spec);

  // Runs the graph once, pushed as one. forward(true) keeps what backward needs.
  void forward(bool training);
  // `heads`: gradients of the outputs; may be empty when every output is a loss.
  void backward(std::span<const NDArray> heads = {}, bool training = true);

  const std::vector<NDArray>& outputs() const;  // the same arrays each time
  const std::vector<NDArray>& args() const;     // in the order of Symbol::arguments()
  const std::vector<NDArray>& grads() const;    // likewise; none where not wanted
  const std::vector<NDArray>& aux() const;      // in the order of Symbol::auxiliary_states()
  const Symbol& symbol() const;

  // Calls each(name, value) after every node's run, for all its outputs, hidden ones too where it
  // computes them; before it, for its inputs, and for variables by their own names, where
  // `inputs_too`. Slows the run down, nullptr ends it.
  void monitor(std::function<void(std::string_view name, const NDArray& value)> each,
               bool inputs_too = false);

  // New shapes, same parameters where their shapes stay.
  Executor reshape(const std::map<std::string, Shape, std::less<>>& shapes, bool partial_shaping,
                   bool allow_up_sizing) const;

  struct Memory {
    int64_t planned_arena = 0;    // the stated peak, known before anything is allocated
    int64_t allocated_arena = 0;  // what was allocated
    int64_t touched_arena = 0;    // the furthest byte a node was given
    int64_t kept = 0;             // beside it: weights as kernels like them best
  };
  Memory memory() const;
  MemoryReport plan(bool training) const;
  static MemoryReport plan(const Symbol& symbol, BindSpec spec, bool training);
  std::string describe() const;  // the final graph, where it runs, and its memory plan

 private:
  std::shared_ptr<class BoundGraph> graph_;
};

namespace autograd {

// The recorded computation of an array as an expression over variables "var0", "var1" ..., in the
// order in which it meets them. Throws MXNet's words when the array is on no tape.
HEDDLE_API Symbol get_symbol(const NDArray& array);

}  // namespace autograd
}  // namespace heddle
