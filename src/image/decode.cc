// Finding the format of a file, and what all formats need.
#include "image/decode.h"

#include <algorithm>

namespace heddle::image {

void decode(std::string_view who, Bytes file, Colours colours, Allocate allocate) {
  check(!file.empty(), "[{}] the file is empty, expected a JPEG or PNG file", who);
  const std::string_view text(reinterpret_cast<const char*>(file.data()), file.size());
  for (const Format& f : formats()) {
    if (!text.starts_with(f.begins)) continue;
    check(f.decode, "[{}] the file is a {}, which this build cannot read: it was made without {}",
          who, f.name, f.library);
    return f.decode(who, file, colours, allocate);
  }
  std::string start;
  for (size_t i = 0; i < std::min<size_t>(4, file.size()); ++i) {
    static constexpr char kDigits[] = "0123456789abcdef";
    start += i ? " " : "";
    start += kDigits[file[i] >> 4], start += kDigits[file[i] & 15];
  }
  fail("[{}] the file begins with the bytes {}, expected a JPEG or PNG file", who, start);
}

void check_size(std::string_view who, std::string_view format, Bytes file, int64_t height,
                int64_t width, int64_t most) {
  check(height > 0 && width > 0 && height <= (int64_t(1) << 30) / width,
        "[{}] the {} file says {} x {} pixels, expected at most 2^30", who, format, height, width);
  check(height * width / most <= int64_t(file.size()),
        "[{}] the {} file says {} x {} pixels, which its {} bytes cannot hold", who, format, height,
        width, file.size());
}

void swap_red_and_blue(uint8_t* pixels, int64_t count) {
  for (int64_t i = 0; i < count; ++i) std::swap(pixels[3 * i], pixels[3 * i + 2]);
}

}  // namespace heddle::image
