// Scratch memory that somebody lends to threads: see ScratchScope in heddle/device.h.
#pragma once
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "heddle/api.h"

namespace heddle {

class ScratchRoom;

namespace scratch {

// What the calling thread has taken. Threads that were lent all they need never make a stack of
// their own: making one allocates.
struct Use {
  char* lent = nullptr;         // by the loan or the room that is open
  size_t size = 0;              // bytes of it
  bool strict = false;          // whether there is nothing else
  size_t lent_in_use = 0;       // bytes
  size_t in_use = 0, most = 0;  // of all
  int depth = 0;                // scopes open
  ScratchRoom* room = nullptr;  // that other threads may share
};

// From before a fork to after it no thread gets memory of its own for the first time, or ends. In
// the child there is no thread but one, and what others had may be the place of new ones.
void before_fork();
void after_fork_in_parent();
void after_fork_in_child();

}  // namespace scratch

// While it lives, the scratch memory of the calling thread is counted, and comes out of [data, data
// + bytes) unless that is null: what does not fit there throws Error. `data` is aligned to 64.
class HEDDLE_API ScratchLoan {
 public:
  explicit ScratchLoan(void* data = nullptr, size_t bytes = 0);
  ~ScratchLoan();
  ScratchLoan(const ScratchLoan&) = delete;
  ScratchLoan& operator=(const ScratchLoan&) = delete;
  size_t most() const;  // bytes that were in use at once, so far

 private:
  scratch::Use outer_;
};

// Counts what the calling thread takes while it lives, wherever that comes from.
class HEDDLE_API ScratchCount {
 public:
  ScratchCount();
  ~ScratchCount();
  ScratchCount(const ScratchCount&) = delete;
  ScratchCount& operator=(const ScratchCount&) = delete;
  size_t most() const;  // bytes that were in use at once, so far

 private:
  const size_t before_, most_;
};

// Scratch memory for one call of a kernel: while it lives, what the calling thread takes comes out
// of it first, and so does what other threads take in the pieces of its loops. `call` bytes are for
// the kernel itself; `piece` more for each of `threads` that run pieces, the calling one among
// them. What does not fit the threads find as they do without.
class HEDDLE_API ScratchRoom {
 public:
  // Bytes that such a room takes; each of both numbers has some room for alignment.
  static int64_t bytes(int64_t call, int64_t piece, int threads);
  // Bytes that are added to what a kernel says it takes: sixteen takes may be rounded up.
  static constexpr int64_t kAlignments = 16 * 64;

  ScratchRoom(void* data, int64_t call, int64_t piece, int threads);
  ~ScratchRoom();
  ScratchRoom(const ScratchRoom&) = delete;
  ScratchRoom& operator=(const ScratchRoom&) = delete;

  // The one of the calling thread; null: none.
  static ScratchRoom* current();
  // For another thread that runs pieces of a loop: one of the places that are left, as long as it
  // lives.
  class HEDDLE_API Share {
   public:
    explicit Share(ScratchRoom* room);
    ~Share();
    Share(const Share&) = delete;
    Share& operator=(const Share&) = delete;

   private:
    ScratchRoom* const room_;
    int place_ = -1;
    scratch::Use outer_;
  };

 private:
  int take_place();
  static constexpr int kMostPlaces = 256;
  char* const places_;  // of other threads
  const size_t piece_;
  const int count_;
  std::array<std::atomic<uint64_t>, kMostPlaces / 64> taken_{};
  scratch::Use outer_;
};

}  // namespace heddle
