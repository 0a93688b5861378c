// What the passes found out about a graph, and where each of its values lives.
#pragma once
#include <utility>
#include <vector>

#include "heddle/ndarray.h"
#include "symbol/passes.h"

namespace heddle {

struct Plan {
  Graph graph;
  Placement where;               // of nodes
  ValueTypes types;              // of values
  std::vector<NDArray> outside;  // value -> its own array; none: it lives in the arena
  // Of nodes, chosen before memory is planned; null: a variable, or a copy between devices.
  std::vector<const OpDef::Implementation*> kernels = {};
  std::vector<uint8_t> wanted = {};          // value -> is it read, or has an array of its own?
  std::vector<int64_t> offset = {};          // value -> its place in the arena of its device
  std::vector<int> shares = {};              // value -> the value whose memory it takes over, or -1
  std::vector<std::vector<int>> after = {};  // node -> earlier nodes that its memory waits for
  std::vector<std::pair<Device, int64_t>> arenas = {};  // the stated peak of each device
  std::vector<int> producer = {};                       // value -> node
  int64_t stated_bytes() const;                         // of all arenas
  Blob describe(int value) const;                       // without an address
};

// Chooses the kernels for a mode, from the first four. Throws Error naming the node that has none.
void choose_kernels(Plan& plan, bool training);
// Then fills in the rest.
void plan_values(Plan& plan);

// Memory that intermediate values live in. Programs take turns on it: those of one executor, and
// those of executors reshaped from it.
class Arenas {
 public:
  // An arena on `device` of at least so many bytes: one there is, or a new one.
  NDArray of(Device device, int64_t bytes);

  // Whose activations lie there, ready for its backward; compared, never followed.
  const void* holder = nullptr;

 private:
  std::vector<NDArray> arenas_;
};

}  // namespace heddle
