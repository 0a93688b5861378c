// The serial loop, in the pieces that both ways to split work make.
#pragma once
#include <cstdint>

#include "heddle/function_ref.h"

namespace heddle::parallel {

using Piece = FunctionRef<void(int64_t, int64_t)>;

inline void run_in_order(int64_t n, int64_t grain, Piece body) {
  for (int64_t begin = 0; begin < n;) {
    const int64_t end = n - begin > grain ? begin + grain : n;
    body(begin, end);
    begin = end;
  }
}

}  // namespace heddle::parallel
