// The room image on its own: formats are told apart, and pictures resized a few rows at a time.
#include <gtest/gtest.h>

#include <numeric>
#include <vector>

#include "image/decode.h"
#include "image/encode.h"
#include "image/resize.h"

namespace heddle::image {

std::string error_of(std::string_view file) {
  const Bytes bytes(reinterpret_cast<const uint8_t*>(file.data()), file.size());
  std::vector<uint8_t> pixels;
  try {
    decode("it", bytes, Colours::kRgb, [&](int64_t height, int64_t width) {
      pixels.resize(size_t(height * width * 3));
      return pixels.data();
    });
  } catch (const Error& e) {
    return e.what();
  }
  return "";
}

TEST(Decode, TellsFormatsByTheirFirstBytes) {
  EXPECT_EQ(error_of("BM6"),
            "[it] the file begins with the bytes 42 4d 36, expected a JPEG or PNG file");
  EXPECT_EQ(error_of(""), "[it] the file is empty, expected a JPEG or PNG file");
  for (const Format& f : formats()) {
    const std::string text = error_of(std::string(f.begins) + "and then something else");
    EXPECT_EQ(text.substr(0, 7), "[it] th") << text;
    // Either its library refuses the rest, or there is none and the error says which.
    EXPECT_NE(text.find(f.decode ? "is broken: " : f.library), std::string::npos) << text;
  }
}

TEST(Decode, RefusesWhatAFileCannotHold) {
  const std::vector<uint8_t> file(100);
  EXPECT_NO_THROW(check_size("it", "PNG", file, 100, 10, 10));
  EXPECT_THROW(check_size("it", "PNG", file, 101, 10, 10), Error);
  EXPECT_THROW(check_size("it", "PNG", file, 0, 10, 10), Error);
  EXPECT_THROW(check_size("it", "PNG", file, int64_t(1) << 40, int64_t(1) << 40, 10), Error);
}

class Resizing : public testing::TestWithParam<Interpolation> {};

TEST_P(Resizing, MakesTheSameRowsInAnyOrder) {
  const Extent from{9, 7, 3}, to{13, 5, 3};
  std::vector<uint8_t> x(9 * 7 * 3), whole(13 * 5 * 3), parts(13 * 5 * 3);
  std::iota(x.begin(), x.end(), uint8_t(40));
  const Resize plan(from, to, GetParam());
  plan.rows(x.data(), whole.data(), 0, 13);
  for (int64_t first : {12, 0, 4, 8})
    plan.rows(x.data(), parts.data(), first, std::min<int64_t>(13, first + 4));
  EXPECT_EQ(whole, parts);
}

TEST_P(Resizing, LeavesWhatIsEvenAsItIs) {
  for (Extent to : {Extent{4, 4, 2}, {20, 3, 2}, {5, 6, 2}, {1, 1, 2}}) {
    const std::vector<uint8_t> x(5 * 6 * 2, 200);
    std::vector<uint8_t> y(size_t(to.height * to.width * 2));
    Resize({5, 6, 2}, to, GetParam()).rows(x.data(), y.data(), 0, to.height);
    EXPECT_EQ(y, std::vector<uint8_t>(y.size(), 200));
  }
}

INSTANTIATE_TEST_SUITE_P(All, Resizing,
                         testing::Values(Interpolation::kNearest, Interpolation::kLinear,
                                         Interpolation::kCubic, Interpolation::kArea,
                                         Interpolation::kLanczos));

Bytes bytes_of(const std::string& file) {
  return {reinterpret_cast<const uint8_t*>(file.data()), file.size()};
}

TEST(Encode, WritesWhatDecodeReads) {
  std::vector<uint8_t> pixels(6 * 5 * 4), found;
  std::iota(pixels.begin(), pixels.end(), uint8_t(1));
  for (const int64_t channels : {1, 3, 4}) {
    const std::string file = encode("it", "PNG", {pixels.data(), 6, 5, channels}, 9);
    const Colours colours = colours_in(bytes_of(file));
    ASSERT_EQ(channels_of(colours), channels);
    decode("it", bytes_of(file), channels == 3 ? Colours::kRgb : colours,
           [&](int64_t h, int64_t w) {
             found.resize(size_t(h * w * channels));
             return found.data();
           });
    for (size_t i = 0; channels == 4 && i < found.size(); i += 4) std::swap(found[i], found[i + 2]);
    EXPECT_TRUE(std::equal(found.begin(), found.end(), pixels.begin()));
    // No prefix is read behind its end.
    for (size_t n = 0; n < file.size(); ++n) colours_in(bytes_of(file.substr(0, n)));
  }
  const std::string gray = encode("it", "JPEG", {pixels.data(), 6, 5, 1}, 95);
  EXPECT_EQ(colours_in(bytes_of(gray)), Colours::kGray);
  EXPECT_EQ(colours_in(bytes_of(encode("it", "JPEG", {pixels.data(), 6, 5, 3}, 1000))),
            Colours::kBgr);
  for (size_t n = 0; n < gray.size(); ++n) colours_in(bytes_of(gray.substr(0, n)));
}

TEST(Encode, RefusesWhatAFormatCannotHold) {
  const uint8_t pixel[4] = {};
  const auto error = [&](std::string_view format, int64_t height, int64_t channels) {
    try {
      encode("it", format, {pixel, height, 1, channels}, 1);
    } catch (const Error& e) {
      return std::string(e.what());
    }
    return std::string();
  };
  EXPECT_EQ(error("BMP", 1, 3), "[it] found the format BMP, expected JPEG or PNG");
  EXPECT_EQ(error("JPEG", 1, 4), "[it] found 4 channels, expected 1 or 3 in a JPEG file");
  EXPECT_EQ(error("PNG", 0, 3),
            "[it] found 0 x 1 pixels, expected 1 to 1000000 a side in a PNG file");
}

}  // namespace heddle::image
