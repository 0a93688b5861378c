// An order in which to run a training graph, where forward nodes may come again.
#pragma once
#include <cstdint>
#include <vector>

#include "symbol/passes.h"

namespace heddle {

// Built up by saying what runs next; each node reads the latest copy of what it reads. Forward
// nodes have all run once when it starts.
class Replay {
 public:
  // `pinned`: values that are never computed again.
  Replay(const Graph& g, const std::vector<int>& producer, const std::vector<uint8_t>& pinned);

  // Runs a forward node again: all its values, or only those that are gone.
  void repeat(int node, bool only_gone = false);
  // What reads the value from now on has it computed again.
  void forget(int value) { gone_[value] = !pinned_[value]; }
  void backward(int node);

  struct Event {
    int node;          // whose call it is
    int first_output;  // of the original, or a new number
    bool clone;
    std::vector<int> inputs;
  };
  struct Order {
    std::vector<Event> events;
    int values = 0;
  };
  // Without what nobody reads.
  Order finish();

 private:
  const Graph& g_;
  const std::vector<int>& producer_;
  const std::vector<uint8_t>& pinned_;
  std::vector<int> now_;  // value -> its latest copy
  std::vector<uint8_t> gone_;
  Order order_;
  std::vector<int> todo_;
};

}  // namespace heddle
