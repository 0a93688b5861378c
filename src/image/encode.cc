// Finding what writes a format.
#include "image/encode.h"

#include <algorithm>

namespace heddle::image {

std::string encode(std::string_view who, std::string_view format, const Picture& p, int quality) {
  for (const Writer& w : writers()) {
    if (w.name != format) continue;
    check(w.encode, "[{}] this build cannot write a {}: it was made without {}", who, w.name,
          w.library);
    check(p.height > 0 && p.width > 0 && std::max(p.height, p.width) <= w.most_side,
          "[{}] found {} x {} pixels, expected 1 to {} a side in a {} file", who, p.height, p.width,
          w.most_side, w.name);
    check(p.channels == 1 || p.channels == 3 || (p.channels == 4 && w.opacity),
          "[{}] found {} channels, expected {} in a {} file", who, p.channels,
          w.opacity ? "1, 3 or 4" : "1 or 3", w.name);
    return w.encode(who, p, std::clamp(quality, w.least, w.most));
  }
  fail("[{}] found the format {}, expected JPEG or PNG", who, format);
}

}  // namespace heddle::image
