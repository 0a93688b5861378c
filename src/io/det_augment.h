// Changing pictures and the boxes in them by chance: MXNet's "det_aug_default".
#pragma once
#include <algorithm>
#include <string_view>
#include <vector>

#include "heddle/param.h"
#include "io/picture.h"
#include "io/random.h"

namespace heddle::io {

enum class EmitMode : uint8_t { kCenter, kOverlap };
enum class ResizeMode : uint8_t { kForce, kShrink, kFit };

// Corners as parts of the width and height.
struct Box {
  float x0 = 0, y0 = 0, x1 = 1, y1 = 1;
  float area() const { return std::max(0.f, x1 - x0) * std::max(0.f, y1 - y0); }
};

// What a record's labels say: a header, and objects of one width each: a class, a box, and more.
struct Objects {
  std::vector<float> header;
  size_t width = 5;
  std::vector<std::vector<float>> objects;

  // [header width, object width, ..., objects]; objects without extent are dropped. Throws Error.
  static Objects of(const std::vector<float>& labels);
  std::vector<float> labels() const;
};
Box box_of(const std::vector<float>& object);
void set_box(std::vector<float>& object, const Box& box);

struct DetAugmentParam {
  using Floats = std::vector<double>;
  int64_t resize = -1;
  float rand_crop_prob = 0;
  Floats min_crop_scales{0}, max_crop_scales{1}, min_crop_aspect_ratios{1},
      max_crop_aspect_ratios{1}, min_crop_overlaps{0}, max_crop_overlaps{1},
      min_crop_sample_coverages{0}, max_crop_sample_coverages{1}, min_crop_object_coverages{0},
      max_crop_object_coverages{1};
  int64_t num_crop_sampler = 1;
  EmitMode crop_emit_mode = EmitMode::kCenter;
  float emit_overlap_thresh = 0.3f;
  std::vector<int64_t> max_crop_trials{25};
  float rand_pad_prob = 0, max_pad_scale = 1;
  int64_t max_random_hue = 0;
  float random_hue_prob = 0;
  int64_t max_random_saturation = 0;
  float random_saturation_prob = 0;
  int64_t max_random_illumination = 0;
  float random_illumination_prob = 0, max_random_contrast = 0, random_contrast_prob = 0,
        rand_mirror_prob = 0;
  int64_t fill_value = 127, inter_method = 1;
  ResizeMode resize_mode = ResizeMode::kForce;

  void fields(auto&& f) {
    constexpr auto kEach = "One number for each sampler of crops, or one for all. ";
    f("resize", resize, "The shorter edge is made that long first; -1 leaves it.");
    f("rand_crop_prob", rand_crop_prob, "How often an image is cropped.").range(0, 1);
    f("min_crop_scales", min_crop_scales, format("{}Least edge, as a part of the image's.", kEach));
    f("max_crop_scales", max_crop_scales, format("{}Largest edge.", kEach));
    f("min_crop_aspect_ratios", min_crop_aspect_ratios, format("{}Least width by height.", kEach));
    f("max_crop_aspect_ratios", max_crop_aspect_ratios, format("{}Largest.", kEach));
    f("min_crop_overlaps", min_crop_overlaps,
      format("{}Least intersection with an object, by the union with it.", kEach));
    f("max_crop_overlaps", max_crop_overlaps, format("{}Largest.", kEach));
    f("min_crop_sample_coverages", min_crop_sample_coverages,
      format("{}Least intersection with an object, by the crop.", kEach));
    f("max_crop_sample_coverages", max_crop_sample_coverages, format("{}Largest.", kEach));
    f("min_crop_object_coverages", min_crop_object_coverages,
      format("{}Least intersection with an object, by the object.", kEach));
    f("max_crop_object_coverages", max_crop_object_coverages, format("{}Largest.", kEach));
    f("num_crop_sampler", num_crop_sampler,
      "Samplers of crops; one of those that find a crop "
      "is taken.")
        .at_least(1);
    f("crop_emit_mode", crop_emit_mode,
      "Objects are kept whose middle lies in the crop, or enough of whose area.")
        .names({"center", "overlap"});
    f("emit_overlap_thresh", emit_overlap_thresh, "How much of the area is enough.").range(0, 1);
    f("max_crop_trials", max_crop_trials, format("{}How often it tries.", kEach));
    f("rand_pad_prob", rand_pad_prob, "How often an image gets a border.").range(0, 1);
    f("max_pad_scale", max_pad_scale, "Edges with the border, by those without, at most.");
    f("max_random_hue", max_random_hue, "Adds up to that to the hue (180 is a circle).");
    f("random_hue_prob", random_hue_prob, "How often.").range(0, 1);
    f("max_random_saturation", max_random_saturation, "Adds up to that, of 255.");
    f("random_saturation_prob", random_saturation_prob, "How often.").range(0, 1);
    f("max_random_illumination", max_random_illumination, "Adds up to that to the lightness.");
    f("random_illumination_prob", random_illumination_prob, "How often.").range(0, 1);
    f("max_random_contrast", max_random_contrast, "Scales by 1 plus or minus up to that.");
    f("random_contrast_prob", random_contrast_prob, "How often.").range(0, 1);
    f("rand_mirror_prob", rand_mirror_prob, "How often an image is mirrored.").range(0, 1);
    f("fill_value", fill_value, "Of pixels from outside the image.").range(0, 255);
    f("inter_method", inter_method,
      "0 nearest, 1 linear, 2 cubic, 3 area, 4 Lanczos, 9 what suits the sizes, 10 any.");
    f("resize_mode", resize_mode,
      "To data_shape: whatever the aspect ratio, only to make it smaller and keeping the ratio, or "
      "as large as fits and keeping it.")
        .names({"force", "shrink", "fit"});
  }
  void check_values(std::string_view who) const;
};

// Ends with a picture of at most height x width.
void augment(const DetAugmentParam& a, Random& random, int64_t height, int64_t width, Picture& p,
             Objects& objects);

}  // namespace heddle::io
