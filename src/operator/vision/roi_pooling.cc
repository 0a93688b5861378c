// ROIPooling: the largest value of each bin of a region.
#include <limits>

#include "operator/scratch_needs.h"
#include "operator/vision/vision.h"

namespace heddle::ops::roi_pooling {

using vision::Wide;

struct RoiPoolingParam {
  Shape pooled_size;
  float spatial_scale = 1;
  void fields(auto&& f) {
    f("pooled_size", pooled_size, "(height, width) in bins.").required();
    f("spatial_scale", spatial_scale, "From the coordinates of rois to cells of data.")
        .required()
        .range(0, 1);
  }
};

void infer(const RoiPoolingParam& p, InferContext& c) {
  const Shape &x = c.in(0), &rois = c.in(1), &bins = p.pooled_size;
  check(bins.rank() == 2 && bins[0] > 0 && bins[1] > 0,
        "[ROIPooling] pooled_size is {}, expected two positive numbers", bins);
  if (!x.known() || !rois.known()) return;
  check(x.rank() == 4, "[ROIPooling] data has shape {}, expected (n, c, h, w)", x);
  check(rois.rank() == 2 && rois[1] == 5, "[ROIPooling] rois has shape {}, expected (regions, 5)",
        rois);
  check(x[2] * x[3] <= std::numeric_limits<int32_t>::max(),
        "[ROIPooling] data has planes of {} cells, expected fewer than 2^31", x[2] * x[3]);
  const Shape y{rois[0], x[1], bins[0], bins[1]};
  c.set_out(0, y), c.set_out(1, y);
}
void infer_dtype(InferContext& c) {
  for (Dtype d : {c.in_dtype(0), c.in_dtype(1), c.out_dtype(0)})
    if (d != Dtype::kUnknown) c.set_in_dtype(0, d), c.set_in_dtype(1, d), c.set_out_dtype(0, d);
  c.set_out_dtype(1, Dtype::kInt32);
}

// A region in cells of data.
template <class A>
struct Region {
  int64_t image, x, y;
  A bin_height, bin_width;
  template <class T>
  Region(const RoiPoolingParam& p, const T* roi) {
    const auto at = [&](int i) {
      return vision::whole(std::round(A(roi[i]) * A(p.spatial_scale)));
    };
    image = vision::whole(A(roi[0])), x = at(1), y = at(2);
    bin_height = A(std::max<int64_t>(at(4) - y + 1, 1)) / A(p.pooled_size[0]);
    bin_width = A(std::max<int64_t>(at(3) - x + 1, 1)) / A(p.pooled_size[1]);
  }
};
struct Span {
  int64_t from, to;
};
template <class A>
Span bin(int64_t at, A size, int64_t start, int64_t extent) {
  return {std::clamp<int64_t>(int64_t(std::floor(A(at) * size)) + start, 0, extent),
          std::clamp<int64_t>(int64_t(std::ceil(A(at + 1) * size)) + start, 0, extent)};
}

void forward(const RoiPoolingParam& p, OpContext& ctx, Inputs in, Outputs out) {
  const Shape &x = in[0].shape, &y = out[0].shape;
  const int64_t height = x[2], width = x[3], cells = height * width, bins = y[2] * y[3];
  const Blob place = ctx.output(out, 1);
  with_float(in[0].dtype, "ROIPooling", [&](auto type) {
    using T = decltype(type);
    using A = Wide<T>;
    const T *data = in[0].as<T>(), *rois = in[1].as<T>();
    ctx.parallel_for(y[0] * y[1], vision::grain_of(8 * bins), [&](int64_t from, int64_t end) {
      for (int64_t k = from; k < end; ++k) {
        const Region<A> r(p, rois + k / y[1] * 5);
        T* to = out[0].as<T>() + k * bins;
        int32_t* where = place.as<int32_t>() + k * bins;
        std::fill_n(to, bins, T(0)), std::fill_n(where, bins, -1);
        if (r.image < 0 || r.image >= x[0]) continue;
        const T* plane = data + (r.image * x[1] + k % y[1]) * cells;
        for (int64_t i = 0; i < bins; ++i) {
          const Span rows = bin(i / y[3], r.bin_height, r.y, height);
          const Span columns = bin(i % y[3], r.bin_width, r.x, width);
          for (int64_t row = rows.from; row < rows.to; ++row)
            for (int64_t c = row * width + columns.from; c < row * width + columns.to; ++c)
              if (where[i] < 0 || A(plane[c]) > A(plane[where[i]])) where[i] = int32_t(c);
          if (where[i] >= 0) to[i] = plane[where[i]];
        }
      }
    });
  });
}

// in: dy, rois, places. out: gradients of data and rois, which is zero.
void backward(const RoiPoolingParam&, OpContext& ctx, Inputs in, Outputs out) {
  const Shape& y = in[0].shape;
  const int64_t bins = y[2] * y[3], channels = y[1];
  if (ctx.wants(1)) vision::write_zeros(out[1]);
  if (!ctx.wants(0)) return;
  with_float(in[0].dtype, "ROIPooling", [&](auto type) {
    using T = decltype(type);
    using A = Wide<T>;
    const T *dy = in[0].as<T>(), *rois = in[1].as<T>();
    const int32_t* where = in[2].as<int32_t>();
    vision::sum_planes<T>(ctx, out[0], y[0] * bins, [&](int64_t plane, A* sum) {
      for (int64_t r = 0; r < y[0]; ++r) {
        if (vision::whole(A(rois[5 * r])) != plane / channels || A(rois[5 * r]) < 0) continue;
        const int64_t at = (r * channels + plane % channels) * bins;
        for (int64_t i = at; i < at + bins; ++i)
          if (where[i] >= 0) sum[where[i]] += A(dy[i]);
      }
    });
  });
}

void define(OpTable& ops) {
  ops.define({
      .name = "ROIPooling",
      .aliases = {"_npx_roi_pooling"},
      .doc = "Max pooling of regions into a fixed number of bins (Girshick 2015). Empty bins, and "
             "regions of an image that is not there, give 0.",
      .dtypes = Dtypes::kFloating,
      .params = schema<RoiPoolingParam>(),
      .inputs = {{"data", "(n, c, h, w)"},
                 {"rois", "(regions, 5): image, x1, y1, x2, y2, ends included"}},
      .outputs = {{}, {"maxidx", true}},
      .infer = infer,
      .infer_dtype = infer_dtype,
      .cpu = forward,
      .backward = {.reads = {dy(), x(1), y(1)}, .run = backward},
  });
  ops.scratch("ROIPooling", unwanted);
  ops.scratch("_backward_ROIPooling", vision::planes_scratch);
}

}  // namespace heddle::ops::roi_pooling
