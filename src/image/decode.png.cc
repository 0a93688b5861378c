// PNG files, by libpng.
#include "image/decode.h"

#include <png.h>

#include <csetjmp>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

namespace heddle::image {

// One file. Calls of the library that fail come back by longjmp, so each is made in a function that
// holds nothing which would have to be destroyed.
class Png : public Decoder {
 public:
  Png(std::string_view who, Bytes file, Colours colours)
      : who_(who), file_(file), colours_(colours) {
    png_ = png_create_read_struct(PNG_LIBPNG_VER_STRING, this, leave, ignore);
    info_ = png_ ? png_create_info_struct(png_) : nullptr;
    check(info_, "[{}] libpng cannot be used: it is of another version than its headers", who);
  }
  ~Png() override { png_destroy_read_struct(&png_, &info_, nullptr); }
  Png(const Png&) = delete;
  Png& operator=(const Png&) = delete;

  void begin() {
    need(open());
    size_ = {png_get_image_height(png_, info_), png_get_image_width(png_, info_),
             channels_of(colours_)};
    // Data that is compressed has at least a thousandth of its size left, and a pixel one bit.
    check_size(who_, "PNG", file_, size_.height, size_.width, 1040 * 8);
    need(start());
    length_ = size_.width * size_.channels;
    check(int64_t(png_get_rowbytes(png_, info_)) == length_,
          "[{}] the PNG file has {} bytes a row, expected {}", who_, png_get_rowbytes(png_, info_),
          length_);
  }

  void read(const Window& w, uint8_t* to) override {
    const Window all = whole(size_);
    if (w == all) {
      pixels_ = to;
      need(read());
      return;
    }
    rows_.resize(size_t(size_.height * length_));
    pixels_ = rows_.data();
    need(read());
    const int64_t wanted = w.width * size_.channels;
    for (int64_t y = 0; y < w.height; ++y)
      std::memcpy(to + y * wanted, pixels_ + (w.top + y) * length_ + w.left * size_.channels,
                  size_t(wanted));
  }

 private:
  void need(bool done) const {
    check(done, "[{}] the PNG file is broken: {}", who_, std::string_view(message_));
  }
  bool open() {
    if (setjmp(back_)) return false;
    png_set_read_fn(png_, this, next);
    png_read_info(png_, info_);
    return true;
  }
  bool start() {
    if (setjmp(back_)) return false;
    const int kind = png_get_color_type(png_, info_), depth = png_get_bit_depth(png_, info_);
    const bool coloured = (kind & PNG_COLOR_MASK_COLOR) != 0;
    if (depth == 16) png_set_strip_16(png_);
    const bool opacity = channels_of(colours_) == 4,
               blue_first = colours_ == Colours::kBgr || colours_ == Colours::kBgra;
    if (!opacity) png_set_strip_alpha(png_);
    if (kind == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(png_);
    if (!coloured && depth < 8) png_set_expand_gray_1_2_4_to_8(png_);
    if (opacity && png_get_valid(png_, info_, PNG_INFO_tRNS)) png_set_tRNS_to_alpha(png_);
    else if (opacity) png_set_add_alpha(png_, 255, PNG_FILLER_AFTER);
    if (coloured && blue_first) png_set_bgr(png_);
    if (colours_ != Colours::kGray) png_set_gray_to_rgb(png_);
    else if (coloured) png_set_rgb_to_gray(png_, PNG_ERROR_ACTION_NONE, 0.299, 0.587);
    passes_ = png_set_interlace_handling(png_);
    png_read_update_info(png_, info_);
    return true;
  }
  bool read() {
    if (setjmp(back_)) return false;
    for (int pass = 0; pass < passes_; ++pass)
      for (int64_t i = 0; i < size_.height; ++i) png_read_row(png_, pixels_ + i * length_, nullptr);
    png_read_end(png_, nullptr);
    return true;
  }

  static void next(png_structp png, png_bytep to, size_t count) {
    auto* self = static_cast<Png*>(png_get_io_ptr(png));
    if (count > self->file_.size() - self->at_) png_error(png, "it ends early");
    std::memcpy(to, self->file_.data() + self->at_, count);
    self->at_ += count;
  }
  [[noreturn]] static void leave(png_structp png, png_const_charp text) {
    auto* self = static_cast<Png*>(png_get_error_ptr(png));
    std::strncpy(self->message_, text, sizeof self->message_ - 1);
    longjmp(self->back_, 1);
  }
  static void ignore(png_structp, png_const_charp) {}

  std::string who_;
  Bytes file_;
  Colours colours_;
  size_t at_ = 0;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
  jmp_buf back_;
  char message_[256] = {};
  int passes_ = 1;
  int64_t length_ = 0;  // of a row, in bytes
  uint8_t* pixels_ = nullptr;
  std::vector<uint8_t> rows_;
};

std::unique_ptr<Decoder> open_png(std::string_view who, Bytes file, Colours colours) {
  auto png = std::make_unique<Png>(who, file, colours);
  png->begin();
  return png;
}

}  // namespace heddle::image
