// Which blocks of a chain to keep and which to run forward again, so that its gradient fits.
//
// Beaumont, Eyraud-Dubois, Herrmann, Joly and Shilova, "Optimal checkpointing for heterogeneous
// chains: how to train deep neural networks with limited memory", 2019.
#pragma once
#include <cstdint>
#include <utility>
#include <vector>

namespace heddle::checkpoint {

// A way to run a block forward so that its gradient can follow.
struct Way {
  int64_t saved = 0;     // bytes that stay until then, what goes to the next block among them
  int64_t forward = 0;   // most bytes in use while it runs, `saved` among them
  int64_t backward = 0;  // most bytes in use while its gradient runs, beside `saved`
  double seconds = 0;    // of what the gradient computes once more
};
struct Block {
  int64_t out = 0;        // bytes that go to the next block
  int64_t forward = 0;    // most bytes in use while it runs forward and saves nothing
  int64_t gradients = 0;  // bytes of gradients that are there when its own starts
  double seconds = 0;     // of running it forward
  std::vector<Way> ways;
};

struct Move {
  enum Kind : uint8_t { kForward, kKeep, kBackward } kind;  // kForward: nothing of it is saved
  int block;
  int way = 0;  // of kKeep
};

// The best moves for any number of bytes up to `most`, which is cut into `slots`. Bytes are rounded
// to slots: the caller looks at what the moves really need. Time and memory grow with
// blocks^3 slots and blocks^2 slots.
class Chain {
 public:
  Chain(std::vector<Block> blocks, int64_t most, int slots);

  int slots() const { return slots_; }
  int64_t most() const { return most_; }
  bool feasible(int slot) const { return row(0, last())[slot] < kNever; }
  double seconds(int slot) const { return row(0, last())[slot]; }  // of what runs again
  std::vector<Move> moves(int slot) const;

 private:
  static constexpr float kNever = 1e30f;
  int last() const { return int(blocks_.size()) - 1; }
  const float* row(int s, int t) const;
  float* row(int s, int t) { return const_cast<float*>(std::as_const(*this).row(s, t)); }
  // Bytes in slots: to the nearest, or, of what a block adds to others, up or down by turns, so
  // that the sum over many blocks is right even where each is a part of a slot.
  int cut(int64_t bytes, int block = -1) const;

  std::vector<Block> blocks_;
  int64_t most_;
  int slots_;
  int saved_of(int block, int way) const { return saved_[(block ? ways_[block - 1] : 0) + way]; }
  std::vector<int> out_, saved_,
      ways_;                   // in slots; saved_ of all ways, ways_[b] is where those of b end
  std::vector<double> until_;  // seconds of the blocks before
  std::vector<float> best_;    // [s, t][slot]: seconds that the gradient of s ... t costs more
};

}  // namespace heddle::checkpoint
