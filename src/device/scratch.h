// Scratch memory that somebody lends to a thread: see ScratchScope in heddle/device.h.
#pragma once
#include <cstddef>

#include "heddle/api.h"

namespace heddle {

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
  void* data_;  // of the loan around this one
  size_t bytes_, in_use_, most_;
  int depth_;
};

}  // namespace heddle
