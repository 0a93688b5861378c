// Every graph pass. A pass is a function: it reads a Graph and returns a Graph or a table about it.
// runtime/plan.cc is the only place that chains them.
#pragma once
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "symbol/graph.h"

namespace heddle {

using ValueInfo = InferContext::Value;
using ValueTypes = std::vector<ValueInfo>;  // indexed by value id
using Placement = std::vector<Device>;      // indexed by node

// Puts, for every node whose operator is composed of others, the nodes of those in its place. The
// last of them keeps its name. Every other pass wants a graph without such nodes.
HEDDLE_API Graph expand(Graph g);

// Propagates known shapes, dtypes and storage kinds both ways until nothing changes. `known` names
// variables; attributes __shape__ and __dtype__ of variables take part. Gradients take the types of
// what they are gradients of. Throws Error naming the node on a conflict. What stays unknown is
// left so: the caller decides.
HEDDLE_API ValueTypes infer(const Graph& g,
                            const std::map<std::string, ValueInfo, std::less<>>& known,
                            bool training = false);

// The same; variables whose dtype nothing decides become float32, one after the other.
ValueTypes infer_float32(const Graph& g, std::map<std::string, ValueInfo, std::less<>> known,
                         bool training = false);

// Lets a node run only when somebody is about to read it, where what it makes takes more memory
// than what it reads and nobody reads later: the products of the inputs of an unrolled recurrent
// network, which the order of the symbol puts in front of its first step. The order of gradients
// follows. `bytes`: of values; 0 of those with memory of their own. Values keep their numbers;
// node_of gets the new numbers of nodes. As it was, where that does not lower the peak. Linear in
// nodes.
Graph delay(Graph g, const std::vector<int64_t>& bytes, std::vector<int>* node_of);
// Whether any node is read first so much later than it runs that this could be worth it.
bool asks_for_delay(const Graph& g);

struct GradientSpec {
  std::vector<int> heads;       // value ids whose gradients come in
  std::vector<int> wrt;         // value ids whose gradients are wanted
  std::vector<int> head_grads;  // value ids, or -1: ones (losses ignore it)
  bool create_graph = false;    // prefer gradients that can be differentiated again
  bool add_to_sums = false;     // prefer those that add to what there is, where kernels do
};
// Appends the nodes that compute d(sum of heads * head_grads)/d(wrt), named "<node>_backward" and
// with `forward` set and of phase kBackward; grads[i] is the value id of
// wrt[i], or -1 when no head depends on it. Several contributions are summed by one node.
// Iterative.
struct Gradient {
  Graph graph;
  std::vector<int> grads;
};
Gradient gradient(Graph g, const GradientSpec& spec);

// For plans of prediction: nodes that depend on constants alone, those without inputs among them,
// become of phase kPrepare. constant(node): whether a variable is the same in run after run.
// `fixed` values, which others see, are computed in each run.
void hoist(Graph& g, const std::vector<uint8_t>& fixed, FunctionRef<bool(int node)> constant);

// Operators take along what follows them, as far as their records say
// (Fusing, op.h), so that a tensor is not written and read again in between. `fixed` values, which
// others see, stay. Normalisations are folded into weights that are variables for which
// wide_enough(value) holds: that lose nothing by it. For training, of a graph that has no gradients
// yet, only operators that have one themselves take activations along. Nodes and values are
// renumbered.
struct Fused {
  Graph graph;
  std::vector<int> node_of, value_of;  // number before -> number now; -1: taken out
};
Fused fuse(Graph g, const std::vector<uint8_t>& fixed, FunctionRef<bool(int)> wide_enough,
           bool training = false);

// Which kernel runs a node, and how it is given its tensors.
struct Choice {
  const OpDef::Implementation* kernel = nullptr;  // null: a variable, or a copy between devices
  std::vector<Stored> in = {}, out = {};
};
struct Chosen {
  Graph graph;
  Placement where;
  ValueTypes types;             // with the layouts that values are computed in
  std::vector<Choice> choices;  // of nodes
  std::map<int, int> plain;     // of fixed values: the copy in C order that takes their place
};
struct Keep {
  bool reordered = false, packed = false;
};
// Who knows better than the order of kernels in a record which of them to take.
class KernelJudge {
 public:
  virtual ~KernelJudge() = default;
  virtual const OpDef::Implementation* fastest(const OpCall& call, Device device,
                                               const Situation& s) = 0;  // null: any
  virtual void done() = 0;  // that was the last question of a graph
};
// Chooses the kernel of every node. Where it wants a tensor in another order than it lies in memory
// (`wants`, op.h), a node that reorders it is put in front, once for all that want it so; where
// both orders are the same bytes, none is. Variables lie in C order, and `fixed` values, which
// others see, end in it. What is kept from run to run is of phase kPrepare: reordered variables,
// and those packed as kernels like them best (OpDef::Packing). Values keep
// their numbers. Throws Error naming the node that has no kernel.
Chosen choose_kernels(Graph g, Placement where, ValueTypes types, const std::vector<bool>& fixed,
                      bool training, Keep keep, KernelJudge* judge = nullptr);

// Whether output k of a node has memory even if nobody reads it. A forward node that nobody reads
// but for its hidden outputs, or not at all, has no gradient; one that is recomputed may run for
// these alone, and kernels count on having the others.
inline bool always_written(const Graph::Node& n, int k) {
  return n.phase == Phase::kRecomputed && !n.call->outputs[size_t(k)].hidden;
}

// Joins nodes whose calls treat each element by itself (is_pointwise, op.h) into one that runs them
// together (Meaning::kPointwise). `fixed` values, which others see, stay; those that only joined
// nodes read are gone. Runs after everything that decides how often a node runs.
// Nothing where there is nothing to join.
struct Joined {
  Chosen chosen;
  std::vector<int> value_of;  // number before -> number now; -1: gone
};
std::optional<Joined> fuse_pointwise(Chosen c, const std::vector<uint8_t>& fixed);

// Where values live when every node runs in order (or in any order that the graph allows: the plan
// adds `after` edges where sharing memory demands it). Offsets are into one arena per device.
struct MemoryPlan {
  static constexpr int64_t kOutside = -1;  // variables, outputs: memory of their own
  static constexpr int64_t kUnused = -2;   // nobody reads it
  std::vector<int64_t> offset;             // value id -> byte offset in the arena
  std::vector<int> shares;          // value id -> value whose memory it takes in place, or -1
  std::vector<uint8_t> still = {};  // node -> its values are parts of each other: it need not run
  // What arenas consist of: the memory of one value, or of several that share it.
  struct Piece {
    int value;  // the largest
    int64_t bytes;
    int begin, end;  // the first and the last node that uses it
  };
  std::vector<Piece> pieces = {};
  std::vector<int64_t> scratch = {};  // node -> byte offset of its scratch memory, or kUnused
  int64_t arena_bytes = 0;            // the stated peak
  int64_t peak_live_bytes = 0;        // the largest sum of live values: a lower bound
};
// `outside` marks value ids that have memory of their own, or live on another device. In-place
// where the records allow it and nothing else reads the input later; then offsets by lifetime.
// `after` gets, per node, the nodes that must run before it for the plan to hold in any order:
// readers of memory before its next writer, and reads and changes of auxiliary states in the
// graph's order. An arena of `enough` bytes need not be made smaller. Where more
// than that is live at once there is no packing: arena_bytes is what is live. `scratch`: bytes of
// scratch memory that nodes have there while they run; empty: none. `views`: of nodes that may be
// left out, since values can be parts of others; those that would make the arena larger run.
MemoryPlan plan_memory(const Graph& g, const ValueTypes& t, const std::vector<bool>& outside,
                       std::vector<std::vector<int>>* after, int64_t enough = 0,
                       std::span<const int64_t> scratch = {}, std::span<const Views> views = {});

// Which nodes move nothing (Views, op.h), of all nodes; empty where none does.
std::vector<Views> find_views(const Graph& g, const ValueTypes& types,
                              const std::vector<Choice>& choices);

// What the kernels of nodes need of scratch memory where so many threads run pieces of their loops:
// `pieces` of each is how many do. Nothing where threads have room for it anyway, and for what is
// prepared before runs. `wanted`: of values.
std::vector<ScratchNeed> scratch_needs(const Graph& g, const Placement& where,
                                       const ValueTypes& types, const std::vector<Choice>& choices,
                                       bool training, int threads,
                                       const std::vector<uint8_t>& wanted);
// The bytes of each in an arena.
std::vector<int64_t> scratch_bytes(const std::vector<ScratchNeed>& needs);

// Chooses a device per node from __ctx_group__ attributes and inserts copies between devices.
// Values keep their numbers; nodes do not.
Graph place(Graph g, const std::map<std::string, Device>& groups, Device fallback,
            Placement* where);

}  // namespace heddle
