// Work in phases: no piece begins before the phase ahead of it is done, and errors come back.
#include "operator/phases.h"

#include <gtest/gtest.h>

#include <set>

namespace heddle::ops {

class PhasesTest : public testing::Test {
 protected:
  ~PhasesTest() override { set_threads(0); }
  OpContext ctx;
};

TEST_F(PhasesTest, RunsEveryPieceOnceAndPhasesInOrder) {
  constexpr int64_t kPhases = 200, kPieces = 5;
  for (int count : {1, 2, 4}) {
    set_threads(count);
    std::atomic<int64_t> begun[kPhases][kPieces] = {}, done[kPhases] = {};
    std::atomic<int64_t> early = 0;
    Phases(kPhases, kPieces).run(ctx, [&](int64_t phase, int64_t piece) {
      if (phase > 0 && done[phase - 1] != kPieces) ++early;
      ++begun[phase][piece];
      ++done[phase];
    });
    EXPECT_EQ(early, 0);
    for (const auto& phase : begun)
      for (const auto& times : phase) EXPECT_EQ(times, 1);
  }
}

TEST_F(PhasesTest, WhatAPieceThrowsReachesTheCaller) {
  for (int count : {1, 2, 4}) {
    set_threads(count);
    std::atomic<int64_t> later = 0;
    const auto work = [&](int64_t phase, int64_t piece) {
      if (phase == 1 && piece == 2) throw Error("piece");
      if (phase > 1) ++later;
    };
    EXPECT_THROW(Phases(3, 4).run(ctx, work), Error);
    EXPECT_EQ(later, 0);
  }
}

TEST_F(PhasesTest, NoPhasesAreNoWork) {
  Phases(0, 3).run(ctx, [](int64_t, int64_t) { FAIL(); });
}

}  // namespace heddle::ops
