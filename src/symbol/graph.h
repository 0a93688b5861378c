// A Symbol (or a tape) frozen for analysis: nodes in topological order, values numbered.
#pragma once
#include <string>
#include <vector>

#include "heddle/symbol.h"

namespace heddle {

// When a node runs: forward in a forward run, the last three in a backward run.
enum class Phase : uint8_t {
  kPrepare,  // before a forward run, where the variable it reads has changed since it ran last
  kForward,
  kRecomputed,  // a forward node once more, so that its value need not be kept until its gradient
  kBackward,
  kUpdate,  // of parameters
};

struct HEDDLE_API Graph {
  struct Node {
    OpCallRef call = nullptr;  // null: a variable
    std::string name = {};     // may be empty on a tape
    Kwargs attrs = {};
    std::vector<int> inputs = {};  // value ids
    int first_output = 0;          // value ids first_output ... first_output + number of outputs
    int forward = -1;              // of a "_backward_*" node: the node whose gradient it computes
    Phase phase = Phase::kForward;
    int stream = -1;  // of random numbers: nodes of one stream draw the same; -1: by add()
    std::vector<int> after = {};  // nodes that must run before, besides the producers of the inputs
    Kwargs attributes() const;    // parameters and attributes together, as files hold them
    int outputs() const { return call ? int(call->outputs.size()) : 1; }
  };
  std::vector<Node> nodes;
  std::vector<int> outputs;  // value ids
  int values = 0;

  static Graph of(const Symbol& s);
  int add(Node node);                  // numbers its outputs; returns the node's index
  std::vector<int> producers() const;  // value id -> node index
  // Value id -> whether some node changes it in place. Not counted, if so asked: changes after
  // which it is the value that it was (Input::same_value).
  std::vector<uint8_t> changed(bool same_values_too = true) const;
};

}  // namespace heddle
