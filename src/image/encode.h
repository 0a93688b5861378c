// Pixels to files of images.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "heddle/api.h"
#include "heddle/base.h"

namespace heddle::image {

// (height, width, channels) of bytes, red first: 1 for grey, 3, and in a PNG file 4 with opacity.
struct Picture {
  const uint8_t* pixels;
  int64_t height, width, channels;
};

// A file of a format, "JPEG" or "PNG". A JPEG file's colours have half the resolution, and its
// quality is from 1 to 100. A PNG file loses nothing; there `quality` is zlib's level, from 0 to 9.
// Throws Error, which begins with [who], for sizes and channels that the format cannot hold.
HEDDLE_API std::string encode(std::string_view who, std::string_view format, const Picture& picture,
                              int quality);

// --- for the files of formats -------------------------------------------------------------------
struct Writer {
  std::string_view name, library;
  int64_t most_side;  // pixels
  bool opacity;
  int least, most;  // quality
  std::string (*encode)(std::string_view who, const Picture& picture, int quality);
};
std::span<const Writer> writers();

}  // namespace heddle::image
