// The tape: what recorded calls leave behind. It is a graph that grows as a program runs; backward
// freezes the part above its heads into a Graph and differentiates that.
#pragma once
#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "heddle/imperative.h"
#include "symbol/passes.h"

namespace heddle {

struct TapeNode;

// One output of a node, which it lives in: whoever shares the entry keeps the node.
struct TapeEntry {
  TapeNode* node = nullptr;
  int index = 0;
};
using TapeRef = std::shared_ptr<TapeEntry>;

// An array that backward will read, as it was when the call was recorded.
struct SavedArray {
  Ref what;  // x(i) or y(i)
  NDArray array;
  uint64_t version;
  bool fixed = true;  // must not have changed; states that calls themselves write may have
};

struct TapeNode {
  OpCallRef call = {};  // null: a leaf
  bool training = false;
  bool freed = false;  // by a backward that did not retain the graph
  Device device = {};  // where the outputs are
  std::vector<TapeEntry> entries = {};
  std::vector<TapeRef> inputs = {};    // null: a constant
  std::vector<ValueInfo> types = {};   // of the outputs, then of the inputs
  std::vector<SavedArray> saved = {};  // what call->reads names, and nothing else
  // Entries of other nodes that have taken the place of this one's: see unroll_cached().
  std::vector<TapeRef> stands_in = {};
  // Of a leaf.
  NDArray gradient = {};
  GradReq req = GradReq::kNone;
  std::atomic<bool> fresh = false;  // has a backward written the gradient since somebody asked?

  TapeNode() = default;
  ~TapeNode();  // takes long tapes apart without recursion
  TapeNode(const TapeNode&) = delete;
  TapeNode& operator=(const TapeNode&) = delete;
  const ValueInfo& output(int i) const { return types[i]; }
  const ValueInfo& input(int i) const { return types[entries.size() + i]; }
  void free();  // lets go of everything but types and call
};

// The entry that stands for this one now.
inline const TapeRef& standing_in(const TapeRef& e) {
  const TapeRef* at = &e;
  while (*at && !(*at)->node->stands_in.empty()) at = &(*at)->node->stands_in[size_t((*at)->index)];
  return *at;
}

inline ValueInfo info_of(const NDArray& a) { return {a.shape(), a.dtype(), Stype::kDense}; }

namespace tape {

TapeRef make_leaf(const NDArray& variable, const NDArray& gradient, GradReq req);

// Is any of the inputs on the tape?
bool reaches(std::span<const NDArray* const> in);

// Puts a call that has been pushed on the tape. `out`: every output, none where it was not wanted;
// `types` likewise of every output.
void record(const OpCallRef& call, std::span<const NDArray* const> in, std::span<NDArray> out,
            std::span<const ValueInfo> types, bool training);

}  // namespace tape
}  // namespace heddle
