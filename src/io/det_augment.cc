// In this order: resize, colours, mirror, border, crop, resize.
#include "io/det_augment.h"

#include <algorithm>
#include <cmath>

namespace heddle::io {

Box box_of(const std::vector<float>& o) { return {o[1], o[2], o[3], o[4]}; }
void set_box(std::vector<float>& o, const Box& b) {
  o[1] = b.x0, o[2] = b.y0, o[3] = b.x1, o[4] = b.y1;
}

Objects Objects::of(const std::vector<float>& labels) {
  const int64_t count = int64_t(labels.size());
  check(count >= 7, "found {} labels, expected at least 7: a header of 2 and an object of 5",
        count);
  const float head = labels[0], width = labels[1];
  check(
      head >= 2 && head <= float(count) && head == std::floor(head) && width >= 5 &&
          width <= float(count) && width == std::floor(width) &&
          (count - int64_t(head)) % int64_t(width) == 0,
      "found {} labels with a header of {} and objects of {}, expected at least 2 and 5, and whole "
      "objects",
      count, head, width);
  Objects o;
  o.header.assign(labels.begin(), labels.begin() + int64_t(head));
  o.width = size_t(width);
  for (auto at = labels.begin() + int64_t(head); at != labels.end(); at += int64_t(width)) {
    std::vector<float> object(at, at + int64_t(width));
    if (object[3] > object[1] && object[4] > object[2]) o.objects.push_back(std::move(object));
  }
  return o;
}

std::vector<float> Objects::labels() const {
  std::vector<float> all = header;
  for (const auto& o : objects) all.insert(all.end(), o.begin(), o.end());
  return all;
}

// The number of a sampler: its own, or the one for all.
template <class T>
static T nth(const std::vector<T>& v, int64_t i) {
  return v[v.size() == 1 ? 0 : size_t(i)];
}

void DetAugmentParam::check_values(std::string_view who) const {
  for (const Floats* v :
       {&min_crop_scales, &max_crop_scales, &min_crop_aspect_ratios, &max_crop_aspect_ratios,
        &min_crop_overlaps, &max_crop_overlaps, &min_crop_sample_coverages,
        &max_crop_sample_coverages, &min_crop_object_coverages, &max_crop_object_coverages})
    check(v->size() == 1 || int64_t(v->size()) == num_crop_sampler,
          "[{}] found {} numbers of a kind for {} samplers of crops, expected as many or one", who,
          v->size(), num_crop_sampler);
  check(
      max_crop_trials.size() == 1 || int64_t(max_crop_trials.size()) == num_crop_sampler,
      "[{}] found {} numbers in max_crop_trials for {} samplers of crops, expected as many or one",
      who, max_crop_trials.size(), num_crop_sampler);
  for (int64_t i = 0; i < num_crop_sampler; ++i)
    check(nth(min_crop_scales, i) >= 0 && nth(min_crop_scales, i) <= nth(max_crop_scales, i) &&
              nth(max_crop_scales, i) <= 1 && nth(min_crop_aspect_ratios, i) > 0 &&
              nth(min_crop_aspect_ratios, i) <= nth(max_crop_aspect_ratios, i),
          "[{}] found crops of scales {} to {} and ratios {} to {}, expected the smaller first, "
          "scales "
          "from 0 to 1 and ratios above 0",
          who, nth(min_crop_scales, i), nth(max_crop_scales, i), nth(min_crop_aspect_ratios, i),
          nth(max_crop_aspect_ratios, i));
  check((inter_method >= 0 && inter_method <= 4) || inter_method == 9 || inter_method == 10,
        "[{}] found inter_method {}, expected 0 to 4, 9 or 10", who, inter_method);
}

static Box intersection(const Box& a, const Box& b) {
  return {std::max(a.x0, b.x0), std::max(a.y0, b.y0), std::min(a.x1, b.x1), std::min(a.y1, b.y1)};
}
// A box of the whole, as parts of `frame`.
static Box seen_from(const Box& frame, const Box& b) {
  const float w = frame.x1 - frame.x0, h = frame.y1 - frame.y0;
  return {(b.x0 - frame.x0) / w, (b.y0 - frame.y0) / h, (b.x1 - frame.x0) / w,
          (b.y1 - frame.y0) / h};
}

struct DetAugmenting {
  const DetAugmentParam& a;
  Random& random;
  Picture& p;
  Objects& objects;

  void resize_to(int64_t height, int64_t width) {
    p.resize(height, width,
             interpolation_of(a.inter_method, p.height(), p.width(), height, width,
                              a.inter_method == 10 ? random.next() : 0));
  }
  bool by_chance(float probability) { return probability > 0 && random.uniform() < probability; }

