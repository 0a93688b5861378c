// What both ways to split work share: the default width and the serial loop.
#pragma once
#include <algorithm>
#include <cstdint>
#include <functional>

#include "base/settings.h"
#include "heddle/device.h"

namespace heddle::parallel {

using Piece = std::function<void(int64_t, int64_t)>;

// HEDDLE_THREADS, or what the process may use.
inline int default_width() {
  const int64_t asked = setting_int("HEDDLE_THREADS");
  return asked > 0 ? static_cast<int>(std::min<int64_t>(asked, 4096)) : usable_threads();
}

inline void run_in_order(int64_t n, int64_t grain, const Piece& body) {
  for (int64_t begin = 0; begin < n;) {
    const int64_t end = n - begin > grain ? begin + grain : n;
    body(begin, end);
    begin = end;
  }
}

}  // namespace heddle::parallel
