// Forward nodes run once more among the backward ones, so that fewer of their values need be kept.
#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "symbol/passes.h"

namespace heddle {

// What a graph that was recomputed for a budget needs.
struct Recomputed {
  Chosen graph;
  int64_t arena_bytes = 0;     // by plan_memory, of all devices
  double seconds = 0;          // estimated, of what runs again
  double forward_seconds = 0;  // of everything that runs forward, once
};

// Looks for the least extra time with which the arenas need no more than `bytes`: the graph is cut
// into a chain of blocks, some of which keep what their gradients read, some of it, or nothing
// (checkpoint.h), and what the planner says of the result decides. When nothing fits, returns what
// needs least. Every clone reads what its original read and draws the same random numbers, so
// gradients keep their bits. `outside`: values that have memory of their own. `scratch`: bytes that
// nodes need in the arena while they run; empty: none. `views`: whether values may be parts of
// others there.
Recomputed recompute(Chosen c, const std::vector<bool>& outside,
                     const std::vector<int64_t>& scratch, int64_t bytes, bool views);

// The same for what costs next to nothing (elementwise operators, norms, pooling): as much of it as
// takes at most `share` of the time of a step; the graph as it was where this does not lower the
// peak. With `all`, whatever it takes. Nodes that carry __force_mirroring__ are recomputed anyway.
struct CheapSpec {
  double share = 0;
  bool all = false;
};
// Whether recompute_cheap() would look for anything.
bool asks_for_recomputation(const Graph& g, CheapSpec spec);
Recomputed recompute_cheap(Chosen c, const std::vector<bool>& outside,
                           const std::vector<int64_t>& scratch, CheapSpec spec);

}  // namespace heddle
