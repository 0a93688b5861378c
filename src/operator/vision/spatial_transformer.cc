// Sampling an image at the points of a grid: BilinearSampler, GridGenerator, SpatialTransformer.
#include "operator/vision/vision.h"

namespace heddle::ops::spatial_transformer {

using vision::corners;
using vision::Wide;

// --- BilinearSampler ----------------------------------------------------------------------------
struct SamplerParam {
  std::optional<bool> cudnn_off;
  void fields(auto&& f) { f("cudnn_off", cudnn_off, "Not to use cuDNN; ignored.").ignored(); }
};

void infer_sampler(InferContext& c) {
  const Shape &x = c.in(0), &grid = c.in(1);
  if (!x.known() || !grid.known()) return;
  check(x.rank() == 4, "[BilinearSampler] data has shape {}, expected (n, c, h, w)", x);
  check(grid.rank() == 4 && grid[0] == x[0] && grid[1] == 2,
        "[BilinearSampler] grid has shape {}, expected ({}, 2, h, w)", grid, x[0]);
  check(x[2] > 0 && x[3] > 0, "[BilinearSampler] data has shape {}, expected planes with cells", x);
  c.set_out(0, {x[0], x[1], grid[2], grid[3]});
}

// The corners of sample `at` of image n; grid numbers go from -1 (first cell) to 1 (last).
template <class T>
auto corners_of(const T* grid, int64_t n, int64_t samples, int64_t at, const Shape& x) {
  using A = Wide<T>;
  const A gx = A(grid[2 * n * samples + at]), gy = A(grid[(2 * n + 1) * samples + at]);
  return corners<A>((gy + 1) * A(x[2] - 1) / 2, (gx + 1) * A(x[3] - 1) / 2, x[2], x[3]);
}

void sample(OpContext& ctx, Inputs in, Outputs out) {
  const Shape &x = in[0].shape, &y = out[0].shape;
  const int64_t samples = y[2] * y[3], cells = x[2] * x[3], channels = x[1];
  with_float(in[0].dtype, "BilinearSampler", [&](auto type) {
    using T = decltype(type);
    const T *data = in[0].as<T>(), *grid = in[1].as<T>();
    T* to = out[0].as<T>();
    ctx.parallel_for(x[0] * samples, vision::grain_of(8 * channels),
                     [&](int64_t from, int64_t end) {
                       for (int64_t i = from; i < end; ++i) {
                         const int64_t n = i / samples, at = i % samples;
                         const auto c = corners_of(grid, n, samples, at, x);
                         for (int64_t k = n * channels; k < (n + 1) * channels; ++k)
                           to[k * samples + at] = T(c.value(data + k * cells));
                       }
                     });
  });
}

// in: dy, data, grid. out: gradients of data and grid.
void sample_backward(OpContext& ctx, Inputs in, Outputs out) {
  const Shape &x = in[1].shape, &y = in[0].shape;
  const int64_t samples = y[2] * y[3], cells = x[2] * x[3], channels = x[1];
  with_float(in[0].dtype, "BilinearSampler", [&](auto type) {
    using T = decltype(type);
    using A = Wide<T>;
    const T *dy = in[0].as<T>(), *data = in[1].as<T>(), *grid = in[2].as<T>();
    if (ctx.wants(0))
      vision::sum_planes<T>(ctx, out[0], 8 * samples, [&](int64_t k, A* sum) {
        for (int64_t at = 0; at < samples; ++at)
          corners_of(grid, k / channels, samples, at, x).add(sum, A(dy[k * samples + at]));
      });
    if (!ctx.wants(1)) return;
    T* dgrid = out[1].as<T>();
    ctx.parallel_for(x[0] * samples, vision::grain_of(16 * channels),
                     [&](int64_t from, int64_t end) {
                       for (int64_t i = from; i < end; ++i) {
                         const int64_t n = i / samples, at = i % samples;
                         const auto c = corners_of(grid, n, samples, at, x);
                         A by_y = 0, by_x = 0;
                         for (int64_t k = n * channels; k < (n + 1) * channels; ++k) {
                           const A head = A(dy[k * samples + at]);
                           by_y += head * c.slope_y(data + k * cells),
                               by_x += head * c.slope_x(data + k * cells);
                         }
                         dgrid[2 * n * samples + at] = T(by_x * A(x[3] - 1) / 2);
                         dgrid[(2 * n + 1) * samples + at] = T(by_y * A(x[2] - 1) / 2);
                       }
                     });
  });
}

// --- GridGenerator ------------------------------------------------------------------------------
enum class TransformType { kAffine, kWarp };
struct GridParam {
  TransformType transform_type = TransformType::kAffine;
  Shape target_shape{0, 0};
  void fields(auto&& f) {
    f("transform_type", transform_type,
      "What data holds: affine matrices (n, 6), or a flow (n, 2, h, w) in cells.")
        .names({"affine", "warp"})
        .required();
    f("target_shape", target_shape, "(height, width) of the grid; for affine.");
  }
};

void infer_grid(const GridParam& p, InferContext& c) {
  if (p.transform_type == TransformType::kAffine) {
    const Shape& t = p.target_shape;
    check(t.rank() == 2 && t[0] > 0 && t[1] > 0,
          "[GridGenerator] target_shape is {}, expected two positive numbers", t);
    if (!c.in(0).known()) return;
    const Shape& x = c.in(0);
    check(x.rank() == 2 && x[1] == 6, "[GridGenerator] data has shape {}, expected (n, 6)", x);
    return c.set_out(0, {x[0], 2, t[0], t[1]});
  }
  if (!c.in(0).known()) return;
  const Shape& x = c.in(0);
  check(x.rank() == 4 && x[1] == 2, "[GridGenerator] data has shape {}, expected (n, 2, h, w)", x);
  c.set_out(0, x);
}

// Cell `at` of `extent` in numbers from -1 to 1; a single cell is at -1.
template <class A>
A place(int64_t at, int64_t extent) {
  return extent > 1 ? -1 + A(at) * (A(2) / A(extent - 1)) : A(-1);
}

void generate(const GridParam& p, OpContext& ctx, Inputs in, Outputs out) {
  const Shape& y = out[0].shape;
  const int64_t width = y[3], height = y[2];
  with_float(in[0].dtype, "GridGenerator", [&](auto type) {
    using T = decltype(type);
    using A = Wide<T>;
    const T* x = in[0].as<T>();
    T* to = out[0].as<T>();
    ctx.parallel_for(2 * y[0] * height, vision::grain_of(width), [&](int64_t from, int64_t end) {
      for (int64_t r = from; r < end; ++r) {
        const int64_t image = r / (2 * height), axis = r / height % 2, row = r % height;
        const int64_t extent = axis ? height : width;
        const T* m = x + 6 * image + 3 * axis;
        for (int64_t i = 0; i < width; ++i) {
          const int64_t at = r * width + i;
          if (p.transform_type == TransformType::kAffine)
            to[at] = T(A(m[0]) * place<A>(i, width) + A(m[1]) * place<A>(row, height) + A(m[2]));
          else
            to[at] =
                T((A(x[at]) + A(axis ? row : i)) / (A(std::max<int64_t>(1, extent - 1)) / 2) - 1);
        }
      }
    });
  });
}

// in: dy. out: the gradient of data.
void generate_backward(const GridParam& p, OpContext& ctx, Inputs in, Outputs out) {
  const Shape& y = in[0].shape;
  const int64_t width = y[3], height = y[2], samples = width * height;
  with_float(in[0].dtype, "GridGenerator", [&](auto type) {
    using T = decltype(type);
    using A = Wide<T>;
    const T* dy = in[0].as<T>();
    T* dx = out[0].as<T>();
    ctx.parallel_for(2 * y[0], vision::grain_of(samples), [&](int64_t from, int64_t end) {
      for (int64_t k = from; k < end; ++k) {
        const T* head = dy + k * samples;
        if (p.transform_type == TransformType::kWarp) {
          const int64_t extent = std::max<int64_t>(1, (k % 2 ? height : width) - 1);
          for (int64_t i = 0; i < samples; ++i)
            dx[k * samples + i] = T(A(head[i]) * (A(2) / A(extent)));
          continue;
        }
        A sum[3] = {};
        for (int64_t i = 0; i < samples; ++i) {
          sum[0] += A(head[i]) * place<A>(i % width, width);
          sum[1] += A(head[i]) * place<A>(i / width, height);
          sum[2] += A(head[i]);
        }
        for (int j = 0; j < 3; ++j) dx[3 * k + j] = T(sum[j]);
      }
    });
  });
}

// --- SpatialTransformer -------------------------------------------------------------------------
enum class Affine { kAffine };
enum class Bilinear { kBilinear };
struct TransformerParam {
  Shape target_shape{0, 0};
  Affine transform_type = Affine::kAffine;
  Bilinear sampler_type = Bilinear::kBilinear;
  std::optional<bool> cudnn_off;
  void fields(auto&& f) {
    f("target_shape", target_shape, "(height, width) of the output.");
    f("transform_type", transform_type, "How loc is meant.").names({"affine"}).required();
    f("sampler_type", sampler_type, "How cells in between are found.")
        .names({"bilinear"})
        .required();
    f("cudnn_off", cudnn_off, "Not to use cuDNN; ignored.").ignored();
  }
};

std::vector<Builder::Value> transform(Builder& b) {
  const auto& p = *static_cast<const TransformerParam*>(b.params());
  const auto grid =
      b.call("GridGenerator", {b.x(1)},
             {{"transform_type", "affine"}, {"target_shape", param::print(p.target_shape)}});
  return {b.call("BilinearSampler", {b.x(0), grid})};
}

void define(OpTable& ops) {
  ops.define({
      .name = "BilinearSampler",
      .doc = "Samples data at the points of a grid: (n, 2, h, w) of x and y, from -1 (the first "
             "cell) to 1 (the last). Outside, data is zero.",
      .dtypes = Dtypes::kFloating,
      .params = schema<SamplerParam>(),
      .inputs = {{"data", "(n, c, h, w)"}, {"grid", "(n, 2, height, width)"}},
      .infer = infer_sampler,
      .cpu = sample,
      .backward = {.reads = {dy(), x(0), x(1)}, .run = sample_backward},
  });
  ops.define({
      .name = "GridGenerator",
      .doc = "Makes the grid of BilinearSampler of affine matrices or of a flow.",
      .dtypes = Dtypes::kFloating,
      .params = schema<GridParam>(),
      .inputs = {{"data", "(n, 6), or (n, 2, h, w)"}},
      .infer = infer_grid,
      .cpu = generate,
      .backward = {.reads = {dy()}, .run = generate_backward},
  });
  ops.define({
      .name = "SpatialTransformer",
      .doc = "Samples data at affinely transformed points (Jaderberg et al. 2015): GridGenerator "
             "of loc, then BilinearSampler.",
      .dtypes = Dtypes::kFloating,
      .params = schema<TransformerParam>(),
      .inputs = {{"data", "(n, c, h, w)"}, {"loc", "(n, 6)"}},
      .compose = transform,
  });
}

}  // namespace heddle::ops::spatial_transformer
