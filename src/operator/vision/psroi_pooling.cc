// PSROIPooling and DeformablePSROIPooling: every bin of a region has channels of its own.
#include <vector>

#include "operator/scratch_needs.h"
#include "operator/vision/vision.h"

namespace heddle::ops::psroi_pooling {

using vision::Wide;

// --- PSROIPooling -------------------------------------------------------------------------------
struct PsParam {
  float spatial_scale = 1;
  int output_dim = 0, pooled_size = 0, group_size = 0;
  void fields(auto&& f) {
    f("spatial_scale", spatial_scale, "From the coordinates of rois to cells of data.")
        .required()
        .range(0, 1);
    f("output_dim", output_dim, "Channels of the output.").required().at_least(1);
    f("pooled_size", pooled_size, "Bins along a side.").required().at_least(1);
    f("group_size", group_size, "Groups of channels along a side; 0: pooled_size.").at_least(0);
  }
  int64_t groups() const { return group_size > 0 ? group_size : pooled_size; }
};

void check_rois(const char* who, const Shape& x, const Shape& rois, int64_t channels) {
  check(x.rank() == 4 && x[1] == channels,
        "[_contrib_{}] data has shape {}, expected (n, {}, h, w)", who, x, channels);
  check(rois.rank() == 2 && rois[1] == 5, "[_contrib_{}] rois has shape {}, expected (regions, 5)",
        who, rois);
}

void infer(const PsParam& p, InferContext& c) {
  const Shape &x = c.in(0), &rois = c.in(1);
  if (!x.known() || !rois.known()) return;
  check_rois("PSROIPooling", x, rois, p.output_dim * p.groups() * p.groups());
  c.set_out(0, {rois[0], p.output_dim, p.pooled_size, p.pooled_size});
}

// A region in cells; `shift` moves the middle of a cell to a whole number.
template <class A>
struct Region {
  int64_t image;
  A x, y, width, height;
  template <class T>
  Region(const T* roi, float spatial_scale, A shift) {
    const A scale = A(spatial_scale);
    image = vision::whole(A(roi[0]));
    x = std::round(A(roi[1])) * scale - shift, y = std::round(A(roi[2])) * scale - shift;
    width = std::max((std::round(A(roi[3])) + 1) * scale - shift - x, A(0.1));
    height = std::max((std::round(A(roi[4])) + 1) * scale - shift - y, A(0.1));
  }
};

struct Window {
  int64_t top, bottom, left, right;
  int64_t cells() const {
    return std::max<int64_t>(0, bottom - top) * std::max<int64_t>(0, right - left);
  }
};
template <class A>
Window window(const PsParam& p, const Region<A>& r, int64_t bin, const Shape& x) {
  const auto clip = [](A v, int64_t extent) {
    return std::clamp<int64_t>(vision::whole(v), 0, extent);
  };
  const A h = r.height / A(p.pooled_size), w = r.width / A(p.pooled_size);
  const A i = A(bin / p.pooled_size), j = A(bin % p.pooled_size);
  return {clip(std::floor(i * h + r.y), x[2]), clip(std::ceil((i + 1) * h + r.y), x[2]),
          clip(std::floor(j * w + r.x), x[3]), clip(std::ceil((j + 1) * w + r.x), x[3])};
}
// The channel of data for output channel c and a bin.
int64_t channel_of(int64_t c, int64_t bin, int64_t side, int64_t groups) {
  const int64_t i = std::min(bin / side * groups / side, groups - 1);
  const int64_t j = std::min(bin % side * groups / side, groups - 1);
  return (c * groups + i) * groups + j;
}

void forward(const PsParam& p, OpContext& ctx, Inputs in, Outputs out) {
  const Shape &x = in[0].shape, &y = out[0].shape;
  const int64_t bins = y[2] * y[3];
  with_float(in[0].dtype, "PSROIPooling", [&](auto type) {
    using T = decltype(type);
    using A = Wide<T>;
    ctx.parallel_for(y[0] * y[1], vision::grain_of(16 * bins), [&](int64_t from, int64_t end) {
      for (int64_t k = from; k < end; ++k) {
        const Region<A> r(in[1].as<T>() + k / y[1] * 5, p.spatial_scale, A(0));
        for (int64_t bin = 0; bin < bins; ++bin) {
          T& to = out[0].as<T>()[k * bins + bin];
          to = T(0);
          if (r.image < 0 || r.image >= x[0]) continue;
          const Window w = window(p, r, bin, x);
          const int64_t c = channel_of(k % y[1], bin, p.pooled_size, p.groups());
          const T* plane = in[0].as<T>() + (r.image * x[1] + c) * x[2] * x[3];
          A sum = 0;
          for (int64_t i = w.top; i < w.bottom; ++i)
            for (int64_t j = w.left; j < w.right; ++j) sum += A(plane[i * x[3] + j]);
          if (w.cells() > 0) to = T(sum / A(w.cells()));
        }
      }
    });
  });
}

// in: dy, rois. out: gradients of data and rois, which is zero.
void backward(const PsParam& p, OpContext& ctx, Inputs in, Outputs out) {
  const Shape &y = in[0].shape, &x = out[0].shape;
  const int64_t bins = y[2] * y[3], groups = p.groups();
  if (ctx.wants(1)) vision::write_zeros(out[1]);
  if (!ctx.wants(0)) return;
  with_float(in[0].dtype, "PSROIPooling", [&](auto type) {
    using T = decltype(type);
    using A = Wide<T>;
    vision::sum_planes<T>(ctx, out[0], y[0] * bins, [&](int64_t plane, A* sum) {
      const int64_t channel = plane % x[1], c = channel / (groups * groups);
      for (int64_t n = 0; n < y[0]; ++n) {
        const Region<A> r(in[1].as<T>() + 5 * n, p.spatial_scale, A(0));
        if (r.image != plane / x[1]) continue;
        for (int64_t bin = 0; bin < bins; ++bin) {
          if (channel_of(c, bin, p.pooled_size, groups) != channel) continue;
          const Window w = window(p, r, bin, x);
          const A head = A(in[0].as<T>()[(n * y[1] + c) * bins + bin]);
          for (int64_t i = w.top; i < w.bottom; ++i)
            for (int64_t j = w.left; j < w.right; ++j) sum[i * x[3] + j] += head / A(w.cells());
        }
      }
    });
  });
}

// --- DeformablePSROIPooling ---------------------------------------------------------------------
struct DeformableParam {
  float spatial_scale = 1, trans_std = 0;
  int64_t output_dim = 0, group_size = 0, pooled_size = 0, part_size = 0, sample_per_part = 1;
  bool no_trans = false;
  void fields(auto&& f) {
    f("spatial_scale", spatial_scale, "From the coordinates of rois to cells of data.")
        .required()
        .range(0, 1);
    f("output_dim", output_dim, "Channels of the output.").required().at_least(1);
    f("group_size", group_size, "Groups of channels along a side.").required().at_least(1);
    f("pooled_size", pooled_size, "Bins along a side.").required().at_least(1);
    f("part_size", part_size, "Parts of a region along a side that move; 0: pooled_size.")
        .at_least(0);
    f("sample_per_part", sample_per_part, "Samples along a side of a bin.").at_least(1);
    f("trans_std", trans_std, "Multiplies trans, which counts in sides of the region.").range(0, 1);
    f("no_trans", no_trans, "Nothing moves, and there is no trans.");
  }
  int64_t parts() const { return part_size > 0 ? part_size : pooled_size; }
};

void infer_deformable(const DeformableParam& p, InferContext& c) {
  const Shape &x = c.in(0), &rois = c.in(1);
  if (!x.known() || !rois.known()) return;
  check_rois("DeformablePSROIPooling", x, rois, p.output_dim * p.group_size * p.group_size);
  if (!p.no_trans && c.in(2).known()) {
    const Shape& t = c.in(2);
    check(
        t.rank() == 4 && t[0] >= rois[0] && t[1] > 0 && t[1] % 2 == 0 && t[2] == p.parts() &&
            t[3] == p.parts() && p.output_dim % (t[1] / 2) == 0,
        "[_contrib_DeformablePSROIPooling] trans has shape {}, expected ({}, 2 * classes, {}, {})",
        t, rois[0], p.parts(), p.parts());
  }
  c.set_out(0, {rois[0], p.output_dim, p.pooled_size, p.pooled_size});
}

// The samples of a bin of region n for output channel c.
template <class T>
struct Bin {
  using A = Wide<T>;
  Region<A> r;
  A top, left, step_y, step_x;
  int64_t trans = -1, per_plane;  // where trans holds x; y is a plane further

