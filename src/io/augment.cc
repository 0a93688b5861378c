// In this order: resize, affine map, border, crop, light and colour.
#include "io/augment.h"

#include <algorithm>
#include <cmath>
#include <string_view>

namespace heddle::io {

using image::Interpolation;

void AugmentParam::check_values(std::string_view who) const {
  check((inter_method >= 0 && inter_method <= 4) || inter_method == 9 || inter_method == 10,
        "[{}] found inter_method {}, expected 0 to 4, 9 or 10", who, inter_method);
  check(min_random_scale <= max_random_scale && min_random_area <= max_random_area &&
            min_random_area > 0,
        "[{}] found scales from {} to {} and areas from {} to {}, expected the smaller first", who,
        min_random_scale, max_random_scale, min_random_area, max_random_area);
  check(!min_aspect_ratio || *min_aspect_ratio <= max_aspect_ratio,
        "[{}] found min_aspect_ratio {}, expected at most max_aspect_ratio {}", who,
        min_aspect_ratio.value_or(0), max_aspect_ratio);
  check(max_crop_size < 0 || min_crop_size < 0 || min_crop_size <= max_crop_size,
        "[{}] found min_crop_size {}, expected at most max_crop_size {}", who, min_crop_size,
        max_crop_size);
}

struct Augmenting {
  const AugmentParam& a;
  Random& random;
  Picture& p;

  Interpolation method(int64_t height, int64_t width) {
    return interpolation_of(a.inter_method, p.height(), p.width(), height, width,
                            a.inter_method == 10 ? random.next() : 0);
  }
  void resize_to(int64_t height, int64_t width) { p.resize(height, width, method(height, width)); }

  void shorter_edge() {
    if (a.resize <= 0) return;
    if (p.height() > p.width()) resize_to(a.resize * p.height() / p.width(), a.resize);
    else resize_to(a.resize, a.resize * p.width() / p.height());
  }

  bool any_affine() const {
    return a.max_rotate_angle > 0 || a.max_shear_ratio > 0 || a.rotate > 0 ||
           a.max_random_scale != 1 || a.min_random_scale != 1 ||
           (!a.random_resized_crop && (a.max_aspect_ratio != 0 || a.min_aspect_ratio)) ||
           a.max_img_size != 1e10f || a.min_img_size != 0;
  }
  void affine() {
    if (!any_affine()) return;
    const float shear = random.around(a.max_shear_ratio);
    const int64_t angle = a.rotate > 0 ? a.rotate
                          : a.max_rotate_angle > 0
                              ? random.integer(-a.max_rotate_angle, a.max_rotate_angle)
                              : 0;
    const double turn = double(angle) / 180 * 3.14159265358979323846;
    const float c = float(std::cos(turn)), s = float(std::sin(turn));
    const float scale = random.uniform(a.min_random_scale, a.max_random_scale);
    float ratio = 1;  // of width to height
    if (!a.random_resized_crop)
      ratio = a.min_aspect_ratio ? random.uniform(*a.min_aspect_ratio, a.max_aspect_ratio)
                                 : 1 + random.around(a.max_aspect_ratio);
    const float high = 2 * scale / (1 + ratio), wide = ratio * high;
    const float width = std::clamp(scale * float(p.width()), a.min_img_size, a.max_img_size),
                height = std::clamp(scale * float(p.height()), a.min_img_size, a.max_img_size);
    const float m[2][2] = {{high * c - shear * s * wide, high * s + shear * c * wide},
                           {-s * wide, c * wide}};
    Affine map;
    for (int i = 0; i < 2; ++i) {
      const float corner = m[i][0] * float(p.width()) + m[i][1] * float(p.height());
      map.m[i][0] = m[i][0], map.m[i][1] = m[i][1];
      map.m[i][2] = float((i ? height : width) - corner) / 2;  // the middle stays
    }
    warp(p, map, int64_t(height), int64_t(width), method(int64_t(height), int64_t(width)),
         uint8_t(a.fill_value));
  }

