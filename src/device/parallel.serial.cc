// Splitting work without oneTBB: the same pieces, in order, on the calling thread.
#include "device/parallel.h"

#include <atomic>

namespace heddle {
namespace parallel {

std::atomic<int>& width() {
  static std::atomic<int> w{default_width()};
  return w;
}

}  // namespace parallel

void parallel_for(int64_t n, int64_t grain, const parallel::Piece& body) {
  parallel::run_in_order(n, std::max<int64_t>(grain, 1), body);
}

void run_in_arena(void (*body)(void*), void* arg) { body(arg); }

void set_threads(int threads) {
  check(threads >= 0 && threads <= 4096, "[set_threads] found {}, expected 0 to 4096", threads);
  parallel::width() = threads > 0 ? threads : parallel::default_width();
}

int threads() { return parallel::width(); }

}  // namespace heddle
