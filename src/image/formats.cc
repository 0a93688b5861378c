// The table of formats: which of the files decode.LIBRARY.cc there are.
#include "image/decode.h"

namespace heddle::image {

#ifdef HEDDLE_HAS_JPEG
void decode_jpeg(std::string_view who, Bytes file, Colours colours, Allocate allocate);
#else
constexpr decltype(Format::decode) decode_jpeg = nullptr;
#endif
#ifdef HEDDLE_HAS_PNG
void decode_png(std::string_view who, Bytes file, Colours colours, Allocate allocate);
#else
constexpr decltype(Format::decode) decode_png = nullptr;
#endif

std::span<const Format> formats() {
  static constexpr Format kAll[] = {{"JPEG", "\xff\xd8\xff", "libjpeg", decode_jpeg},
                                    {"PNG", "\x89PNG\r\n\x1a\n", "libpng", decode_png}};
  return kAll;
}

}  // namespace heddle::image
