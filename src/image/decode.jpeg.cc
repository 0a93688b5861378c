// JPEG files, by libjpeg (libjpeg-turbo where that stands in for it).
#include "image/decode.h"

#include <jerror.h>
#include <jpeglib.h>  // wants cstdio

#include <algorithm>
#include <csetjmp>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

namespace heddle::image {

// libjpeg-turbo decodes parts of a picture; of libjpeg they are cut out.
#ifdef LIBJPEG_TURBO_VERSION_NUMBER
constexpr bool kParts = true;
#else
constexpr bool kParts = false;
void jpeg_crop_scanline(j_decompress_ptr, JDIMENSION*, JDIMENSION*) {}
void jpeg_skip_scanlines(j_decompress_ptr, JDIMENSION) {}
#endif
// Colours at half the resolution are made smooth with their neighbours' help, which are decoded
// with them.
constexpr int64_t kBeside = 4;  // pixels

// Rows that lie at multiples of 32 bytes libjpeg-turbo writes past the caches; ours are read at
// once.
constexpr size_t kAskew = 1;

// One file. Calls of the library that fail come back by longjmp, so each is made in a function that
// holds nothing which would have to be destroyed.
class Jpeg : public Decoder {
 public:
  Jpeg(std::string_view who, Bytes file, Colours colours)
      : who_(who), file_(file), colours_(colours) {
    d_.err = jpeg_std_error(&errors_);
    d_.client_data = this;
    errors_.error_exit = leave;
    errors_.emit_message = warn;
  }
  ~Jpeg() override { jpeg_destroy_decompress(&d_); }
  Jpeg(const Jpeg&) = delete;
  Jpeg& operator=(const Jpeg&) = delete;

  void begin() {
    check(channels_of(colours_) != 4, "[{}] a JPEG file has no opacity, expected 1 or 3 channels",
          who_);
    need(open());
    // At least a bit for 64 pixels of the largest component.
    check_size(who_, "JPEG", file_, d_.image_height, d_.image_width, 2048);
    size_ = {d_.image_height, d_.image_width, channels_of(colours_)};
    inks_ = d_.num_components == 4;
    d_.out_color_space = inks_ ? JCS_CMYK : colours_ == Colours::kGray ? JCS_GRAYSCALE : JCS_RGB;
  }

  void read(const Window& window, uint8_t* to) override {
    need(start());
    window_ = window, to_ = to;
    row_.resize(size_t(size_.width * (inks_ ? 4 : size_.channels)) + kAskew);
    need(read());
    if (colours_ == Colours::kBgr) swap_red_and_blue(to, window.height * window.width);
  }

 private:
  void need(bool done) const {
    check(done, "[{}] the JPEG file is broken: {}", who_, std::string_view(message_));
  }
  bool open() {
    if (setjmp(back_)) return false;
    jpeg_create_decompress(&d_);
    jpeg_mem_src(&d_, file_.data(), static_cast<unsigned long>(file_.size()));
    jpeg_read_header(&d_, TRUE);
    return true;
  }
  bool start() {
    if (setjmp(back_)) return false;
    jpeg_start_decompress(&d_);
    return true;
  }
  bool read() {
    if (setjmp(back_)) return false;
    const Window& w = window_;
    JDIMENSION left = 0, width = d_.output_width;
    const bool narrow = kParts && w.width + 2 * kBeside < size_.width;
    if (narrow) {
      left = JDIMENSION(std::max<int64_t>(w.left - kBeside, 0));
      width = JDIMENSION(std::min(w.left + w.width + kBeside, size_.width)) - left;
      jpeg_crop_scanline(&d_, &left, &width);
    }
    skip(w.top);
    const int64_t length = w.width * size_.channels, before = w.left - left;
    const bool straight = !inks_ && before == 0 && w.width == width;
    for (uint8_t* to = to_; to < to_ + w.height * length; to += length) {
      JSAMPROW row = straight ? to : row_.data() + kAskew;
      jpeg_read_scanlines(&d_, &row, 1);
      if (inks_) mix(row + 4 * before, w.width, to);
      else if (!straight) std::memcpy(to, row + before * size_.channels, size_t(length));
    }
    // Whether a file is broken may not hang on the window; scans are all read before the first row.
    const int64_t rest = size_.height - w.top - w.height;
    if (rest > 0 && !jpeg_has_multiple_scans(&d_)) skip(rest);
    return true;
  }
  void skip(int64_t rows) {
    // Rows that end the picture would not be looked at: the last one is decoded.
    const int64_t read = !kParts ? rows : d_.output_scanline + rows == d_.output_height ? 1 : 0;
    if (rows > read) jpeg_skip_scanlines(&d_, JDIMENSION(rows - read));
    JSAMPROW row = row_.data() + kAskew;
    for (int64_t i = 0; i < read; ++i) jpeg_read_scanlines(&d_, &row, 1);
  }
  // Inks, stored upside down, as light: three of them times black.
  void mix(const uint8_t* inks, int64_t width, uint8_t* to) const {
    for (int64_t i = 0; i < width; ++i, inks += 4) {
      int light[3];
      for (int c = 0; c < 3; ++c) light[c] = inks[3] - ((255 - inks[c]) * inks[3] >> 8);
      if (size_.channels == 1)  // with 14 bits, and weights whose sum is one
        to[i] = uint8_t((light[0] * 4899 + light[1] * 9617 + light[2] * 1868 + (1 << 13)) >> 14);
      else
        for (int c = 0; c < 3; ++c) to[3 * i + c] = uint8_t(light[c]);
    }
  }

  [[noreturn]] static void leave(j_common_ptr d) {
    auto* self = static_cast<Jpeg*>(d->client_data);
    d->err->format_message(d, self->message_);
    longjmp(self->back_, 1);
  }
  // Some warnings mean that pixels are lost.
  static void warn(j_common_ptr d, int level) {
    if (level >= 0) return;
    const auto* self = static_cast<Jpeg*>(d->client_data);
    switch (d->err->msg_code) {
      case JWRN_JPEG_EOF:  // a missing end marker alone loses nothing, a missing scan sharpness
        if (self->d_.progressive_mode) leave(d);
        break;
      case JWRN_HIT_MARKER:
      case JWRN_HUFF_BAD_CODE:
      case JWRN_MUST_RESYNC:
      case JWRN_NOT_SEQUENTIAL:
        leave(d);
      default:
        break;
    }
  }

  std::string who_;
  Bytes file_;
  Colours colours_;
  bool inks_ = false;
  jpeg_decompress_struct d_{};
  jpeg_error_mgr errors_;
  jmp_buf back_;
  char message_[JMSG_LENGTH_MAX] = {};
  Window window_;
  uint8_t* to_ = nullptr;
  std::vector<uint8_t> row_;
};

std::unique_ptr<Decoder> open_jpeg(std::string_view who, Bytes file, Colours colours) {
  auto jpeg = std::make_unique<Jpeg>(who, file, colours);
  jpeg->begin();
  return jpeg;
}

}  // namespace heddle::image