  Bin(const DeformableParam& p, const Blob& rois, const Blob* moves, int64_t n, int64_t c,
      int64_t bin)
      : r(rois.as<T>() + 5 * n, p.spatial_scale, A(0.5)), per_plane(p.parts() * p.parts()) {
    const int64_t row = bin / p.pooled_size, column = bin % p.pooled_size;
    const A h = r.height / A(p.pooled_size), w = r.width / A(p.pooled_size);
    top = A(row) * h + r.y, left = A(column) * w + r.x;
    step_y = h / A(p.sample_per_part), step_x = w / A(p.sample_per_part);
    if (!moves) return;
    const int64_t classes = moves->shape[1] / 2, of = c / (p.output_dim / classes);
    trans = (n * classes + of) * 2 * per_plane + row * p.parts() / p.pooled_size * p.parts() +
            column * p.parts() / p.pooled_size;
    left += A(moves->as<T>()[trans]) * A(p.trans_std) * r.width;
    top += A(moves->as<T>()[trans + per_plane]) * A(p.trans_std) * r.height;
  }
  // Calls sample(corners) for those inside; where a sample is moved to the border, its value does
  // not change with its place.
  template <class Sample>
  int64_t each(int64_t side, int64_t height, int64_t width, Sample&& sample) const {
    int64_t count = 0;
    for (int64_t k = 0; k < side * side; ++k) {
      const A y = top + A(k / side) * step_y, x = left + A(k % side) * step_x;
      if (!(y >= A(-0.5) && x >= A(-0.5) && y <= A(height) - A(0.5) && x <= A(width) - A(0.5)))
        continue;
      const A cy = std::clamp(y, A(0), A(height - 1)), cx = std::clamp(x, A(0), A(width - 1));
      auto at = vision::corners(cy, cx, height, width);
      if (cy != y) std::fill_n(at.by_y, 4, A(0));
      if (cx != x) std::fill_n(at.by_x, 4, A(0));
      ++count, sample(at);
    }
    return count;
  }
};

void forward_deformable(const DeformableParam& p, OpContext& ctx, Inputs in, Outputs out) {
  const Shape &x = in[0].shape, &y = out[0].shape;
  const int64_t bins = y[2] * y[3], cells = x[2] * x[3];
  const Blob* moves = p.no_trans ? nullptr : &in[2];
  with_float(in[0].dtype, "DeformablePSROIPooling", [&](auto type) {
    using T = decltype(type);
    using A = Wide<T>;
    ctx.parallel_for(y[0] * y[1], vision::grain_of(32 * bins), [&](int64_t from, int64_t end) {
      for (int64_t k = from; k < end; ++k)
        for (int64_t bin = 0; bin < bins; ++bin) {
          const Bin<T> b(p, in[1], moves, k / y[1], k % y[1], bin);
          T& to = out[0].as<T>()[k * bins + bin];
          to = T(0);
          if (b.r.image < 0 || b.r.image >= x[0]) continue;
          const int64_t c = channel_of(k % y[1], bin, p.pooled_size, p.group_size);
          const T* plane = in[0].as<T>() + (b.r.image * x[1] + c) * cells;
          A sum = 0;
          const int64_t count = b.each(p.sample_per_part, x[2], x[3],
                                       [&](const auto& at) { sum += at.value(plane); });
          if (count > 0) to = T(sum / A(count));
        }
    });
  });
}

// Gradient of trans: bins and channels of a part are added in order.
template <class T>
void trans_gradient(const DeformableParam& p, OpContext& ctx, const Blob& dy, const Blob& data,
                    const Blob& rois, const Blob& moves, const Blob& to) {
  using A = Wide<T>;
  const Shape &x = data.shape, &y = dy.shape;
  const int64_t bins = y[2] * y[3], per_region = moves.shape.size(1);
  ctx.parallel_for(moves.shape[0], 1, [&](int64_t from, int64_t end) {
    for (int64_t n = from; n < end; ++n) {
      std::vector<A> sum(static_cast<size_t>(per_region));
      for (int64_t i = 0; n < y[0] && i < y[1] * bins; ++i) {
        const int64_t c = i / bins, bin = i % bins;
        const Bin<T> b(p, rois, &moves, n, c, bin);
        if (b.r.image < 0 || b.r.image >= x[0]) continue;
        const int64_t channel = channel_of(c, bin, p.pooled_size, p.group_size);
        const T* plane = data.as<T>() + (b.r.image * x[1] + channel) * x[2] * x[3];
        A by_y = 0, by_x = 0;
        const int64_t count = b.each(p.sample_per_part, x[2], x[3], [&](const auto& at) {
          by_y += at.slope_y(plane), by_x += at.slope_x(plane);
        });
        if (count == 0) continue;
        const A head = A(dy.as<T>()[(n * y[1]) * bins + i]) / A(count) * A(p.trans_std);
        const int64_t at = b.trans - n * per_region;
        sum[size_t(at)] += head * by_x * b.r.width;
        sum[size_t(at + b.per_plane)] += head * by_y * b.r.height;
      }
      for (int64_t i = 0; i < per_region; ++i) to.as<T>()[n * per_region + i] = T(sum[size_t(i)]);
    }
  });
}

std::vector<Ref> deformable_reads(const DeformableParam& p) {
  return p.no_trans ? std::vector{dy(), x(0), x(1)} : std::vector{dy(), x(0), x(1), x(2)};
}

// in: dy, data, rois, trans. out: gradients of data, rois (zero) and trans.
void backward_deformable(const DeformableParam& p, OpContext& ctx, Inputs in, Outputs out) {
  const Shape &y = in[0].shape, &x = in[1].shape;
  const int64_t bins = y[2] * y[3], groups = p.group_size;
  const Blob* moves = p.no_trans ? nullptr : &in[3];
  if (ctx.wants(1)) vision::write_zeros(out[1]);
  with_float(in[0].dtype, "DeformablePSROIPooling", [&](auto type) {
    using T = decltype(type);
    using A = Wide<T>;
    if (moves && ctx.wants(2)) trans_gradient<T>(p, ctx, in[0], in[1], in[2], *moves, out[2]);
    if (!ctx.wants(0)) return;
    vision::sum_planes<T>(ctx, out[0], y[0] * bins, [&](int64_t plane, A* sum) {
      const int64_t channel = plane % x[1], c = channel / (groups * groups);
      for (int64_t n = 0; n < y[0]; ++n)
        for (int64_t bin = 0; bin < bins; ++bin) {
          if (channel_of(c, bin, p.pooled_size, groups) != channel) continue;
          const Bin<T> b(p, in[2], moves, n, c, bin);
          if (b.r.image != plane / x[1]) continue;
          const int64_t count = b.each(p.sample_per_part, x[2], x[3], [](const auto&) {});
          if (count == 0) continue;
          const A head = A(in[0].as<T>()[(n * y[1] + c) * bins + bin]) / A(count);
          b.each(p.sample_per_part, x[2], x[3], [&](const auto& at) { at.add(sum, head); });
        }
    });
  });
}

void define(OpTable& ops) {
  ops.define({
      .name = "_contrib_PSROIPooling",
      .doc = "Position-sensitive average pooling of regions (Dai et al. 2016, R-FCN).",
      .dtypes = Dtypes::kFloating,
      .precision = Precision::kWidest,
      .params = schema<PsParam>(),
      .inputs = {{"data", "(n, output_dim * group_size^2, h, w)"},
                 {"rois", "(regions, 5): image, x1, y1, x2, y2, ends included"}},
      .infer = infer,
      .cpu = forward,
      .backward = {.reads = {dy(), x(1)}, .run = backward},
  });
  ops.define({
      .name = "_contrib_DeformablePSROIPooling",
      .doc = "PSROIPooling of samples, in parts that move (Dai et al. 2017).",
      .dtypes = Dtypes::kFloating,
      .precision = Precision::kFull,
      .params = schema<DeformableParam>(),
      .inputs = {{"data", "(n, output_dim * group_size^2, h, w)"},
                 {"rois", "(regions, 5): image, x1, y1, x2, y2, ends included"},
                 {.name = "trans",
                  .doc = "(regions, 2 * classes, part_size, part_size): x, then y",
                  .when = when("no_trans", false)}},
      .infer = infer_deformable,
      .cpu = forward_deformable,
      .backward = {.reads = deformable_reads, .run = backward_deformable},
  });
  ops.scratch("_backward__contrib_PSROIPooling", vision::planes_scratch);
  ops.scratch("_backward__contrib_DeformablePSROIPooling", vision::planes_scratch);
}

}  // namespace heddle::ops::psroi_pooling
