// Cached graphs on the tape: one entry for a whole run, whose gradient is the plan's backward part.
#pragma once
#include <memory>
#include <span>
#include <vector>

#include "executor/cached_plan.h"
#include "executor/replay.h"

namespace heddle {

// What is kept of a run that was recorded.
struct CachedRun {
  std::shared_ptr<CachedPlan> plan;
  std::shared_ptr<const Replay> replay;
  std::vector<uint64_t> seeds;
  bool training = false;
  // Whether the arena still holds what forward left there. Read and written by tasks that update
  // it.
  mutable bool ready = true;
};

// The call that stands for the run. Its inputs are those of the symbol, then the arena.
OpCallRef cached_call(std::shared_ptr<CachedRun> run);

// Puts calls of operators in the place of cached runs that the heads depend on: they can be
// differentiated more than once, and shown. They are computed again for that, with the same random
// numbers; auxiliary states stay as they are.
void unroll_cached(std::span<const NDArray> heads);

}  // namespace heddle
