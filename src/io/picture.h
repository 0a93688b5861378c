// Pictures that are changed step by step, by OpenCV's conventions.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "image/decode.h"
#include "image/resize.h"

namespace heddle::io {

// (height, width, channels): red, green, blue, and four have opacity. Memory is kept for the next.
struct Pixels {
  int64_t height = 0, width = 0, channels = 3;
  void shape(int64_t h, int64_t w, int64_t c);
  std::span<uint8_t> all() { return {memory_.data(), size_t(height * width * channels)}; }
  uint8_t* row(int64_t y) { return memory_.data() + y * width * channels; }
  const uint8_t* row(int64_t y) const { return memory_.data() + y * width * channels; }

 private:
  std::vector<uint8_t> memory_;
};

// Crops and one change of size are kept in mind until pixels are asked for: of a file only what
// they leave is decoded, and of that only what they leave is resized. The pixels are those that
// every step would have made.
class Picture {
 public:
  void open(std::unique_ptr<image::Decoder> file);
  int64_t height() const { return window_.height; }
  int64_t width() const { return window_.width; }
  int64_t channels() const { return channels_; }

  void crop(int64_t y, int64_t x, int64_t height, int64_t width);
  void resize(int64_t height, int64_t width, image::Interpolation how);

  Pixels& pixels();
  // `make` writes others, from those that there are.
  template <class F>
  void replace(int64_t height, int64_t width, F&& make) {
    const Pixels& from = pixels();
    spare_.shape(height, width, channels_);
    make(from, spare_);
    take_spare();
  }

 private:
  struct Change {
    image::Extent to;
    image::Interpolation how;
  };
  image::Extent before() const;  // the size of what is decoded, or would be
  void take_spare();
  void read(const image::Window& w);  // that window alone, as pixels_
  void make();

  std::unique_ptr<image::Decoder> file_;  // what is still to be decoded
  int64_t channels_ = 3;
  std::optional<Change> change_;
  image::Window window_;  // of what has been resized
  Pixels pixels_, spare_;
};

// MXNet's numbers: 0 to 4; 9 is what suits the sizes, 10 any of them.
image::Interpolation interpolation_of(int64_t method, int64_t from_height, int64_t from_width,
                                      int64_t height, int64_t width, uint64_t chance);

void pad(Picture& p, int64_t top, int64_t bottom, int64_t left, int64_t right, uint8_t value);
// The pixel (x, y) goes to m (x, y, 1).
struct Affine {
  double m[2][3];
};
void warp(Picture& p, const Affine& a, int64_t height, int64_t width, image::Interpolation how,
          uint8_t fill);
void mirror(Picture& p);

// These change no opacity. v * scale + shift.
void adjust(Picture& p, float scale, float shift);
// Away from its grey.
void saturate_colours(Picture& p, float factor);
float mean_grey(Picture& p);
// Adds to hue (0 to 180), lightness and saturation (0 to 255) of each pixel.
void add_hls(Picture& p, int h, int l, int s);
void add(Picture& p, const float (&rgb)[3]);

}  // namespace heddle::io
