// Chains of blocks: the moves are complete, cost what they are said to, and are no worse than what
// trying everything finds.
#include "symbol/checkpoint.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace heddle::checkpoint {

std::vector<Block> chain_of(int n, int64_t out, int64_t saved) {
  return std::vector<Block>(size_t(n), {.out = out,
                                        .forward = 2 * out,
                                        .gradients = out,
                                        .seconds = 1,
                                        .ways = {{saved, saved + out, 2 * out, 0}}});
}

// Every gradient once, from the last to the first, each after a run that saved what it reads; a
// block runs only where its input is there. Returns the seconds of what ran again.
double expect_complete(const std::vector<Block>& blocks, const std::vector<Move>& moves) {
  const int n = int(blocks.size());
  std::vector<int> kept(size_t(n), -1), ran(size_t(n), 0);
  int next = n - 1, at = -1;  // `at`: the block whose output was made last
  double seconds = 0;
  for (const Move& m : moves) {
    if (m.kind == Move::kBackward) {
      EXPECT_EQ(m.block, next--);
      EXPECT_GE(kept[size_t(m.block)], 0);
      if (kept[size_t(m.block)] >= 0)
        seconds += blocks[size_t(m.block)].ways[size_t(kept[size_t(m.block)])].seconds;
      continue;
    }
    if (ran[size_t(m.block)]++) seconds += blocks[size_t(m.block)].seconds;
    else EXPECT_EQ(m.block, at + 1);
    at = std::max(at, m.block);
    if (m.kind == Move::kKeep) kept[size_t(m.block)] = m.way;
  }
  EXPECT_EQ(next, -1);
  return seconds;
}

TEST(Checkpoint, WithRoomForAllNothingRunsAgain) {
  const auto blocks = chain_of(10, 1, 5);
  const Chain c(blocks, 100, 100);
  EXPECT_EQ(c.seconds(100), 0);
  EXPECT_EQ(expect_complete(blocks, c.moves(100)), 0);
}

TEST(Checkpoint, CostsWhatItSays) {
  std::mt19937 random(1);
  for (int round = 0; round < 50; ++round) {
    std::vector<Block> blocks;
    for (int i = 0, n = 1 + int(random() % 12); i < n; ++i) {
      const int64_t out = int64_t(1 + random() % 4);
      const int64_t saved = out + int64_t(random() % 6);
      Block b{
          .out = out, .forward = out + 2, .gradients = out, .seconds = double(1 + random() % 5)};
      b.ways = {{saved, saved + 1, 3, 0}};
      if (saved > out) b.ways.push_back({out, saved + 1, 3 + saved - out, 0.25});
      blocks.push_back(b);
    }
    const Chain c(blocks, 60, 60);
    float before = 1e30f;
    for (int slot = 0; slot <= 60; ++slot) {
      if (!c.feasible(slot)) continue;
      EXPECT_LE(c.seconds(slot), before);
      before = float(c.seconds(slot));
      EXPECT_NEAR(expect_complete(blocks, c.moves(slot)), c.seconds(slot), 1e-4);
    }
    EXPECT_LT(before, 1e30f);
  }
}

// With a slots for a input and A for a block, c checkpoints let r runs reach C(c + r, r) blocks.
TEST(Checkpoint, EqualBlocksCostWhatGriewankFound) {
  const auto blocks = chain_of(10, 1, 1);
  // Room for the inputs of three blocks beside what runs: 10 = C(5, 2) blocks, two runs at most.
  const Chain c(blocks, 6, 6);
  int most = 0;
  std::vector<int> runs(10, 0);
  for (const Move& m : c.moves(6))
    if (m.kind != Move::kBackward) most = std::max(most, ++runs[size_t(m.block)]);
  EXPECT_LE(most, 3);
  EXPECT_LE(c.seconds(6), 15);
}

}  // namespace heddle::checkpoint
