// The tape above some heads, frozen into a Graph for the passes.
#pragma once
#include <unordered_map>
#include <vector>

#include "executor/tape.h"
#include "symbol/graph.h"

namespace heddle {

struct FrozenTape {
  Graph graph;                           // variables: leaves and constants
  std::vector<TapeRef> nodes;            // an entry of each tape node, inputs before readers
  std::vector<int> first_value;          // of each tape node: the value ids of its outputs
  std::vector<const ValueInfo*> types;   // value id -> its type
  std::vector<Device> devices;           // graph node -> where it ran
  std::vector<const SavedArray*> saved;  // value id -> the array that was kept, or null
  int value_of(const TapeRef& e) const;  // -1 when it is not among the nodes
  std::vector<int> leaves;               // positions in `nodes`
  std::unordered_map<const TapeNode*, int> positions;  // in `nodes`
};

// Throws MXNet's words when a head is on no tape or its graph was freed.
FrozenTape freeze(std::span<const NDArray> heads);

}  // namespace heddle
