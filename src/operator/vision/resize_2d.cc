// Planes of another size: AdaptiveAvgPooling2D and BilinearResize2D.
#include <vector>

#include "operator/elemwise/reduction.h"
#include "operator/scratch_needs.h"
#include "operator/vision/vision.h"

namespace heddle::ops::resize_2d {

using vision::Wide;

// How one axis of the output is made: output i is the sum over k of weight * input from + k.
template <class A>
struct Axis {
  struct Row {
    int64_t from, count;
    A weight[2];  // of both neighbours; or one that all have, an average's
  };
  std::vector<Row> rows;
};

// y = the two axes applied to each plane of x: rows are blended first, then their cells.
template <class T, class Weight>
void apply(const OpContext& ctx, const Blob& x, const Blob& y, const Axis<Wide<T>>& down,
           const Axis<Wide<T>>& right, Weight&& weight) {
  using A = Wide<T>;
  const int64_t height = y.shape[2], width = y.shape[3], extent = x.shape[3];
  const int64_t rows = y.shape[0] * y.shape[1] * height,
                grain = vision::grain_of(2 * (width + extent));
  ctx.parallel_for(rows, grain, [&](int64_t from, int64_t end) {
    ScratchScope scope;
    A* line = static_cast<A*>(thread_scratch(size_t(extent) * sizeof(A)));
    for (int64_t k = from; k < end; ++k) {
      const auto& v = down.rows[size_t(k % height)];
      const T* first = x.as<T>() + (k / height * x.shape[2] + v.from) * extent;
      std::fill_n(line, extent, A(0));
      for (int64_t a = 0; a < v.count; ++a) {
        const A by = weight(v, a);
        for (int64_t j = 0; j < extent; ++j) line[j] += by * A(first[a * extent + j]);
      }
      for (int64_t j = 0; j < width; ++j) {
        const auto& h = right.rows[size_t(j)];
        A sum = 0;
        for (int64_t b = 0; b < h.count; ++b) sum += weight(h, b) * line[h.from + b];
        y.as<T>()[k * width + j] = T(sum);
      }
    }
  });
}

// The columns of an axis with its neighbours' places and weights side by side. The last columns may
// have no second neighbour.
template <class A>
struct Columns {
  std::vector<int32_t> from;
  std::vector<A> first, second;
  int64_t pairs = 0;
  explicit Columns(const Axis<A>& axis) {
    for (const auto& row : axis.rows) {
      from.push_back(int32_t(row.from));
      first.push_back(row.weight[0]), second.push_back(row.weight[1]);
      pairs += row.count == 2;
    }
  }
};

// apply() for two neighbours an axis.
template <class T>
void blend(const OpContext& ctx, const Blob& x, const Blob& y, const Axis<Wide<T>>& down,
           const Columns<Wide<T>>& right) {
  using A = Wide<T>;
  const int64_t height = y.shape[2], width = y.shape[3], extent = x.shape[3];
  const int64_t rows = y.shape[0] * y.shape[1] * height,
                grain = vision::grain_of(2 * (width + extent));
  ctx.parallel_for(rows, grain, [&](int64_t begin, int64_t end) {
    ScratchScope scope;
    A* line = static_cast<A*>(thread_scratch(size_t(extent) * sizeof(A)));
    const int32_t* from = right.from.data();
    const A *first = right.first.data(), *second = right.second.data();
    for (int64_t k = begin; k < end; ++k) {
      const auto& v = down.rows[size_t(k % height)];
      const T* above = x.as<T>() + (k / height * x.shape[2] + v.from) * extent;
      const T* below = above + (v.count - 1) * extent;
      const A one = v.weight[0], other = v.weight[1];
      if (v.count == 2)
        for (int64_t j = 0; j < extent; ++j) line[j] = one * A(above[j]) + other * A(below[j]);
      else
        for (int64_t j = 0; j < extent; ++j) line[j] = one * A(above[j]);
      T* to = y.as<T>() + k * width;
      for (int64_t j = 0; j < right.pairs; ++j)
        to[j] = T(first[j] * line[from[j]] + second[j] * line[from[j] + 1]);
      for (int64_t j = right.pairs; j < width; ++j) to[j] = T(first[j] * line[from[j]]);
    }
  });
}

// The transpose of apply().
template <class T, class Weight>
void apply_back(const OpContext& ctx, const Blob& dy, const Blob& dx, const Axis<Wide<T>>& down,
                const Axis<Wide<T>>& right, Weight&& weight) {
  using A = Wide<T>;
  const int64_t height = dy.shape[2], width = dy.shape[3], extent = dx.shape[3];
  vision::sum_planes<T>(ctx, dx, 4 * height * width, [&](int64_t plane, A* sum) {
    A* line = static_cast<A*>(thread_scratch(size_t(extent) * sizeof(A)));
    for (int64_t i = 0; i < height; ++i) {
      const T* head = dy.as<T>() + (plane * height + i) * width;
      std::fill_n(line, extent, A(0));
      for (int64_t j = 0; j < width; ++j) {
        const auto& h = right.rows[size_t(j)];
        for (int64_t b = 0; b < h.count; ++b) line[h.from + b] += weight(h, b) * A(head[j]);
      }
      const auto& v = down.rows[size_t(i)];
      for (int64_t a = 0; a < v.count; ++a) {
        A* to = sum + (v.from + a) * extent;
        const A by = weight(v, a);
        for (int64_t j = 0; j < extent; ++j) to[j] += by * line[j];
      }
    }
  });
}

// --- AdaptiveAvgPooling2D -----------------------------------------------------------------------
struct PoolingParam {
  Shape output_size = Shape::unknown(0);
  void fields(auto&& f) {
    f("output_size", output_size, "(height, width), or one number for both; 1 by default.");
  }
};

void infer_pooling(const PoolingParam& p, InferContext& c) {
  const Shape &x = c.in(0), &size = p.output_size;
  check(size.rank() <= 2 && (size.rank() < 1 || size.size() > 0),
        "[_contrib_AdaptiveAvgPooling2D] output_size is {}, expected at most two positive numbers",
        size);
  if (!x.known()) return;
  check(x.rank() == 4 && x[2] > 0 && x[3] > 0,
        "[_contrib_AdaptiveAvgPooling2D] data has shape {}, expected (n, c, h, w) with cells", x);
  const int64_t height = size.rank() < 1 ? 1 : size[0];
  c.set_out(0, {x[0], x[1], height, size.rank() == 2 ? size[1] : height});
}

template <class A>
Axis<A> averages(int64_t in, int64_t out) {
  Axis<A> axis;
  for (int64_t i = 0; i < out; ++i) {
    const int64_t from = i * in / out, end = ((i + 1) * in + out - 1) / out;
    axis.rows.push_back({from, end - from, {1 / A(end - from)}});
  }
  return axis;
}
constexpr auto kEqual = [](const auto& row, int64_t) { return row.weight[0]; };

void pool(OpContext& ctx, Inputs in, Outputs out) {
  if (out[0].shape.size(2) == 1) return ew::mean(ctx, in[0], out[0].shape, out[0]);
  with_float(in[0].dtype, "AdaptiveAvgPooling2D", [&](auto type) {
    using T = decltype(type);
    const Shape &x = in[0].shape, &y = out[0].shape;
    apply<T>(ctx, in[0], out[0], averages<Wide<T>>(x[2], y[2]), averages<Wide<T>>(x[3], y[3]),
             kEqual);
  });
}
void pool_backward(OpContext& ctx, Inputs in, Outputs out) {
  with_float(in[0].dtype, "AdaptiveAvgPooling2D", [&](auto type) {
    using T = decltype(type);
    const Shape &x = out[0].shape, &y = in[0].shape;
    apply_back<T>(ctx, in[0], out[0], averages<Wide<T>>(x[2], y[2]), averages<Wide<T>>(x[3], y[3]),
                  kEqual);
  });
}

// --- BilinearResize2D ---------------------------------------------------------------------------
enum class Mode { kSize, kOddScale, kLike, kToEvenDown, kToEvenUp, kToOddDown, kToOddUp };
struct ResizeParam {
  int64_t height = 1, width = 1;
  std::optional<float> scale_height, scale_width;
  Mode mode = Mode::kSize;
  bool align_corners = true;
  void fields(auto&& f) {
    f("height", height, "Of the output, in mode size without scales.").at_least(1);
    f("width", width, "Of the output, in mode size without scales.").at_least(1);
    f("scale_height", scale_height, "How many times higher; modes size and odd_scale.");
    f("scale_width", scale_width, "How many times wider; modes size and odd_scale.");
    f("mode", mode,
      "size: as the numbers say; odd_scale: scales, odd extents staying odd; like: as a second "
      "input; to_even_down ...: the next extent of that kind, below or above.")
        .names({"size", "odd_scale", "like", "to_even_down", "to_even_up", "to_odd_down",
                "to_odd_up"});
    f("align_corners", align_corners, "Corner cells stay where they are; otherwise corners do.");
  }
};

int64_t extent_of(const ResizeParam& p, int64_t in, int64_t given, std::optional<float> scale) {
  switch (p.mode) {
    case Mode::kOddScale:
      check(scale.has_value(),
            "[_contrib_BilinearResize2D] found one scale, expected two in mode odd_scale");
      return in % 2 == 0 ? int64_t(float(in) * *scale) : int64_t(float(in - 1) * *scale) + 1;
    case Mode::kToEvenDown:
      return in - in % 2;
    case Mode::kToEvenUp:
      return in + in % 2;
    case Mode::kToOddDown:
      return in - (in + 1) % 2;
    case Mode::kToOddUp:
      return in + (in + 1) % 2;
    default:
      return scale ? int64_t(*scale * float(in)) : given;
  }
}

void infer_resize(const ResizeParam& p, InferContext& c) {
  const Shape& x = c.in(0);
  if (!x.known() || (c.inputs() == 2 && !c.in(1).known())) return;
  check(x.rank() == 4 && x[2] > 0 && x[3] > 0,
        "[_contrib_BilinearResize2D] data has shape {}, expected (n, c, h, w) with cells", x);
  int64_t height = 0, width = 0;
  if (c.inputs() == 2) {
    check(c.in(1).rank() == 4,
          "[_contrib_BilinearResize2D] like has shape {}, expected (n, c, h, w)", c.in(1));
    height = c.in(1)[2], width = c.in(1)[3];
  } else {
    height = extent_of(p, x[2], p.height, p.scale_height);
    width = extent_of(p, x[3], p.width, p.scale_width);
  }
  check(height > 0 && width > 0,
        "[_contrib_BilinearResize2D] output has shape ({},{}), expected cells", height, width);
  c.set_out(0, {x[0], x[1], height, width});
}

template <class A>
Axis<A> neighbours(int64_t in, int64_t out, bool align) {
  Axis<A> axis;
  // A single cell lies at the start, as in MXNet.
  const A step = out == 1 ? A(0) : align ? A(in - 1) / A(out - 1) : A(in) / A(out);
  for (int64_t i = 0; i < out; ++i) {
    const A at = align ? step * A(i) : std::max(A(0), step * (A(i) + A(0.5)) - A(0.5));
    const int64_t from = std::min(int64_t(at), in - 1);
    const A second = at - A(from);
    if (from + 1 < in) axis.rows.push_back({from, 2, {1 - second, second}});
    else axis.rows.push_back({from, 1, {1, 0}});
  }
  return axis;
}
constexpr auto kOwn = [](const auto& row, int64_t k) { return row.weight[k]; };

void resize(const ResizeParam& p, OpContext& ctx, Inputs in, Outputs out) {
  with_float(in[0].dtype, "BilinearResize2D", [&](auto type) {
    using T = decltype(type);
    const Shape &x = in[0].shape, &y = out[0].shape;
    blend<T>(ctx, in[0], out[0], neighbours<Wide<T>>(x[2], y[2], p.align_corners),
             Columns(neighbours<Wide<T>>(x[3], y[3], p.align_corners)));
  });
}

// in: dy. out: the gradient of data, and that of like, which is zero.
void resize_backward(const ResizeParam& p, OpContext& ctx, Inputs in, Outputs out) {
  if (out.size() == 2 && ctx.wants(1)) vision::write_zeros(out[1]);
  if (!ctx.wants(0)) return;
  with_float(in[0].dtype, "BilinearResize2D", [&](auto type) {
    using T = decltype(type);
    const Shape &x = out[0].shape, &y = in[0].shape;
    apply_back<T>(ctx, in[0], out[0], neighbours<Wide<T>>(x[2], y[2], p.align_corners),
                  neighbours<Wide<T>>(x[3], y[3], p.align_corners), kOwn);
  });
}

void define(OpTable& ops) {
  ops.define({
      .name = "_contrib_AdaptiveAvgPooling2D",
      .doc = "Averages each plane into output_size bins, which cover it evenly.",
      .dtypes = Dtypes::kFloating,
      .params = schema<PoolingParam>(),
      .inputs = {{"data", "(n, c, h, w)"}},
      .infer = infer_pooling,
      .cpu = pool,
      .backward = {.reads = {dy()}, .run = pool_backward},
  });
  ops.define({
      .name = "_contrib_BilinearResize2D",
      .doc = "Resizes each plane by bilinear interpolation.",
      .dtypes = Dtypes::kFloating,
      .params = schema<ResizeParam>(),
      .inputs = {{"data", "(n, c, h, w)"},
                 {.name = "like",
                  .doc = "(n, c, height, width)",
                  .shape_only = true,
                  .when = when("mode", "like")}},
      .infer = infer_resize,
      .cpu = resize,
      .backward = {.reads = {dy()}, .run = resize_backward},
  });
  ops.scratch("_contrib_AdaptiveAvgPooling2D", vision::planes_scratch);
  ops.scratch("_contrib_BilinearResize2D", vision::planes_scratch);
  ops.scratch("_backward__contrib_AdaptiveAvgPooling2D", vision::planes_scratch);
  ops.scratch("_backward__contrib_BilinearResize2D", vision::planes_scratch);
}

}  // namespace heddle::ops::resize_2d