  void colours() {
    const auto shift = [&](float probability, int64_t most) {
      return by_chance(probability) ? int(random.around(float(most))) : 0;
    };
    const int h = shift(a.random_hue_prob, a.max_random_hue),
              s = shift(a.random_saturation_prob, a.max_random_saturation),
              l = shift(a.random_illumination_prob, a.max_random_illumination);
    if (h || s || l) add_hls(p, h, l, s);
    if (by_chance(a.random_contrast_prob)) adjust(p, 1 + random.around(a.max_random_contrast), 0);
  }
  void mirror_boxes() {
    if (!by_chance(a.rand_mirror_prob)) return;
    mirror(p);
    for (auto& o : objects.objects) {
      const Box b = box_of(o);
      set_box(o, {1 - b.x1, b.y0, 1 - b.x0, b.y1});
    }
  }
  void border() {
    if (a.max_pad_scale <= 1 || !by_chance(a.rand_pad_prob)) return;
    const float scale = random.uniform(1, a.max_pad_scale);
    const int64_t height = int64_t(float(p.height()) * scale),
                  width = int64_t(float(p.width()) * scale);
    const int64_t top = random.integer(0, height - p.height()),
                  left = random.integer(0, width - p.width());
    const float h = float(p.height()), w = float(p.width());
    const Box frame{-float(left) / w, -float(top) / h, float(width - left) / w,
                    float(height - top) / h};
    pad(p, top, height - p.height() - top, left, width - p.width() - left, uint8_t(a.fill_value));
    for (auto& o : objects.objects) set_box(o, seen_from(frame, box_of(o)));
  }

  // Is there an object that the crop holds as the sampler wants it?
  bool wanted(const Box& crop, int64_t i) const {
    const auto within = [i](float v, const auto& least, const auto& most) {
      return v >= float(nth(least, i)) && v <= float(nth(most, i));
    };
    for (const auto& o : objects.objects) {
      const Box b = box_of(o);
      const float both = intersection(crop, b).area(), either = crop.area() + b.area() - both;
      if (within(both / either, a.min_crop_overlaps, a.max_crop_overlaps) &&
          within(both / crop.area(), a.min_crop_sample_coverages, a.max_crop_sample_coverages) &&
          within(both / b.area(), a.min_crop_object_coverages, a.max_crop_object_coverages))
        return true;
    }
    return objects.objects.empty();
  }
  std::vector<std::vector<float>> kept(const Box& crop) const {
    std::vector<std::vector<float>> all;
    for (auto o : objects.objects) {
      const Box b = box_of(o), part = intersection(crop, b);
      const float x = (b.x0 + b.x1) / 2, y = (b.y0 + b.y1) / 2;
      const bool middle = x >= crop.x0 && x <= crop.x1 && y >= crop.y0 && y <= crop.y1;
      if (a.crop_emit_mode == EmitMode::kCenter ? !middle
                                                : part.area() <= a.emit_overlap_thresh * b.area())
        continue;
      set_box(o, seen_from(crop, part));
      all.push_back(std::move(o));
    }
    return all;
  }
  // A crop of one sampler: of whole pixels, as parts of the image.
  bool sample(int64_t i, Box& crop) {
    for (int64_t trial = 0; trial < nth(a.max_crop_trials, i); ++trial) {
      const float scale = std::max(
          random.uniform(float(nth(a.min_crop_scales, i)), float(nth(a.max_crop_scales, i))),
          1e-3f);
      const float least = std::max(float(nth(a.min_crop_aspect_ratios, i)), scale * scale),
                  most = std::min(float(nth(a.max_crop_aspect_ratios, i)), 1 / (scale * scale));
      const float ratio = std::sqrt(random.uniform(least, std::max(least, most)));
      const int64_t w = int64_t(std::min(scale * ratio, 1.f) * float(p.width())),
                    h = int64_t(std::min(scale / ratio, 1.f) * float(p.height()));
      if (w < 1 || h < 1) continue;
      const int64_t x = random.integer(0, p.width() - w), y = random.integer(0, p.height() - h);
      crop = {float(x) / float(p.width()), float(y) / float(p.height()),
              float(x + w) / float(p.width()), float(y + h) / float(p.height())};
      if (wanted(crop, i) && (objects.objects.empty() || !kept(crop).empty())) return true;
    }
    return false;
  }
  void crop_boxes() {
    if (!by_chance(a.rand_crop_prob)) return;
    std::vector<Box> found;
    for (int64_t i = 0; i < a.num_crop_sampler; ++i)
      if (Box crop; sample(i, crop)) found.push_back(crop);
    if (found.empty()) return;
    const Box& c = found[size_t(random.integer(0, int64_t(found.size()) - 1))];
    objects.objects = kept(c);
    const int64_t x = std::lround(c.x0 * float(p.width())),
                  y = std::lround(c.y0 * float(p.height()));
    p.crop(y, x, std::lround(c.y1 * float(p.height())) - y,
           std::lround(c.x1 * float(p.width())) - x);
  }
  void fit(int64_t height, int64_t width) {
    if (a.resize_mode == ResizeMode::kForce) return resize_to(height, width);
    float ratio = std::min(float(height) / float(p.height()), float(width) / float(p.width()));
    if (a.resize_mode == ResizeMode::kShrink) ratio = std::min(ratio, 1.f);
    resize_to(std::clamp<int64_t>(int64_t(ratio * float(p.height())), 1, height),
              std::clamp<int64_t>(int64_t(ratio * float(p.width())), 1, width));
  }
};

void augment(const DetAugmentParam& a, Random& random, int64_t height, int64_t width, Picture& p,
             Objects& objects) {
  DetAugmenting g{a, random, p, objects};
  if (a.resize > 0) {
    if (p.height() > p.width()) g.resize_to(a.resize * p.height() / p.width(), a.resize);
    else g.resize_to(a.resize, a.resize * p.width() / p.height());
  }
  g.colours();
  g.mirror_boxes();
  g.border();
  g.crop_boxes();
  g.fit(height, width);
}

}  // namespace heddle::io
