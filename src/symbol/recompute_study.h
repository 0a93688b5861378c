// What the search for recomputation knows of a graph, and what an order of its nodes needs.
#pragma once
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "symbol/recompute.h"
#include "symbol/replay.h"

namespace heddle::recomputing {

// An order, and what it needs.
struct Trial {
  Replay::Order order;
  int64_t bytes = std::numeric_limits<int64_t>::max();
  double seconds = 0;
};
inline bool better(const Trial& a, const Trial& b) {
  return std::pair(a.seconds, a.bytes) < std::pair(b.seconds, b.bytes);
}

// Whether a node carries an attribute that is set.
bool asks(const Graph::Node& n, const char* attribute);

// What is known of the graph before anything is decided.
class Study {
 public:
  Study(const Chosen& c, const std::vector<bool>& outside, const std::vector<int64_t>& scratch);

  const Graph& graph() const { return g_; }
  const std::vector<int>& producer() const { return producer_; }
  const std::vector<int>& forward() const { return forward_; }
  const std::vector<int>& backward() const { return backward_; }
  int position(int node) const { return position_[node]; }  // among the forward ones; -1: none
  int64_t bytes(int value) const { return bytes_[value]; }  // in the arena
  int64_t scratch(int node) const { return scratch_.empty() ? 0 : scratch_[size_t(node)]; }
  double seconds(int node) const { return seconds_[node]; }
  double forward_seconds() const { return forward_seconds_; }
  bool cheap(int node) const { return cheap_[node]; }
  bool forced(int node) const { return asks(g_.nodes[node], "__force_mirroring__"); }
  // Positions of the nodes that end a block, as their users say.
  std::vector<int> stages() const {
    std::vector<int> all;
    for (int node : forward_)
      if (asks(g_.nodes[node], "__mirror_stage__")) all.push_back(position_[node]);
    return all;
  }
  bool saved(int value) const { return saved_[value]; }  // read by a gradient
  int last(int value) const { return last_[value]; }     // its last forward reader's position
  const std::vector<uint8_t>& pinned() const { return pinned_; }  // never computed again

  // What is in use at each event of an order; as much as is known of views.
  struct Use {
    std::span<const Views> views;
    std::vector<int64_t> at = {};
  };

  // Looks for a packing of no more than `enough` bytes; 0: for the smallest. Where more is live at
  // once, says how much.
  Trial try_order(Replay::Order order, int64_t enough = 0, Use* use = nullptr) const;

 private:
  Blob describe(int value) const {
    const ValueInfo& t = c_.types[value];
    return {nullptr, t.shape, t.dtype, Device{}, {Stype::kDense, t.layout}};
  }

  void find_costs();
  void find_readers();
  // A statistic beside a tensor: nobody would run the node again for it.
  bool minor(const Graph::Node& n, int k) const {
    return k > 0 && bytes_[n.first_output + k] <= bytes_[n.first_output] / 16;
  }

  // A node may run again if it keeps nothing from call to call, and finds what it read unchanged.
  void find_pinned();

  const Chosen& c_;
  const Graph& g_;
  const std::vector<bool>& outside_;
  const std::vector<int64_t>& scratch_;
  std::vector<int> producer_, forward_, backward_, position_, last_;
  std::vector<int64_t> bytes_;
  std::vector<double> seconds_;
  double forward_seconds_ = 0;
  std::vector<uint8_t> cheap_, saved_, pinned_;
};

// What is computed again where it is read, instead of being kept: of the values of the nodes at
// [begin, end), or of all.
class CheapValues {
 public:
  explicit CheapValues(const Study& s)
      : s_(s), kept_(size_t(s.graph().values), 0), again_(s.graph().nodes.size(), 0) {}

  // Says that gradients find the value. Of a block: before any is dropped.
  void keep(int value) { kept_[value] = 1; }
  bool kept(int value) const { return kept_[value]; }

  // Tries to drop a kept value of a node at `begin` or later: everything that is missing for it
  // must be cheap. Returns the seconds; nothing where it cannot be had, or takes longer.
  std::optional<double> drop(int value, int begin, double most_seconds = 1e30);

 private:
  const Study& s_;
  std::vector<uint8_t> kept_, again_;
};

}  // namespace heddle::recomputing
