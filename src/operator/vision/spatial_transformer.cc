// Sampling an image at the points of a grid: BilinearSampler, GridGenerator, SpatialTransformer.
#include <algorithm>
#include <bit>
#include <cmath>

#include "operator/vision/vision.h"

namespace heddle::ops::spatial_transformer {

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
  check(x[2] > 0 && x[3] > 0 && x[2] * x[3] < int64_t(1) << 31,
        "[BilinearSampler] data has shape {}, expected planes with cells, fewer than 2^31", x);
  c.set_out(0, {x[0], x[1], grid[2], grid[3]});
}

// Where the samples of all images lie: the four cells around each and their weights, which channels
// share. Outside the plane everything is zero: there a cell is the complement of some other one,
// which may be read in its place, so that no loop has to branch.
template <class A>
class Points {
 public:
  static constexpr int64_t kTile = 256;

  // grid numbers go from -1 (first cell) to 1 (last).
  template <class T>
  Points(OpContext& ctx, const T* grid, const Shape& x, int64_t samples) : samples_(samples) {
    const int64_t all = x[0] * samples;
    for (int k = 0; k < 4; ++k)
      cell_[k] = ctx.scratch_of<int32_t>(all), weight_[k] = ctx.scratch_of<A>(all);
    part_y_ = ctx.scratch_of<A>(all), part_x_ = ctx.scratch_of<A>(all);
    ctx.parallel_for(all, 4096, [&](int64_t from, int64_t end) {
      for (int64_t i = from; i < end; ++i) {
        const int64_t n = i / samples, at = i % samples;
        const A gx = A(grid[2 * n * samples + at]), gy = A(grid[(2 * n + 1) * samples + at]);
        put(i, (gy + 1) * A(x[2] - 1) / 2, (gx + 1) * A(x[3] - 1) / 2, x);
      }
    });
  }

  // each(image, first, count) for every stretch of samples, on the threads of the process.
  template <class Each>
  void split(const OpContext& ctx, int64_t images, int64_t work_of_one, Each&& each) const {
    const int64_t tiles = (samples_ + kTile - 1) / kTile;
    ctx.parallel_for(images * tiles, vision::grain_of(kTile * work_of_one),
                     [&](int64_t from, int64_t end) {
                       for (int64_t tile = from; tile < end; ++tile) {
                         const int64_t first = tile % tiles * kTile;
                         each(tile / tiles, first, std::min(kTile, samples_ - first));
                       }
                     });
  }

  // to[i] = the plane of image n at sample i.
  template <class T>
  void values(int64_t n, const T* plane, T* to) const {
    const int32_t *c0 = cells(0, n), *c1 = cells(1, n), *c2 = cells(2, n), *c3 = cells(3, n);
    const A *w0 = weights(0, n), *w1 = weights(1, n), *w2 = weights(2, n), *w3 = weights(3, n);
    for (int64_t i = 0; i < samples_; ++i)
      to[i] = T(w0[i] * read(plane, c0[i]) + w1[i] * read(plane, c1[i]) +
                w2[i] * read(plane, c2[i]) + w3[i] * read(plane, c3[i]));
  }

  // sum += what dy of image n's samples hands to the cells of a plane.
  template <class T>
  void add(int64_t n, const T* dy, A* sum) const {
    const int32_t *c0 = cells(0, n), *c1 = cells(1, n), *c2 = cells(2, n), *c3 = cells(3, n);
    const A *w0 = weights(0, n), *w1 = weights(1, n), *w2 = weights(2, n), *w3 = weights(3, n);
    const auto one = [&](int32_t c, A value) { sum[place(c)] += inside(c, value); };
    for (int64_t i = 0; i < samples_; ++i) {
      const A head = A(dy[i]);
      one(c0[i], w0[i] * head), one(c1[i], w1[i] * head);
      one(c2[i], w2[i] * head), one(c3[i], w3[i] * head);
    }
  }

  // Adds dy times the slopes of the plane, along y and x, at samples first + i.
  template <class T>
  void slopes(int64_t n, int64_t first, int64_t count, const T* plane, const T* dy, A* by_y,
              A* by_x) const {
    const int64_t at = n * samples_ + first;
    for (int64_t i = 0; i < count; ++i) {
      A v[4];
      for (int k = 0; k < 4; ++k) v[k] = read(plane, cell_[k][at + i]);
      const A y = part_y_[at + i], x = part_x_[at + i], head = A(dy[i]);
      by_y[i] += head * ((v[2] - v[0]) * (1 - x) + (v[3] - v[1]) * x);
      by_x[i] += head * ((v[1] - v[0]) * (1 - y) + (v[3] - v[2]) * y);
    }
  }

