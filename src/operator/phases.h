// Work in phases, each made of the same pieces: those of one phase are all done before any of the
// next begins. The threads stay together in between, where a loop per phase would have them part
// and meet, at a cost of microseconds each time.
#pragma once
#include <algorithm>
#include <atomic>
#include <exception>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "heddle/op.h"

namespace heddle::ops {

class Phases {
 public:
  static constexpr int64_t kMostPieces = 32;
  Phases(int64_t phases, int64_t pieces) : phases_(size_t(phases)), pieces_(pieces) {
    check(pieces >= 1 && pieces <= kMostPieces, "{} pieces, expected 1 to {}", pieces, kMostPieces);
  }
  // body(phase, piece), which must not split its work again: a thread that helps with another piece
  // while it waits would wait for itself. An error of a piece reaches the caller, and pieces not
  // begun are left out.
  template <class Body>
  void run(const OpContext& ctx, Body&& body) {
    if (phases_.empty()) return;
    ctx.parallel_for(pieces_, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) help(body);
    });
    if (failed_) throw_error(error_);
  }

 private:
  struct alignas(64) Phase {
    std::atomic<uint32_t> taken = 0, done = 0;
  };
  // One thread's share of all phases. It waits only for pieces that another thread has begun. It
  // prefers the same ones in every phase, whose memory is near it.
  template <class Body>
  void help(Body&& body) {
    const int64_t home = arrived_++ * pieces_ / std::max(threads(), 1);
    for (size_t p = 0; p < phases_.size(); ++p) {
      Phase& phase = phases_[p];
      for (int64_t k = 0; k < pieces_; ++k) {
        const int64_t piece = (home + k) % pieces_;
        const uint32_t bit = uint32_t(1) << piece;
        if (phase.taken.load(std::memory_order_relaxed) & bit) continue;
        if (phase.taken.fetch_or(bit) & bit) continue;
        begin(body, int64_t(p), piece);
        ++phase.done;
      }
      for (int i = 0; phase.done.load() < uint32_t(pieces_); ++i) rest(i);
    }
  }
  template <class Body>
  void begin(Body&& body, int64_t phase, int64_t piece) {
    if (failed_) return;
    attempt<std::exception>([&] { body(phase, piece); },
                            [&](std::string_view text) {
                              if (!failed_.exchange(true)) error_ = text;
                            });
  }
  static void rest(int i) {
#ifdef __x86_64__
    if (i < 2000) return __builtin_ia32_pause();
#endif
    if (i >= 100) std::this_thread::yield();
  }
  std::vector<Phase> phases_;
  const int64_t pieces_;
  std::atomic<int64_t> arrived_ = 0;
  std::atomic<bool> failed_ = false;
  std::string error_;
};

}  // namespace heddle::ops
