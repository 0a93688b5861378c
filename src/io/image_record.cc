// Parsing records and lists of labels, decoding, and pictures as planes of numbers.
#include "io/image_record.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>
#include <sstream>
#include <type_traits>

#include "image/decode.h"

namespace heddle::io {

void parse(const Sample& s, ImageRecord& r) {
  constexpr size_t kHeader = 24;
  check(s.bytes.size() >= kHeader, "{}: found a record of {} bytes, expected at least {}", s.place,
        s.bytes.size(), kHeader);
  uint32_t count;
  float label;
  std::memcpy(&count, s.bytes.data(), 4);
  std::memcpy(&label, s.bytes.data() + 4, 4);
  std::memcpy(&r.id, s.bytes.data() + 8, 8);
  check(count <= (s.bytes.size() - kHeader) / 4,
        "{}: found {} labels in a record of {} bytes, expected at most {}", s.place, count,
        s.bytes.size(), (s.bytes.size() - kHeader) / 4);
  r.labels.assign(std::max<size_t>(count, 1), label);
  if (count) std::memcpy(r.labels.data(), s.bytes.data() + kHeader, size_t(count) * 4);
  r.image = std::string_view(s.bytes).substr(kHeader + size_t(count) * 4);
}

void fail_at(const Sample& s, const ImageRecord& record, std::string_view text) {
  fail("{}, image {}: {}", s.place, record.id, text);
}

void open(const ImageRecord& record, int64_t channels, Picture& p) {
  const image::Bytes file(reinterpret_cast<const uint8_t*>(record.image.data()),
                          record.image.size());
  if (channels == 4) {
    const int64_t found = image::channels_of(image::colours_in(file));
    check(found == 4, "found an image of {} channels, expected 4, as data_shape says", found);
  }
  const auto colours = channels == 1   ? image::Colours::kGray
                       : channels == 4 ? image::Colours::kRgba
                                       : image::Colours::kRgb;
  p.open(image::open("image", file, colours));
}

LabelList::LabelList(std::string_view who, const std::string& path, int64_t width) : path_(path) {
  std::ifstream f(path);
  check(bool(f), "[{}] path_imglist {}: cannot be opened", who, path);
  int64_t number = 0;
  for (std::string line; ++number, std::getline(f, line);) {
    std::stringstream words(line);
    std::vector<std::string> all;
    for (std::string word; words >> word;) all.push_back(word);
    if (all.empty()) continue;
    uint64_t id = 0;
    bool good = param::parse(all[0], id) && (width < 0 || int64_t(all.size()) > width);
    std::vector<float> labels;
    const size_t count = width < 0 ? std::max<size_t>(all.size(), 2) - 2 : size_t(width);
    for (size_t i = 1; good && i <= count; ++i) {
      labels.emplace_back();
      good = param::parse(all[i], labels.back());
    }
    check(good, "{}:{}: found \"{}\", expected a number, {} labels and a path", path, number, line,
          width < 0 ? "its" : std::to_string(width));
    longest_ = std::max(longest_, labels.size());
    labels_[id] = std::move(labels);
  }
}

const std::vector<float>& LabelList::of(const Sample& s, uint64_t id) const {
  const auto found = labels_.find(id);
  check(found != labels_.end(), "{}: {} has no labels for the image with the number {}", s.place,
        path_, id);
  return found->second;
}

std::vector<float> load_mean(std::string_view who, const std::string& path, const Shape& shape) {
  const NamedArrays file = load_arrays(path);
  check(file.arrays.size() == 1, "[{}] {}: found {} arrays, expected the mean image alone", who,
        path, file.arrays.size());
  const NDArray& a = file.arrays[0];
  check(a.shape() == shape && a.dtype() == Dtype::kFloat32,
        "[{}] {}: found a mean image of {} {}, expected {} float32", who, path, a.shape(),
        a.dtype(), shape);
  std::vector<float> mean(size_t(shape.size()));
  a.copy_to(mean.data());
  return mean;
}

// --- planes --------------------------------------------------------------------------------------
template <class T>
static T number(float v) {
  if constexpr (std::is_same_v<T, float> || !std::is_integral_v<T>) return T(v);
  else if constexpr (std::is_same_v<T, bool>) return v != 0;
  else if constexpr (sizeof(T) == 1)
    return T(std::clamp(std::nearbyint(v), float(std::numeric_limits<T>::min()),
                        float(std::numeric_limits<T>::max())));
  else return T(std::nearbyint(v));
}

// A line of pixels as one line for each channel.
template <int kChannels>
static void split(const uint8_t* __restrict from, int64_t width, uint8_t* __restrict to) {
  for (int64_t x = 0; x < width; ++x)
    for (int64_t k = 0; k < kChannels; ++k) to[k * width + x] = from[kChannels * x + k];
}

static void reverse(const uint8_t* __restrict from, int64_t width, uint8_t* __restrict to) {
  for (int64_t x = 0; x < width; ++x) to[x] = from[width - 1 - x];
}

template <class T, class Mean>
static void write_line(const uint8_t* __restrict from, int64_t width, float factor, float shift,
                       T* __restrict to, Mean&& mean) {
  for (int64_t x = 0; x < width; ++x)
    to[x] = number<T>((float(from[x]) - mean(x)) * factor + shift);
}

template <class T>
static void write_planes(const Planes& a, const Pixels& p, T* to) {
  const int64_t width = p.width, plane = p.height * width, c = p.channels;
  std::vector<uint8_t> lines(static_cast<size_t>(c * width)), turned(static_cast<size_t>(width));
  for (int64_t y = 0; y < p.height; ++y) {
    if (c == 1) split<1>(p.row(y), width, lines.data());
    else if (c == 3) split<3>(p.row(y), width, lines.data());
    else split<4>(p.row(y), width, lines.data());
    for (int64_t k = 0; k < c; ++k) {
      const uint8_t* line = &lines[size_t(k * width)];
      if (a.mirror) reverse(line, width, turned.data()), line = turned.data();
      const int64_t at = k * plane + y * width;
      const float mean = a.mean[k], factor = a.factor[k], shift = a.shift[k];
      const bool same = !a.mean_image && mean == 0 && factor == 1 && shift == 0;
      if (std::is_same_v<T, uint8_t> && same) std::memcpy(to + at, line, size_t(width));
      else if (a.mean_image)
        write_line(line, width, factor, shift, to + at,
                   [means = a.mean_image + at](int64_t x) { return means[x]; });
      else write_line(line, width, factor, shift, to + at, [mean](int64_t) { return mean; });
    }
  }
}

void Planes::write(const Pixels& p, void* image) const {
  with_dtype(dtype, "dtype", [&]<class T>(T) { write_planes(*this, p, static_cast<T*>(image)); });
}

}  // namespace heddle::io