 private:
  const int32_t* cells(int k, int64_t n) const { return cell_[k] + n * samples_; }
  const A* weights(int k, int64_t n) const { return weight_[k] + n * samples_; }
  static int32_t place(int32_t c) { return c ^ (c >> 31); }
  // v, or zero where c is outside: without a branch, which nobody could foretell.
  static A inside(int32_t c, A v) {
    using Bits = std::conditional_t<sizeof(A) == 4, uint32_t, uint64_t>;
    return std::bit_cast<A>(Bits(std::bit_cast<Bits>(v) & Bits(~int64_t(c >> 31))));
  }
  template <class T>
  static A read(const T* plane, int32_t c) {
    return inside(c, A(plane[place(c)]));
  }
  void put(int64_t i, A y, A x, const Shape& s) {
    const int64_t height = s[2], width = s[3];
    const bool near = y >= -1 && x >= -1 && y < A(height) && x < A(width);  // not for NaN
    const A low_y = std::floor(near ? y : A(0)), low_x = std::floor(near ? x : A(0));
    part_y_[i] = near ? y - low_y : A(0), part_x_[i] = near ? x - low_x : A(0);
    // What is far from the plane has cells of its own, so that sums do not wait for each other.
    const int64_t row = near ? int64_t(low_y) : i & 31,
                  column = near ? int64_t(low_x) : i >> 5 & 31;
    for (int k = 0; k < 4; ++k) {
      const int64_t r = row + k / 2, c = column + k % 2;
      const int64_t held_r = std::clamp<int64_t>(r, 0, height - 1);
      const int64_t held_c = std::clamp<int64_t>(c, 0, width - 1);
      const bool held = near && held_r == r && held_c == c;
      const auto at = int32_t(held_r * width + held_c);
      const A wy = k / 2 ? part_y_[i] : 1 - part_y_[i], wx = k % 2 ? part_x_[i] : 1 - part_x_[i];
      cell_[k][i] = held ? at : ~at, weight_[k][i] = held ? wy * wx : A(0);
    }
  }

  int64_t samples_;
  int32_t* cell_[4];
  A *weight_[4], *part_y_, *part_x_;
};

void sample(OpContext& ctx, Inputs in, Outputs out) {
  const Shape &x = in[0].shape, &y = out[0].shape;
  const int64_t samples = y[2] * y[3], cells = x[2] * x[3], channels = x[1];
  if (out[0].size() == 0) return;
  with_float(in[0].dtype, "BilinearSampler", [&](auto type) {
    using T = decltype(type);
    const T* data = in[0].as<T>();
    T* to = out[0].as<T>();
    const Points<Wide<T>> points(ctx, in[1].as<T>(), x, samples);
    ctx.parallel_for(x[0] * channels, vision::grain_of(4 * samples),
                     [&](int64_t from, int64_t end) {
                       for (int64_t k = from; k < end; ++k)
                         points.values(k / channels, data + k * cells, to + k * samples);
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
    const T *dy = in[0].as<T>(), *data = in[1].as<T>();
    const Points<A> points(ctx, in[2].as<T>(), x, samples);
    if (ctx.wants(0))
      vision::sum_planes<T>(ctx, out[0], 4 * samples, [&](int64_t k, A* sum) {
        points.add(k / channels, dy + k * samples, sum);
      });
    if (!ctx.wants(1)) return;
    T* dgrid = out[1].as<T>();
    points.split(ctx, x[0], 8 * channels, [&](int64_t n, int64_t first, int64_t count) {
      A by_y[Points<A>::kTile] = {}, by_x[Points<A>::kTile] = {};
      for (int64_t k = n * channels; k < (n + 1) * channels; ++k)
        points.slopes(n, first, count, data + k * cells, dy + k * samples + first, by_y, by_x);
      for (int64_t i = 0; i < count; ++i) {
        dgrid[2 * n * samples + first + i] = T(by_x[i] * A(x[3] - 1) / 2);
        dgrid[(2 * n + 1) * samples + first + i] = T(by_y[i] * A(x[2] - 1) / 2);
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
