// What the passes found out about a network, and where each of its values lives.
#pragma once
#include <utility>
#include <vector>

#include "runtime/network.h"

namespace heddle {

// The memory of a value.
struct Home {
  enum Kind : uint8_t {
    kArena,     // of the plan
    kVariable,  // those are of the network's owner, and `index` says which
    kOutput,
    kGradient,  // of a variable
    kHead,      // the gradient of an output, which comes in
    kPrepared,  // a variable as kernels want it: memory of the plan that outlives a run
    kShown,     // what no node reads, for who looks at everything
  } kind = kArena;
  int index = 0;
  int64_t offset = 0;  // in bytes, of a part of a variable
  bool part = false;
};

struct Plan {
  Graph graph;
  Placement where;                   // of nodes
  ValueTypes types;                  // of values
  std::vector<Home> home;            // of values
  std::vector<Choice> choices = {};  // of nodes, made before memory is planned
  std::vector<uint8_t> wanted = {};  // value -> is it read, or has a home of its own?
  std::vector<int64_t> offset = {};  // value -> its place in the arena of its device
  std::vector<int> shares = {};      // value -> the value whose memory it takes over, or -1
  std::vector<uint8_t> still = {};   // node -> its values are parts of each other: it need not run
  std::vector<MemoryPlan::Piece> pieces = {};  // of all arenas
  std::vector<ScratchNeed> scratch = {};  // of nodes, in the arena; `pieces`: of how many threads
  std::vector<int64_t> scratch_offset = {};  // node -> its place there
  std::vector<std::vector<int>> after = {};  // node -> earlier nodes that its memory waits for
  std::vector<std::pair<Device, int64_t>> arenas = {};  // the stated peak of each device
  std::vector<int> producer = {};                       // value -> node
  // value -> is it prepared for other prepared values of the same variables alone? Then it need not
  // stay: whenever one of these is made again, it is too.
  std::vector<uint8_t> passing = {};
  // Of a plan with gradients:
  std::vector<uint8_t> reads_head = {};  // output -> does backward read its gradient?
  std::vector<int> zero_gradients = {};  // variables whose gradient nothing flows to

  double seconds = 0, seconds_again = 0;  // estimated: of forward, and of what is recomputed

  bool outside(int value) const { return home[value].kind != Home::kArena; }
  Device device(int value) const { return where[producer[value]]; }
  Blob describe(int value) const;         // without an address, as it is stored
  int64_t scratch_bytes(int node) const;  // in the arena; 0: none
  int64_t stated_bytes() const;           // of all arenas
  int64_t kept_bytes() const;             // of prepared variables, and of gradients of outputs
};

// The pipeline of passes, for a forward run alone, and for one with its gradients. Throws Error
// naming the node that no kernel serves. `whole`: for who looks at everything, nothing fused and,
// without gradients, every output of every node computed.
Plan plan_forward(const Network& network, bool training, bool whole = false);
Plan plan_training(const Network& network, bool whole = false);
// The one of them that such a run needs.
Plan plan_network(const Network& network, bool training, bool whole = false);

}  // namespace heddle
