// PNG files, by libpng.
#include "image/encode.h"

#include <png.h>

#include <csetjmp>
#include <cstring>
#include <memory>

namespace heddle::image {

constexpr int kRunLengths = 3;  // zlib's Z_RLE: photographs repeat little else

// One file. Calls of the library that fail come back by longjmp, so each is made in a function that
// holds nothing which would have to be destroyed.
class PngWriter {
 public:
  explicit PngWriter(std::string_view who) {
    png_ = png_create_write_struct(PNG_LIBPNG_VER_STRING, this, leave, ignore);
    info_ = png_ ? png_create_info_struct(png_) : nullptr;
    check(info_, "[{}] libpng cannot be used: it is of another version than its headers", who);
  }
  ~PngWriter() { png_destroy_write_struct(&png_, &info_); }
  PngWriter(const PngWriter&) = delete;
  PngWriter& operator=(const PngWriter&) = delete;

  std::string write(std::string_view who, const Picture& picture, int level) {
    const bool done = compress(picture, level);
    check(done, "[{}] the PNG file cannot be made: {}", who, std::string_view(message_));
    return std::move(file_);
  }

 private:
  bool compress(const Picture& p, int level) {
    if (setjmp(back_)) return false;
    const int kind = p.channels == 1   ? PNG_COLOR_TYPE_GRAY
                     : p.channels == 3 ? PNG_COLOR_TYPE_RGB
                                       : PNG_COLOR_TYPE_RGB_ALPHA;
    png_set_write_fn(png_, this, put, nullptr);
    png_set_compression_level(png_, level);
    png_set_compression_strategy(png_, kRunLengths);
    png_set_IHDR(png_, info_, png_uint_32(p.width), png_uint_32(p.height), 8, kind,
                 PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_write_info(png_, info_);
    for (int64_t i = 0; i < p.height; ++i) png_write_row(png_, p.pixels + i * p.width * p.channels);
    png_write_end(png_, nullptr);
    return true;
  }
  static void put(png_structp png, png_bytep from, size_t count) {
    static_cast<PngWriter*>(png_get_io_ptr(png))
        ->file_.append(reinterpret_cast<const char*>(from), count);
  }
  [[noreturn]] static void leave(png_structp png, png_const_charp text) {
    auto* self = static_cast<PngWriter*>(png_get_error_ptr(png));
    std::strncpy(self->message_, text, sizeof self->message_ - 1);
    longjmp(self->back_, 1);
  }
  static void ignore(png_structp, png_const_charp) {}

  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
  jmp_buf back_;
  char message_[256] = {};
  std::string file_;
};

std::string encode_png(std::string_view who, const Picture& picture, int level) {
  return std::make_unique<PngWriter>(who)->write(who, picture, level);
}

}  // namespace heddle::image
