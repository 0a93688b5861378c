// Sizes of pictures, and parts of them.
#pragma once
#include <cstdint>

namespace heddle::image {

// A picture is (height, width, channels).
struct Extent {
  int64_t height = 0, width = 0, channels = 0;
  bool operator==(const Extent&) const = default;
};

// Its rows from `top` and columns from `left` on.
struct Window {
  int64_t top = 0, left = 0, height = 0, width = 0;
  bool operator==(const Window&) const = default;
};
inline Window whole(const Extent& e) { return {0, 0, e.height, e.width}; }

}  // namespace heddle::image
