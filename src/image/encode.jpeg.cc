// JPEG files, by libjpeg (libjpeg-turbo where that stands in for it).
#include "image/encode.h"

#include <jpeglib.h>  // wants cstdio

#include <csetjmp>
#include <cstdio>
#include <cstdlib>
#include <memory>

namespace heddle::image {

// One file. Calls of the library that fail come back by longjmp, so each is made in a function that
// holds nothing which would have to be destroyed.
class JpegWriter {
 public:
  JpegWriter() {
    c_.err = jpeg_std_error(&errors_);
    c_.client_data = this;
    errors_.error_exit = leave;
    errors_.emit_message = [](j_common_ptr, int) {};
  }
  ~JpegWriter() {
    jpeg_destroy_compress(&c_);
    std::free(file_);
  }
  JpegWriter(const JpegWriter&) = delete;
  JpegWriter& operator=(const JpegWriter&) = delete;

  std::string write(std::string_view who, const Picture& picture, int quality) {
    const bool done = compress(picture, quality);
    check(done, "[{}] the JPEG file cannot be made: {}", who, std::string_view(message_));
    return std::string(reinterpret_cast<const char*>(file_), length_);
  }

 private:
  bool compress(const Picture& p, int quality) {
    if (setjmp(back_)) return false;
    jpeg_create_compress(&c_);
    jpeg_mem_dest(&c_, &file_, &length_);
    c_.image_width = JDIMENSION(p.width), c_.image_height = JDIMENSION(p.height);
    c_.input_components = int(p.channels);
    c_.in_color_space = p.channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
    jpeg_set_defaults(&c_);
    jpeg_set_quality(&c_, quality, TRUE);
    jpeg_start_compress(&c_, TRUE);
    while (c_.next_scanline < c_.image_height) {
      // The library takes rows that it does not write to.
      auto row = const_cast<uint8_t*>(p.pixels + int64_t(c_.next_scanline) * p.width * p.channels);
      jpeg_write_scanlines(&c_, &row, 1);
    }
    jpeg_finish_compress(&c_);
    return true;
  }
  [[noreturn]] static void leave(j_common_ptr c) {
    auto* self = static_cast<JpegWriter*>(c->client_data);
    c->err->format_message(c, self->message_);
    longjmp(self->back_, 1);
  }

  jpeg_compress_struct c_{};
  jpeg_error_mgr errors_;
  jmp_buf back_;
  char message_[JMSG_LENGTH_MAX] = {};
  unsigned char* file_ = nullptr;
  unsigned long length_ = 0;
};

std::string encode_jpeg(std::string_view who, const Picture& picture, int quality) {
  return std::make_unique<JpegWriter>()->write(who, picture, quality);
}

}  // namespace heddle::image
