// Pictures that are changed step by step, by OpenCV's conventions.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "image/resize.h"

namespace heddle::io {

struct Picture {
  int64_t height = 0, width = 0, channels = 3;  // red, green, blue, and four have opacity
  std::vector<uint8_t> pixels;
  void shape(int64_t h, int64_t w, int64_t c) {
    height = h, width = w, channels = c;
    pixels.resize(static_cast<std::size_t>(h * w * c));
  }
  uint8_t* row(int64_t y) { return pixels.data() + y * width * channels; }
  const uint8_t* row(int64_t y) const { return pixels.data() + y * width * channels; }
};

// MXNet's numbers: 0 to 4; 9 is what suits the sizes, 10 any of them.
image::Interpolation interpolation_of(int64_t method, int64_t from_height, int64_t from_width,
                                      int64_t height, int64_t width, uint64_t chance);

// Each replaces `p`; `spare` lends its memory.
void resize(Picture& p, Picture& spare, int64_t height, int64_t width, image::Interpolation how);
void crop(Picture& p, Picture& spare, int64_t y, int64_t x, int64_t height, int64_t width);
void pad(Picture& p, Picture& spare, int64_t top, int64_t bottom, int64_t left, int64_t right,
         uint8_t value);
// The pixel (x, y) goes to m (x, y, 1).
struct Affine {
  double m[2][3];
};
void warp(Picture& p, Picture& spare, const Affine& a, int64_t height, int64_t width,
          image::Interpolation how, uint8_t fill);
void mirror(Picture& p);

// v * scale + shift.
void adjust(Picture& p, float scale, float shift);
// Away from its grey.
void saturate_colours(Picture& p, float factor);
float mean_grey(const Picture& p);
// Adds to hue (0 to 180), lightness and saturation (0 to 255) of each pixel.
void add_hls(Picture& p, int h, int l, int s);
void add(Picture& p, const float (&rgb)[3]);

}  // namespace heddle::io
