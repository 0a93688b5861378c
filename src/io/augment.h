// Changing pictures by chance before they are learned from: MXNet's "aug_default".
#pragma once
#include <optional>
#include <string>

#include "heddle/param.h"
#include "io/picture.h"
#include "io/random.h"

namespace heddle::io {

struct AugmentParam {
  int64_t resize = -1;
  bool rand_crop = false, random_resized_crop = false;
  int64_t max_rotate_angle = 0;
  float max_aspect_ratio = 0;
  std::optional<float> min_aspect_ratio;
  float max_shear_ratio = 0;
  int64_t max_crop_size = -1, min_crop_size = -1;
  float max_random_scale = 1, min_random_scale = 1, max_random_area = 1, min_random_area = 1;
  float max_img_size = 1e10f, min_img_size = 0;
  float brightness = 0, contrast = 0, saturation = 0, pca_noise = 0;
  int64_t random_h = 0, random_s = 0, random_l = 0;
  int64_t rotate = -1, fill_value = 255, inter_method = 1, pad = 0;
  void fields(auto&& f) {
    f("resize", resize, "The shorter edge is made that long first; -1 leaves it.");
    f("rand_crop", rand_crop, "The crop lies anywhere, not in the middle.");
    f("random_resized_crop", random_resized_crop,
      "The crop has an area of min_random_area to max_random_area of the image and an aspect ratio "
      "of min_aspect_ratio to max_aspect_ratio, and is resized.");
    f("max_rotate_angle", max_rotate_angle, "Turns by up to so many degrees, either way.");
    f("max_aspect_ratio", max_aspect_ratio,
      "Stretches the width by up to that much of it, either way; with min_aspect_ratio, to at most "
      "that ratio.");
    f("min_aspect_ratio", min_aspect_ratio, "Stretches the width to at least that ratio.");
    f("max_shear_ratio", max_shear_ratio, "Shears by up to that much, either way.");
    f("max_crop_size", max_crop_size, "Crops squares of at most that edge, then resizes.");
    f("min_crop_size", min_crop_size, "Crops squares of at least that edge, then resizes.");
    f("max_random_scale", max_random_scale, "Scales by at most that.");
    f("min_random_scale", min_random_scale, "Scales by at least that.");
    f("max_random_area", max_random_area, "The largest part of the area that a crop keeps.");
    f("min_random_area", min_random_area, "The smallest part of the area that a crop keeps.");
    f("max_img_size", max_img_size, "The longest edge after scaling.");
    f("min_img_size", min_img_size, "The shortest edge after scaling.");
    f("brightness", brightness, "Scales by 1 plus or minus up to that.");
    f("contrast", contrast, "Scales what differs from the mean grey by 1 plus or minus that.");
    f("saturation", saturation, "Scales what differs from grey by 1 plus or minus up to that.");
    f("pca_noise", pca_noise, "Deviation of noise along the principal colours of ImageNet.");
    f("random_h", random_h, "Adds up to that to the hue (180 is a circle), either way.");
    f("random_s", random_s, "Adds up to that to the saturation, of 255, either way.");
    f("random_l", random_l, "Adds up to that to the lightness, of 255, either way.");
    f("rotate", rotate, "Turns by that many degrees, where above 0.");
    f("fill_value", fill_value, "Of pixels from outside the image.").range(0, 255);
    f("inter_method", inter_method,
      "0 nearest, 1 linear, 2 cubic, 3 area, 4 Lanczos, 9 what suits the sizes, 10 any.");
    f("pad", pad, "Adds a border of so many pixels.").at_least(0);
  }
  void check_values(std::string_view who) const;
};

// Ends with a picture of height x width.
void augment(const AugmentParam& a, Random& random, int64_t height, int64_t width, Picture& p);

}  // namespace heddle::io
