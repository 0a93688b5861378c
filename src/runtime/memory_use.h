// What a plan says of memory, node by node: for those who want to see it before it is spent.
#pragma once
#include <string>
#include <vector>

#include "runtime/plan.h"

namespace heddle {

struct MemoryUse {
  struct Piece {
    int value;  // the first that lives there; -1: the scratch memory of the node at the peak
    int64_t bytes;
  };
  std::vector<int64_t> live;   // node -> bytes of the arenas in use while it runs
  int peak = 0;                // the first node at which most are
  std::vector<Piece> at_peak;  // largest first
  int64_t lower_bound = 0;     // live[peak]: no arena can be smaller
  int64_t scratch = 0;         // most that a node has there for its kernel
};
MemoryUse memory_use(const Plan& plan);

// "stage1_unit2_conv1", and for a value that is no first output "bn_2"; "(again)" follows where it
// is recomputed.
std::string value_name(const Plan& plan, int value);
std::string piece_name(const Plan& plan, const MemoryUse& use, const MemoryUse::Piece& piece);

// Throws Error unless arenas, with scratch memory, gradients and outputs fit into the network's
// budget. Says what is needed, and what takes most of it where most is in use.
void check_budget(const Network& network, const Plan& plan);

}  // namespace heddle
