// Files of images to pixels.
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "heddle/api.h"
#include "heddle/base.h"
#include "heddle/function_ref.h"
#include "image/extent.h"

namespace heddle::image {

using Bytes = std::span<const uint8_t>;

enum class Colours : uint8_t { kGray, kRgb, kBgr, kRgba, kBgra };
inline int64_t channels_of(Colours c) {
  return c == Colours::kGray ? 1 : c == Colours::kRgba || c == Colours::kBgra ? 4 : 3;
}

// A JPEG or PNG file whose size is known, and whose pixels are still to be decoded.
class HEDDLE_API Decoder {
 public:
  virtual ~Decoder() = default;
  const Extent& size() const { return size_; }
  // Writes the pixels of a window of the picture, (height, width, channels): those that it has when
  // all are decoded. Once. Throws Error where the file is broken, also outside the window.
  virtual void read(const Window& window, uint8_t* to) = 0;

 protected:
  Extent size_;
};

// 8 bits a channel, whatever the file has; opacity is dropped but for kRgba and kBgra, which files
// without it are opaque in; grey is the luminance of Rec. 601. The orientation that a camera noted
// is not obeyed. The bytes of the file must stay where they are. Throws Error, which begins with
// [who], where the file is broken, of another format, or of one whose library this build has not.
HEDDLE_API std::unique_ptr<Decoder> open(std::string_view who, Bytes file, Colours colours);

// Decodes all of it. `allocate` gives memory for the pixels, once their number is known: (height,
// width, channels).
using Allocate = FunctionRef<uint8_t*(int64_t height, int64_t width)>;
HEDDLE_API void decode(std::string_view who, Bytes file, Colours colours, Allocate allocate);

// What the file has: kGray, kBgr or kBgra, and kBgr for what is no such file.
HEDDLE_API Colours colours_in(Bytes file);

// --- for the files of formats -------------------------------------------------------------------
// A format of files: how they begin, and what reads them, if it is there.
struct Format {
  std::string_view name, begins, library;
  std::unique_ptr<Decoder> (*open)(std::string_view who, Bytes file, Colours colours);
};
std::span<const Format> formats();

// Refuses a picture that is larger than `most` pixels for each byte of its file, or than 2^30.
void check_size(std::string_view who, std::string_view format, Bytes file, int64_t height,
                int64_t width, int64_t most);
// Red to blue and back, in `count` pixels of three bytes.
void swap_red_and_blue(uint8_t* pixels, int64_t count);

}  // namespace heddle::image
