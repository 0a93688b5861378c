// JPEG files, by libjpeg (libjpeg-turbo where that stands in for it).
#include "image/decode.h"

#include <jerror.h>
#include <jpeglib.h>  // wants cstdio

#include <csetjmp>
#include <cstdio>
#include <memory>
#include <vector>

namespace heddle::image {

// One file. Calls of the library that fail come back by longjmp, so each is made in a function that
// holds nothing which would have to be destroyed.
class Jpeg {
 public:
  Jpeg(std::string_view who, Bytes file) : who_(who), file_(file) {
    d_.err = jpeg_std_error(&errors_);
    d_.client_data = this;
    errors_.error_exit = leave;
    errors_.emit_message = warn;
  }
  ~Jpeg() { jpeg_destroy_decompress(&d_); }
  Jpeg(const Jpeg&) = delete;
  Jpeg& operator=(const Jpeg&) = delete;

  void decode(Colours colours, Allocate allocate) {
    check(channels_of(colours) != 4, "[{}] a JPEG file has no opacity, expected 1 or 3 channels",
          who_);
    need(open());
    // At least a bit for 64 pixels of the largest component.
    check_size(who_, "JPEG", file_, d_.image_height, d_.image_width, 2048);
    const bool inks = d_.num_components == 4;
    gray_ = colours == Colours::kGray;
    d_.out_color_space = inks ? JCS_CMYK : gray_ ? JCS_GRAYSCALE : JCS_RGB;
    need(start());
    pixels_ = allocate(d_.image_height, d_.image_width);
    if (inks) row_.resize(size_t(d_.image_width) * 4);
    need(read());
    if (colours == Colours::kBgr)
      swap_red_and_blue(pixels_, int64_t(d_.image_height) * d_.image_width);
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
    const int64_t width = d_.image_width, length = width * (gray_ ? 1 : 3);
    while (d_.output_scanline < d_.output_height) {
      uint8_t* to = pixels_ + int64_t(d_.output_scanline) * length;
      JSAMPROW row = row_.empty() ? to : row_.data();
      jpeg_read_scanlines(&d_, &row, 1);
      if (!row_.empty()) mix(row_.data(), width, to);
    }
    return true;
  }
  // Inks, stored upside down, as light: three of them times black.
  void mix(const uint8_t* inks, int64_t width, uint8_t* to) const {
    for (int64_t i = 0; i < width; ++i, inks += 4) {
      int light[3];
      for (int c = 0; c < 3; ++c) light[c] = inks[3] - ((255 - inks[c]) * inks[3] >> 8);
      if (gray_)  // with 14 bits, and weights whose sum is one
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

  std::string_view who_;
  Bytes file_;
  jpeg_decompress_struct d_{};
  jpeg_error_mgr errors_;
  jmp_buf back_;
  char message_[JMSG_LENGTH_MAX] = {};
  bool gray_ = false;
  uint8_t* pixels_ = nullptr;
  std::vector<uint8_t> row_;  // of inks
};

void decode_jpeg(std::string_view who, Bytes file, Colours colours, Allocate allocate) {
  std::make_unique<Jpeg>(who, file)->decode(colours, allocate);
}

}  // namespace heddle::image
