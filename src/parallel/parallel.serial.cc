// Splitting work without oneTBB: the same pieces, in order, on the calling thread.
#include "heddle/parallel.h"

#include <algorithm>

#include "parallel/in_order.h"

namespace heddle {

void parallel_for(int64_t n, int64_t grain, parallel::Piece body) {
  parallel::run_in_order(n, std::max<int64_t>(grain, 1), body);
}

void run_in_arena(void (*body)(void*), void* arg) { body(arg); }

}  // namespace heddle
