// Splitting work over the threads of the process, on one arena.
#pragma once
#include <cstdint>

#include "heddle/device.h"
#include "heddle/function_ref.h"

namespace heddle {

// Calls body(begin, end) over [0, n) in pieces of `grain` (the last may be shorter), in parallel on
// the one arena of the process. The pieces depend on n and grain only, never on the number of
// threads, so results do not either. An exception in a piece reaches the caller after the others
// have stopped. Safe to nest.
HEDDLE_API void parallel_for(int64_t n, int64_t grain, FunctionRef<void(int64_t, int64_t)> body);

// Runs `body` inside the arena, on the calling thread: engine workers run tasks through it, so that
// runnable threads never exceed the arena's slots, of which there are threads(), plus the callers.
HEDDLE_API void run_in_arena(void (*body)(void*), void* arg);

}  // namespace heddle
