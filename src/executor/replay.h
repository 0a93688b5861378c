// A symbol's nodes as eager calls, one after the other.
#pragma once
#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "executor/program.h"
#include "heddle/symbol.h"

namespace heddle {

// A symbol laid out for that: found once, run many times, by any thread.
class Replay {
 public:
  explicit Replay(const Symbol& symbol);

  // One array per input of the symbol, in the order of Symbol::inputs(). The calls draw their
  // random numbers, record and behave as those of a program that is written line by line. `each` is
  // told of every node: its name, its operator, inputs and outputs.
  using Each = std::function<void(const Node&, std::span<const NDArray* const> in,
                                  std::span<const NDArray> out)>;
  std::vector<NDArray> run(std::span<const NDArray* const> inputs, Device device,
                           const Each& each = {}) const;

  bool dynamic() const { return dynamic_; }  // does an extent depend on values?

 private:
  struct Call {
    NodeRef node;
    std::vector<int> inputs;  // values: first the symbol's inputs, then the outputs of the calls
    int first_output = 0;
    std::vector<int> last_read = {};  // values that no later call reads
  };
  std::vector<Call> calls_;
  std::vector<int> outputs_;
  int inputs_ = 0, values_ = 0;
  bool dynamic_ = false;
};

}  // namespace heddle
