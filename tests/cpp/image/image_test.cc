// The room image on its own: formats are told apart, and pictures resized a few rows at a time.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <utility>
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
    EXPECT_NE(text.find(f.open ? "is broken: " : f.library), std::string::npos) << text;
  }
}

TEST(Decode, RefusesWhatAFileCannotHold) {
  const std::vector<uint8_t> file(100);
  EXPECT_NO_THROW(check_size("it", "PNG", file, 100, 10, 10));
  EXPECT_THROW(check_size("it", "PNG", file, 101, 10, 10), Error);
  EXPECT_THROW(check_size("it", "PNG", file, 0, 10, 10), Error);
  EXPECT_THROW(check_size("it", "PNG", file, int64_t(1) << 40, int64_t(1) << 40, 10), Error);
}

// Smooth, with edges, and grain.
std::vector<uint8_t> picture(int64_t height, int64_t width, int64_t channels) {
  std::vector<uint8_t> pixels;
  uint32_t grain = 1;
  for (int64_t y = 0; y < height; ++y)
    for (int64_t x = 0; x < width; ++x)
      for (int64_t c = 0; c < channels; ++c) {
        grain = grain * 1664525 + 1013904223;
        const int64_t edge = x / 11 % 2 ? 60 : 0;
        pixels.push_back(uint8_t((3 * x + 5 * y) * (c + 1) / 4 % 150 + edge + grain % 30));
      }
  return pixels;
}

std::vector<uint8_t> cut(const std::vector<uint8_t>& pixels, const Extent& e, const Window& w) {
  std::vector<uint8_t> part;
  for (int64_t y = w.top; y < w.top + w.height; ++y) {
    const auto row = pixels.begin() + (y * e.width + w.left) * e.channels;
    part.insert(part.end(), row, row + w.width * e.channels);
  }
  return part;
}

TEST(Decode, GivesWindowsThePixelsOfTheWhole) {
  const Extent size{41, 70, 3};
  for (const Writer& writer : writers()) {
    if (!writer.encode) continue;
    for (const int64_t channels : {1, 3}) {
      const std::vector<uint8_t> pixels = picture(size.height, size.width, channels);
      const Picture picture{pixels.data(), size.height, size.width, channels};
      const std::string text = encode("it", writer.name, picture, writer.name == "PNG" ? 1 : 90);
      const Bytes file(reinterpret_cast<const uint8_t*>(text.data()), text.size());
      for (const Colours colours : {Colours::kRgb, Colours::kBgr, Colours::kGray}) {
        std::vector<uint8_t> all;
        decode("it", file, colours, [&](int64_t height, int64_t width) {
          all.resize(size_t(height * width * channels_of(colours)));
          return all.data();
        });
        for (int64_t left = 0; left < size.width; left += left % 2 ? 1 : 6)
          for (const int64_t width : {1, 7, 16, 33, 62, 70})
            for (const auto& [top, height] : {std::pair{0, 41},
                                              {0, 1},
                                              {1, 9},
                                              {15, 3},
                                              {16, 17},
                                              {17, 24},
                                              {33, 8},
                                              {40, 1}}) {
              const Window w{top, left, height, width};
              if (left + width > size.width) continue;
              const auto decoder = open("it", file, colours);
              ASSERT_EQ(decoder->size(), (Extent{size.height, size.width, channels_of(colours)}));
              std::vector<uint8_t> part(size_t(height * width * channels_of(colours)));
              decoder->read(w, part.data());
              ASSERT_EQ(part, cut(all, decoder->size(), w))
                  << writer.name << " " << channels << ": " << top << " " << left << " " << height
                  << " " << width;
            }
      }
    }
  }
}

TEST(Decode, FindsDamageOutsideTheWindow) {
  const std::vector<uint8_t> pixels = picture(64, 64, 3);
  for (const Writer& writer : writers()) {
    if (!writer.encode) continue;
    std::string text = encode("it", writer.name, {pixels.data(), 64, 64, 3}, 9);
    text.resize(text.size() * 9 / 10);
    const auto decoder =
        open("it", {reinterpret_cast<const uint8_t*>(text.data()), text.size()}, Colours::kRgb);
    std::vector<uint8_t> part(8 * 8 * 3);
    EXPECT_THROW(decoder->read({0, 0, 8, 8}, part.data()), Error) << writer.name;
  }
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

TEST_P(Resizing, MakesTheSameWindows) {
  for (const int64_t channels : {1, 2, 3, 4})
    for (const auto& [from, to] : {std::pair<Extent, Extent>{{40, 30, 0}, {27, 21, 0}},
                                   {{8, 10, 0}, {16, 20, 0}},
                                   {{9, 7, 0}, {13, 5, 0}},
                                   {{12, 16, 0}, {6, 8, 0}}}) {
      const Extent source{from.height, from.width, channels}, result{to.height, to.width, channels};
      const std::vector<uint8_t> x = picture(from.height, from.width, channels);
      std::vector<uint8_t> all(size_t(to.height * to.width * channels));
      Resize(source, result, GetParam()).rows(x.data(), all.data(), 0, to.height);
      for (const Window w :
           {Window{0, 0, 1, 1}, {2, 1, 4, 3}, {to.height - 3, to.width - 2, 3, 2}, whole(result)}) {
        const Resize part(source, result, GetParam(), w);
        const std::vector<uint8_t> needed = cut(x, source, part.source());
        std::vector<uint8_t> found(size_t(w.height * w.width * channels));
        part.rows(needed.data(), found.data(), 0, w.height);
        EXPECT_EQ(found, cut(all, result, w)) << channels << ", " << w.top;
      }
    }
}

// Bytes by their formula, which OpenCV has: products of 11 bits, 4 of them dropped between.
TEST(ResizingBytes, OfTwoByTwoRoundsAsItsFormulaSays) {
  for (const auto& [from, to] : {std::pair{11, 7}, {7, 11}, {64, 45}, {3, 64}, {45, 44}}) {
    const std::vector<uint8_t> x = picture(from, from, 3);
    std::vector<uint8_t> y(size_t(to * to * 3));
    Resize({from, from, 3}, {to, to, 3}, Interpolation::kLinear).rows(x.data(), y.data(), 0, to);
    const auto taps = [&, from = from, to = to](int i) {
      const float at = float((i + 0.5) * from / to - 0.5), low = std::floor(at);
      const auto weight = int(std::lrint((at - low) * 2048));
      const auto clamp = [&](float v) { return std::clamp(int(v), 0, from - 1); };
      return std::array{clamp(low), clamp(low + 1), int(std::lrint((1 - (at - low)) * 2048)),
                        weight};
    };
    for (int r = 0; r < to; ++r)
      for (int j = 0; j < to; ++j)
        for (int c = 0; c < 3; ++c) {
          const auto v = taps(r), h = taps(j);
          int sum = 0;
          for (int a = 0; a < 2; ++a) {
            const uint8_t* row = &x[size_t(v[size_t(a)] * from * 3 + c)];
            const int line = row[h[0] * 3] * h[2] + row[h[1] * 3] * h[3];
            sum += (line >> 4) * v[size_t(a) + 2] >> 16;
          }
          ASSERT_EQ(y[size_t((r * to + j) * 3 + c)], (sum + 2) >> 2)
              << from << " " << r << " " << j;
        }
  }
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
