// A training graph as a chain of blocks, for checkpoint.h.
#pragma once
#include <cstdint>
#include <vector>

#include "symbol/checkpoint.h"
#include "symbol/recompute_study.h"

namespace heddle::recomputing {

// A chain of blocks cut out of the graph.
class Blocks {
 public:
  // Values that are read more than `span` nodes after they were made are kept throughout. At most
  // `most` blocks. `fine`: cut also where more is carried on than nearby.
  Blocks(const Study& s, int span, int most, bool fine);
  // Cut after the nodes at these positions.
  Blocks(const Study& s, const std::vector<int>& after);

  int size() const { return int(blocks_.size()); }
  int64_t always() const { return always_; }  // bytes that are kept throughout
  const std::vector<checkpoint::Block>& blocks() const { return blocks_; }
  const std::vector<uint8_t>& pinned() const { return pinned_; }
  // More than it needs where nothing runs again.
  int64_t most() const { return 2 * keeping_all_ + 1; }

  Replay::Order order(const std::vector<checkpoint::Move>& moves) const;

 private:
  Blocks(const Study& s, int span);

  int64_t bytes(int v) const { return pinned_[v] ? 0 : s_.bytes(v); }
  template <class F>
  void each_output(int position, F&& f) const {
    const Graph::Node& n = s_.graph().nodes[size_t(s_.forward()[size_t(position)])];
    for (int v = n.first_output; v < n.first_output + n.outputs(); ++v) f(v);
  }

  // Blocks begin at the positions that where(weights) gives; weights: of what is carried on to each
  // position, where what gradients do not read counts half as much again.
  template <class Where>
  void cut(Where&& where);

  // Where less is carried on than anywhere `reach` nodes around: so far that there are not too
  // many.
  std::vector<int> places(const std::vector<int64_t>& weight, int most, bool fine) const;

  // Backward nodes keep their order, so a node belongs to the earliest block that any before it
  // belonged to.
  void assign_backward();

  void measure();
  // One walk forward, where values go as soon as they are read: what is in use at every node.
  void measure_forward();

  // Keeping all that its gradients read, and keeping what cannot be had again cheaply.
  void measure_ways(int b);

  // Gradients in use, node by node, whatever is computed again: they do not depend on it.
  void measure_backward();

  // What a block computes again lies there while gradients read it.
  void add_passing(size_t b, int after, const std::vector<int>& begin, const std::vector<int>& end);

  int64_t bytes_of_gradient(int v) const;

  const Study& s_;
  std::vector<uint8_t> pinned_;
  int64_t always_ = 0, keeping_all_ = 0;
  std::vector<int> begins_, block_of_;      // of forward nodes, by position
  std::vector<std::vector<int>> backward_;  // nodes of each block
  std::vector<std::vector<int>> gone_;      // values of each block that its second way drops
  std::vector<int64_t> live_;
  std::vector<checkpoint::Block> blocks_;
};

}  // namespace heddle::recomputing
