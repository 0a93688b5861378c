// ROIAlign, RROIAlign and mrcnn_mask_target: averages of bilinear samples over the bins of regions.
#include <numbers>
#include <vector>

#include "operator/scratch_needs.h"
#include "operator/vision/vision.h"

namespace heddle::ops::roi_align {

using vision::Corners;
using vision::Wide;

// --- samples ------------------------------------------------------------------------------------
// Around a point that may lie a cell outside, where the border's value holds.
template <class A>
Corners<A> clamped(A y, A x, int64_t height, int64_t width) {
  if (!(y >= -1 && y <= A(height) && x >= -1 && x <= A(width)))
    return vision::corners<A>(-2, -2, height, width);
  return vision::corners<A>(std::clamp(y, A(0), A(height - 1)), std::clamp(x, A(0), A(width - 1)),
                            height, width);
}

// The samples of one region: per_bin of each bin, bins in rows.
template <class A>
struct Samples {
  int64_t image = -1, per_bin = 0;
  std::vector<Corners<A>> at;
};

// A region in cells, with its corner or (rotated) its middle at (x, y).
template <class A>
struct Region {
  A x, y, width, height, angle = 0;
  bool rotated = false;
};

template <class A>
Samples<A> samples_of(const Region<A>& r, int64_t image, const Shape& bins, int ratio,
                      int64_t height, int64_t width) {
  Samples<A> s;
  s.image = image;
  const A bin_h = r.height / A(bins[0]), bin_w = r.width / A(bins[1]);
  const int64_t down = ratio > 0 ? ratio : vision::whole(std::ceil(bin_h));
  const int64_t right = ratio > 0 ? ratio : vision::whole(std::ceil(bin_w));
  // They are kept in memory: a region out of all measure would take it all.
  constexpr int64_t kMost = int64_t{1} << 22;
  const int64_t in_row = std::max<int64_t>(0, right), each = bins[0] * bins[1];
  check(down <= 0 || in_row <= kMost / each / down,
        "[ROIAlign] a region takes {} x {} samples in each of {} bins, expected at most {} in all",
        down, right, each, kMost);
  s.per_bin = std::max<int64_t>(0, down) * in_row;
  s.at.reserve(size_t(s.per_bin * each));
  const A sine = std::sin(r.angle), cosine = std::cos(r.angle);
  for (int64_t bin = 0; bin < bins[0] * bins[1]; ++bin)
    for (int64_t k = 0; k < s.per_bin; ++k) {
      const A v = (A(bin / bins[1]) + (A(k / right) + A(0.5)) / A(down)) * bin_h;
      const A u = (A(bin % bins[1]) + (A(k % right) + A(0.5)) / A(right)) * bin_w;
      A y = r.y + v, x = r.x + u;
      if (r.rotated) {
        const A dy = v - r.height / 2, dx = u - r.width / 2;
        y = r.y + dy * cosine - dx * sine, x = r.x + dx * cosine + dy * sine;
      }
      s.at.push_back(clamped(y, x, height, width));
    }
  return s;
}

// The average over the samples of a bin.
template <class A, class T>
A average(const Samples<A>& s, int64_t bin, const T* plane) {
  A sum = 0;
  for (int64_t k = bin * s.per_bin; k < (bin + 1) * s.per_bin; ++k)
    sum += s.at[size_t(k)].value(plane);
  return sum / A(std::max<int64_t>(1, s.per_bin));
}

// The samples of all regions: of(r) gives those of one.
template <class A, class Of>
std::vector<Samples<A>> all_samples(const OpContext& ctx, int64_t count, Of&& of) {
  std::vector<Samples<A>> all(static_cast<size_t>(count));
  ctx.parallel_for(count, 16, [&](int64_t from, int64_t end) {
    for (int64_t r = from; r < end; ++r) all[size_t(r)] = of(r);
  });
  return all;
}

// --- ROIAlign -----------------------------------------------------------------------------------
struct AlignParam {
  Shape pooled_size;
  float spatial_scale = 1;
  int sample_ratio = -1;
  bool position_sensitive = false, aligned = false;
  void shared_fields(auto&& f) {
    f("pooled_size", pooled_size, "(height, width) in bins.").required();
    f("spatial_scale", spatial_scale, "From the coordinates of rois to cells of data.")
        .required()
        .range(0, 1);
  }
  void fields(auto&& f) {
    shared_fields(f);
    f("sample_ratio", sample_ratio, "Samples along a side of a bin; 0 or less: one per cell.");
    f("position_sensitive", position_sensitive, "Every bin has channels of its own.");
    f("aligned", aligned, "The middle of a cell is at 0.5, and regions may be smaller than one.");
  }
};
struct RotatedParam : AlignParam {
  void fields(auto&& f) {
    shared_fields(f);
    f("sampling_ratio", sample_ratio, "Samples along a side of a bin; 0 or less: one per cell.");
  }
};

void check_bins(const char* who, const Shape& bins) {
  check(bins.rank() == 2 && bins[0] > 0 && bins[1] > 0,
        "[_contrib_{}] pooled_size is {}, expected two positive numbers", who, bins);
}

template <int64_t kNumbers>
void infer(const AlignParam& p, InferContext& c) {
  const Shape &x = c.in(0), &rois = c.in(1), &bins = p.pooled_size;
  const char* who = kNumbers == 5 ? "ROIAlign" : "RROIAlign";
  check_bins(who, bins);
  if (!x.known() || !rois.known()) return;
  check(x.rank() == 4, "[_contrib_{}] data has shape {}, expected (n, c, h, w)", who, x);
  check(rois.rank() == 2 && rois[1] == kNumbers,
        "[_contrib_{}] rois has shape {}, expected (regions, {})", who, rois, kNumbers);
  const int64_t each = p.position_sensitive ? bins[0] * bins[1] : 1;
  check(x[1] % each == 0, "[_contrib_{}] data has {} channels, expected a multiple of the {} bins",
        who, x[1], each);
  c.set_out(0, {rois[0], x[1] / each, bins[0], bins[1]});
}

template <class A, class T>
Samples<A> aligned_samples(const AlignParam& p, const T* roi, const Shape& x) {
  const A scale = A(p.spatial_scale), shift = p.aligned ? A(0.5) : A(0);
  Region<A> r{A(roi[1]) * scale - shift, A(roi[2]) * scale - shift, 0, 0};
  r.width = A(roi[3]) * scale - shift - r.x, r.height = A(roi[4]) * scale - shift - r.y;
  if (!p.aligned) r.width = std::max(r.width, A(1)), r.height = std::max(r.height, A(1));
  return samples_of(r, vision::whole(A(roi[0])), p.pooled_size, p.sample_ratio, x[2], x[3]);
}
template <class A, class T>
Samples<A> rotated_samples(const AlignParam& p, const T* roi, const Shape& x) {
  const A scale = A(p.spatial_scale);
  const Region<A> r{A(roi[1]) * scale,
                    A(roi[2]) * scale,
                    std::max(A(roi[3]) * scale, A(1)),
                    std::max(A(roi[4]) * scale, A(1)),
                    A(roi[5]) * std::numbers::pi_v<A> / 180,
                    true};
  return samples_of(r, vision::whole(A(roi[0])), p.pooled_size, p.sample_ratio, x[2], x[3]);
}

template <bool kRotated>
void forward(const AlignParam& p, OpContext& ctx, Inputs in, Outputs out) {
  const Shape &x = in[0].shape, &y = out[0].shape;
  const int64_t cells = x[2] * x[3], bins = y[2] * y[3], channels = y[1];
  with_float(in[0].dtype, kRotated ? "RROIAlign" : "ROIAlign", [&](auto type) {
    using T = decltype(type);
    using A = Wide<T>;
    const auto samples = all_samples<A>(ctx, y[0], [&](int64_t r) {
      if constexpr (kRotated) return rotated_samples<A>(p, in[1].as<T>() + 6 * r, x);
      else return aligned_samples<A>(p, in[1].as<T>() + 5 * r, x);
    });
    ctx.parallel_for(y[0] * channels, vision::grain_of(16 * bins), [&](int64_t from, int64_t end) {
      for (int64_t k = from; k < end; ++k) {
        const Samples<A>& s = samples[size_t(k / channels)];
        T* to = out[0].as<T>() + k * bins;
        std::fill_n(to, bins, T(0));
        if (s.image < 0 || s.image >= x[0]) continue;
        for (int64_t bin = 0; bin < bins; ++bin) {
          const int64_t c = p.position_sensitive ? k % channels * bins + bin : k % channels;
          to[bin] = T(average(s, bin, in[0].as<T>() + (s.image * x[1] + c) * cells));
        }
      }
    });
  });
}

// in: dy, rois. out: gradients of data and rois, which is zero.
void backward(const AlignParam& p, OpContext& ctx, Inputs in, Outputs out) {
  const Shape &y = in[0].shape, &x = out[0].shape;
  const int64_t bins = y[2] * y[3], channels = y[1];
  if (ctx.wants(1)) vision::write_zeros(out[1]);
  if (!ctx.wants(0)) return;
  with_float(in[0].dtype, "ROIAlign", [&](auto type) {
    using T = decltype(type);
    using A = Wide<T>;
    const auto samples = all_samples<A>(
        ctx, y[0], [&](int64_t r) { return aligned_samples<A>(p, in[1].as<T>() + 5 * r, x); });
    vision::sum_planes<T>(ctx, out[0], y[0] * bins, [&](int64_t plane, A* sum) {
      const int64_t channel = plane % x[1];
      for (int64_t r = 0; r < y[0]; ++r) {
        const Samples<A>& s = samples[size_t(r)];
        if (s.image != plane / x[1] || s.per_bin == 0) continue;
        const int64_t only = p.position_sensitive ? channel % bins : -1;
        const int64_t c = p.position_sensitive ? channel / bins : channel;
        const T* dy = in[0].as<T>() + (r * channels + c) * bins;
        for (int64_t bin = std::max<int64_t>(only, 0); bin < (only < 0 ? bins : only + 1); ++bin) {
          const A head = A(dy[bin]) / A(s.per_bin);
          for (int64_t k = bin * s.per_bin; k < (bin + 1) * s.per_bin; ++k)
            s.at[size_t(k)].add(sum, head);
        }
      }
    });
  });
}

// --- mrcnn_mask_target --------------------------------------------------------------------------
struct MaskParam {
  int64_t num_rois = 0, num_classes = 0;
  Shape mask_size;
  int sample_ratio = 2;
  bool aligned = false;
  void fields(auto&& f) {
    f("num_rois", num_rois, "Regions of an image.").required();
    f("num_classes", num_classes, "Classes of objects, without the background.").required();
    f("mask_size", mask_size, "(height, width) of the targets.").required();
    f("sample_ratio", sample_ratio, "Samples along a side of a cell; 0 or less: one per pixel.");
    f("aligned", aligned, "The middle of a pixel is at 0.5.");
  }
};

void infer_mask(const MaskParam& p, InferContext& c) {
  check_bins("mrcnn_mask_target", p.mask_size);
  const Shape &rois = c.in(0), &masks = c.in(1);
  if (!rois.known()) return;
  check(rois.rank() == 3 && rois[1] == p.num_rois && rois[2] == 4,
        "[_contrib_mrcnn_mask_target] rois has shape {}, expected (n, {}, 4)", rois, p.num_rois);
  check(!masks.known() || (masks.rank() == 4 && masks[0] == rois[0]),
        "[_contrib_mrcnn_mask_target] gt_masks has shape {}, expected ({}, objects, h, w)", masks,
        rois[0]);
  c.set_in(2, {rois[0], rois[1]}), c.set_in(3, {rois[0], rois[1]});
  const Shape y{rois[0], rois[1], p.num_classes, p.mask_size[0], p.mask_size[1]};
  c.set_out(0, y), c.set_out(1, y);
}

void mask_target(const MaskParam& p, OpContext& ctx, Inputs in, Outputs out) {
  const Shape& masks = in[1].shape;
  const int64_t rois = in[0].size() / 4, bins = p.mask_size.size();
  const Blob target = ctx.output(out, 0), cls = ctx.output(out, 1);
  AlignParam align;
  align.pooled_size = p.mask_size, align.sample_ratio = p.sample_ratio, align.aligned = p.aligned;
  with_float(in[0].dtype, "mrcnn_mask_target", [&](auto type) {
    using T = decltype(type);
    using A = Wide<T>;
    ctx.parallel_for(rois, vision::grain_of(64 * bins), [&](int64_t from, int64_t end) {
      for (int64_t r = from; r < end; ++r) {
        T roi[5] = {T(0)};
        std::copy_n(in[0].as<T>() + 4 * r, 4, roi + 1);
        const auto s = aligned_samples<A>(align, roi, masks);
        const int64_t of = vision::whole(A(in[2].as<T>()[r])), image = r / p.num_rois;
        const bool there = of >= 0 && of < masks[1];
        const T* plane =
            in[1].as<T>() + (image * masks[1] + (there ? of : 0)) * masks[2] * masks[3];
        for (int64_t k = 0; k < p.num_classes; ++k) {
          const int64_t at = (r * p.num_classes + k) * bins;
          const bool own = A(in[3].as<T>()[r]) == A(k + 1);
          std::fill_n(cls.as<T>() + at, bins, T(own ? 1 : 0));
          for (int64_t bin = 0; bin < bins; ++bin)
            target.as<T>()[at + bin] = there ? T(average(s, bin, plane)) : T(0);
        }
      }
    });
  });
}

void define(OpTable& ops) {
  ops.define({
      .name = "_contrib_ROIAlign",
      .doc =
          "The average of bilinear samples in each bin of a region (He et al. 2017, Mask R-CNN). "
          "Regions of an image that is not there give 0.",
      .dtypes = Dtypes::kFloating,
      .precision = Precision::kWidest,
      .params = schema<AlignParam>(),
      .inputs = {{"data", "(n, c, h, w)"}, {"rois", "(regions, 5): image, x1, y1, x2, y2"}},
      .infer = infer<5>,
      .cpu = forward<false>,
      .backward = {.reads = {dy(), x(1)}, .run = backward},
  });
  ops.define({
      .name = "_contrib_RROIAlign",
      .doc = "ROIAlign of rotated regions (Ma et al. 2018).",
      .dtypes = Dtypes::kFloating,
      .params = schema<RotatedParam>(),
      .inputs = {{"data", "(n, c, h, w)"},
                 {"rois", "(regions, 6): image, x, y of the middle, width, height, degrees"}},
      .infer = infer<6>,
      .cpu = forward<true>,
  });
  ops.define({
      .name = "_contrib_mrcnn_mask_target",
      .doc = "Mask R-CNN's targets: the mask of the matched object within each region, for every "
             "class, and which class counts.",
      .dtypes = Dtypes::kFloating,
      .params = schema<MaskParam>(),
      .inputs = {{"rois", "(n, regions, 4): x1, y1, x2, y2"},
                 {"gt_masks", "(n, objects, h, w)"},
                 {"matches", "(n, regions): the row of gt_masks"},
                 {"cls_targets", "(n, regions): 0 for background"}},
      .outputs = {{"mask_targets"}, {"mask_cls"}},
      .infer = infer_mask,
      .cpu = mask_target,
      .backward = {.zero = true},
  });
  ops.scratch("_contrib_mrcnn_mask_target", unwanted);
  ops.scratch("_backward__contrib_ROIAlign", vision::planes_scratch);
}

}  // namespace heddle::ops::roi_align
