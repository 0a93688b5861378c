// An image record: a header of 24 bytes, labels, and a file of an image.
#pragma once
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "io/picture.h"
#include "io/prefetch.h"

namespace heddle::io {

struct ImageRecord {
  std::vector<float> labels;
  uint64_t id = 0;
  std::string_view image;
};
// Throws Error where the record is too short.
void parse(const Sample& s, ImageRecord& record);
// 4 channels: only of files with opacity. Throws Error for what is no such file.
void open(const ImageRecord& record, int64_t channels, Picture& p);
// Throws Error with where the sample stood.
[[noreturn]] void fail_at(const Sample& s, const ImageRecord& record, std::string_view text);

// The labels in a file of lines "id labels... path"; -1 takes as many as a line has.
class LabelList {
 public:
  LabelList() = default;
  LabelList(std::string_view who, const std::string& path, int64_t width);
  explicit operator bool() const { return !path_.empty(); }
  const std::vector<float>& of(const Sample& s, uint64_t id) const;
  size_t longest() const { return longest_; }

 private:
  std::string path_;
  std::unordered_map<uint64_t, std::vector<float>> labels_;
  size_t longest_ = 0;
};

// The mean image of a file, which has that shape.
std::vector<float> load_mean(std::string_view who, const std::string& path, const Shape& shape);

// One image of the data type of a batch, in planes: (pixel - mean) * factor + shift.
struct Planes {
  Dtype dtype = Dtype::kFloat32;
  float mean[4] = {}, factor[4] = {1, 1, 1, 1}, shift[4] = {};
  const float* mean_image = nullptr;  // planes, in place of `mean`
  bool mirror = false;
  void write(const Pixels& p, void* image) const;  // as the elements lie from `image` on
};

}  // namespace heddle::io
