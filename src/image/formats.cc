// The tables of formats: which of the files decode.LIBRARY.cc and encode.LIBRARY.cc there are.
#include "image/decode.h"
#include "image/encode.h"

namespace heddle::image {

#ifdef HEDDLE_HAS_JPEG
std::unique_ptr<Decoder> open_jpeg(std::string_view who, Bytes file, Colours colours);
std::string encode_jpeg(std::string_view who, const Picture& picture, int quality);
#else
constexpr decltype(Writer::encode) encode_jpeg = nullptr;
constexpr decltype(Format::open) open_jpeg = nullptr;
#endif
#ifdef HEDDLE_HAS_PNG
std::unique_ptr<Decoder> open_png(std::string_view who, Bytes file, Colours colours);
std::string encode_png(std::string_view who, const Picture& picture, int level);
#else
constexpr decltype(Writer::encode) encode_png = nullptr;
constexpr decltype(Format::open) open_png = nullptr;
#endif

std::span<const Format> formats() {
  static constexpr Format kAll[] = {{"JPEG", "\xff\xd8\xff", "libjpeg", open_jpeg},
                                    {"PNG", "\x89PNG\r\n\x1a\n", "libpng", open_png}};
  return kAll;
}

std::span<const Writer> writers() {
  static constexpr Writer kAll[] = {{"JPEG", "libjpeg", 65500, false, 1, 100, encode_jpeg},
                                    {"PNG", "libpng", 1000000, true, 0, 9, encode_png}};
  return kAll;
}

}  // namespace heddle::image
