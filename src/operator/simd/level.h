// Which instruction-set level the loops run at, and the choice among their versions.
#pragma once
#include <atomic>

#include "heddle/api.h"

// The highest level that loops are compiled for. Whoever defines it as 3 or 2 gets a smaller
// program.
#if !defined(__x86_64__) || defined(HEDDLE_BASELINE_ONLY)
#undef HEDDLE_LEVELS
#define HEDDLE_LEVELS 2
#elif !defined(HEDDLE_LEVELS)
#define HEDDLE_LEVELS 4
#endif

namespace heddle::ops::simd {

// 2, 3 or 4: x86-64-v2, v3, v4. Other machines have 2 only, which is their baseline.
HEDDLE_API int best_level();  // what this machine has; HEDDLE_ISA_LEVEL lowers it
HEDDLE_API int level();       // what loops are chosen for now
// At most best_level(), 0 restores it; not while work is running.
HEDDLE_API void set_level(int level);

// Every loop calls ran(its own level) as it starts; last_ran() is the last one. Tests use it to see
// that the loop they asked for is the loop that ran.
HEDDLE_API extern std::atomic<int> last;
inline void ran(int level) {
  if (last.load(std::memory_order_relaxed) != level) last.store(level, std::memory_order_relaxed);
}
inline int last_ran() { return last.load(std::memory_order_relaxed); }

}  // namespace heddle::ops::simd
