// Finding the format of a file, and what all formats need.
#include "image/decode.h"

#include <algorithm>

namespace heddle::image {

std::unique_ptr<Decoder> open(std::string_view who, Bytes file, Colours colours) {
  check(!file.empty(), "[{}] the file is empty, expected a JPEG or PNG file", who);
  const std::string_view text(reinterpret_cast<const char*>(file.data()), file.size());
  for (const Format& f : formats()) {
    if (!text.starts_with(f.begins)) continue;
    check(f.open, "[{}] the file is a {}, which this build cannot read: it was made without {}",
          who, f.name, f.library);
    return f.open(who, file, colours);
  }
  std::string start;
  for (size_t i = 0; i < std::min<size_t>(4, file.size()); ++i) {
    static constexpr char kDigits[] = "0123456789abcdef";
    start += i ? " " : "";
    start += kDigits[file[i] >> 4], start += kDigits[file[i] & 15];
  }
  fail("[{}] the file begins with the bytes {}, expected a JPEG or PNG file", who, start);
}

void decode(std::string_view who, Bytes file, Colours colours, Allocate allocate) {
  const std::unique_ptr<Decoder> decoder = open(who, file, colours);
  const Extent& size = decoder->size();
  decoder->read(whole(size), allocate(size.height, size.width));
}

// The byte of a JPEG file that says how many components it has; 0 where none does.
static int jpeg_components(Bytes file) {
  const auto word = [&](size_t at) { return size_t(file[at]) << 8 | file[at + 1]; };
  for (size_t at = 2; at + 10 <= file.size() && file[at] == 0xff;) {
    const int marker = file[at + 1];
    if (marker == 0xff) {  // filling
      ++at;
      continue;
    }
    const bool frame =
        marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc;
    if (frame) return file[at + 9];
    at += 2 + word(at + 2);
  }
  return 0;
}

// Whether a chunk of that name stands before the pixels of a PNG file.
static bool has_chunk(Bytes file, std::string_view name) {
  const std::string_view text(reinterpret_cast<const char*>(file.data()), file.size());
  for (uint64_t at = 8; at + 8 <= file.size();) {
    const std::string_view found = text.substr(size_t(at) + 4, 4);
    if (found == name) return true;
    if (found == "IDAT") return false;
    uint64_t length = 0;
    for (size_t i = 0; i < 4; ++i) length = length << 8 | file[size_t(at) + i];
    at += 12 + length;
  }
  return false;
}

Colours colours_in(Bytes file) {
  const std::string_view text(reinterpret_cast<const char*>(file.data()), file.size());
  if (text.starts_with("\xff\xd8\xff"))
    return jpeg_components(file) == 1 ? Colours::kGray : Colours::kBgr;
  if (!text.starts_with("\x89PNG") || file.size() < 26) return Colours::kBgr;
  const int kind = file[25];  // bits: a palette, colours, opacity
  if ((kind & 4) || has_chunk(file, "tRNS")) return Colours::kBgra;
  return kind == 0 ? Colours::kGray : Colours::kBgr;
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