  void cut(int64_t height, int64_t width, bool anywhere) {
    const int64_t y = p.height() - height, x = p.width() - width;
    p.crop(anywhere ? random.integer(0, y) : y / 2, anywhere ? random.integer(0, x) : x / 2, height,
           width);
  }
  bool resized_crop(int64_t height, int64_t width) {
    for (int attempt = 0; attempt < 10; ++attempt) {
      const float area =
          float(p.height() * p.width()) * random.uniform(a.min_random_area, a.max_random_area);
      const float most = a.max_aspect_ratio > 0 ? a.max_aspect_ratio : 1;
      const float ratio = random.uniform(a.min_aspect_ratio.value_or(1 / most), most);
      const int64_t w = std::lround(std::sqrt(area * ratio)),
                    h = std::lround(std::sqrt(area / ratio));
      if (w < 1 || h < 1 || w > p.width() || h > p.height()) continue;
      cut(h, w, true);
      resize_to(height, width);
      return true;
    }
    return false;
  }
  void crop_to(int64_t height, int64_t width) {
    if (a.random_resized_crop && resized_crop(height, width)) return;
    if (!a.random_resized_crop && (a.max_crop_size > 0 || a.min_crop_size > 0)) {
      const int64_t shorter = std::min(p.height(), p.width());
      const int64_t most = a.max_crop_size > 0 ? a.max_crop_size : shorter,
                    least = a.min_crop_size > 0 ? a.min_crop_size : most;
      check(most <= shorter && least <= most,
            "found an image of {} x {}, expected one in which crops of {} to {} fit", p.height(),
            p.width(), least, most);
      const int64_t edge = random.integer(least, most);
      cut(edge, edge, a.rand_crop);
      return resize_to(height, width);
    }
    if (p.height() < height)
      resize_to(height, int64_t(float(height) / float(p.height()) * float(p.width())));
    if (p.width() < width)
      resize_to(int64_t(float(width) / float(p.width()) * float(p.height())), width);
    if (p.height() < height || p.width() < width)  // rounding left a pixel out
      resize_to(std::max(height, p.height()), std::max(width, p.width()));
    cut(height, width, a.rand_crop);
  }

  void light() {
    int order[3] = {0, 1, 2};
    for (int i = 2; i > 0; --i) std::swap(order[i], order[random.integer(0, i)]);
    for (const int which : order) {
      if (which == 0 && a.brightness > 0) adjust(p, 1 + random.around(a.brightness), 0);
      if (which == 1 && a.contrast > 0) {
        const float factor = 1 + random.around(a.contrast);
        adjust(p, factor, (1 - factor) * mean_grey(p));
      }
      if (which == 2 && a.saturation > 0) saturate_colours(p, 1 + random.around(a.saturation));
    }
  }
  void colour() {
    if (a.random_h || a.random_s || a.random_l) {
      const int h = int(random.around(float(a.random_h))),
                s = int(random.around(float(a.random_s))),
                l = int(random.around(float(a.random_l)));
      add_hls(p, h, l, s);
    }
    if (a.pca_noise <= 0) return;
    // Krizhevsky et al., 2012: along the principal components of ImageNet's colours.
    constexpr float kValues[3] = {55.46f, 4.794f, 1.148f};
    constexpr float kVectors[3][3] = {{-0.5675f, 0.7192f, 0.4009f},
                                      {-0.5808f, -0.0045f, -0.8140f},
                                      {-0.5836f, -0.6948f, 0.4203f}};
    float noise[3] = {};
    for (int j = 0; j < 3; ++j) {
      const float weight = random.normal() * a.pca_noise * kValues[j];
      for (int i = 0; i < 3; ++i) noise[i] += kVectors[i][j] * weight;
    }
    add(p, noise);
  }
};

void augment(const AugmentParam& a, Random& random, int64_t height, int64_t width, Picture& p) {
  Augmenting g{a, random, p};
  g.shorter_edge();
  g.affine();
  if (a.pad > 0) pad(p, a.pad, a.pad, a.pad, a.pad, uint8_t(a.fill_value));
  g.crop_to(height, width);
  g.light();
  g.colour();
}

}  // namespace heddle::io
