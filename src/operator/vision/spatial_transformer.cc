// Sampling an image at the points of a grid: BilinearSampler, GridGenerator, SpatialTransformer.
#include <algorithm>
#include <cmath>

#include "operator/scratch_needs.h"
#include "operator/vision/vision.h"

namespace heddle::ops::spatial_transformer {

constexpr int32_t kTile = 256;  // samples that are looked at together

struct Extent {
  int32_t height, width;
};

// The weight of what lies outside: its sign tells it from a weight that is zero.
template <class A>
constexpr A kOutside = A(-0.0);

// Where a tile of samples lies in a plane, for all channels. The cells around a sample are two
// pairs of neighbours: planes of one column have a second one.
template <class A>
struct Points {
  int32_t above[kTile], below[kTile];            // the first cell of each pair
  A y0[kTile], y1[kTile], x0[kTile], x1[kTile];  // weights of the rows and of the columns
  A slope0[kTile], slope1[kTile];                // of x0 and x1, along x
};

}  // namespace heddle::ops::spatial_transformer

#define HEDDLE_LOOPS "operator/vision/spatial_transformer.inl.h"
#include "operator/simd/each_target.h"

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
  check(x[2] > 0 && x[3] > 0 && x[2] * std::max<int64_t>(2, x[3]) < int64_t(1) << 31,
        "[BilinearSampler] data has shape {}, expected planes with cells, fewer than 2^31", x);
  c.set_out(0, {x[0], x[1], grid[2], grid[3]});
}

// The points of a tile of image n of a grid, whose numbers go from -1 (first cell) to 1 (last).
template <class A, class T>
void find(const T* grid, const Shape& x, int64_t samples, int64_t n, int64_t first, Points<A>* to) {
  A place_y[kTile] = {}, place_x[kTile] = {};
  const int64_t count = std::min<int64_t>(kTile, samples - first);
  const T *by_x = grid + 2 * n * samples + first, *by_y = by_x + samples;
  for (int64_t i = 0; i < count; ++i) {
    place_y[i] = (A(by_y[i]) + 1) * A(x[2] - 1) / 2;
    place_x[i] = (A(by_x[i]) + 1) * A(x[3] - 1) / 2;
  }
  HEDDLE_PICK(sampler::find<A>)(place_y, place_x, count, {int32_t(x[2]), int32_t(x[3])}, to);
}

// Planes as the loops want them: wide numbers, at least two columns.
template <class T>
class Planes {
 public:
  using A = Wide<T>;
  explicit Planes(const Shape& x)
      : height_(x[2]), width_(x[3]), held_(std::max<int64_t>(2, width_)) {}
  int64_t bytes() const { return height_ * held_ * int64_t(sizeof(A)); }
  bool as_they_are() const { return std::is_same_v<A, T> && width_ == held_; }

  // A plane of x, or `room` after it is copied there.
  const A* read(const T* x, A* room) const {
    if constexpr (std::is_same_v<A, T>)
      if (width_ == held_) return x;
    for (int64_t r = 0; r < height_; ++r)
      for (int64_t c = 0; c < held_; ++c)
        room[r * held_ + c] = c < width_ ? A(x[r * width_ + c]) : A(0);
    return room;
  }
  void write(const A* sum, T* dx) const {
    for (int64_t r = 0; r < height_; ++r)
      for (int64_t c = 0; c < width_; ++c) dx[r * width_ + c] = T(sum[r * held_ + c]);
  }

 private:
  int64_t height_, width_, held_;
};

// A tile of channels' numbers in A: `from` itself, or `room` with zeros at the end.
template <class T, class A>
const A* widened(const T* from, int64_t count, A* room) {
  if constexpr (std::is_same_v<A, T>)
    if (count == kTile) return from;
  for (int64_t i = 0; i < kTile; ++i) room[i] = i < count ? A(from[i]) : A(0);
  return room;
}

// Images and the tiles of their samples.
struct Tiles {
  int64_t samples, of_image = (samples + kTile - 1) / kTile;
  int64_t image(int64_t tile) const { return tile / of_image; }
  int64_t first(int64_t tile) const { return tile % of_image * kTile; }
};

// A copy of all planes in wide numbers with two columns or more, or the planes themselves.
template <class T>
const Wide<T>* all_planes(OpContext& ctx, const T* data, const Shape& x) {
  using A = Wide<T>;
  const Planes<T> planes(x);
  if constexpr (std::is_same_v<A, T>)
    if (planes.as_they_are()) return data;
  const int64_t cells = x[2] * x[3], held = planes.bytes() / int64_t(sizeof(A)), all = x[0] * x[1];
  A* to = ctx.scratch_of<A>(all * held);
  ctx.parallel_for(all, vision::grain_of(cells), [&](int64_t from, int64_t end) {
    for (int64_t k = from; k < end; ++k) planes.read(data + k * cells, to + k * held);
  });
  return to;
}

void sample(OpContext& ctx, Inputs in, Outputs out) {
  const Shape &x = in[0].shape, &y = out[0].shape;
  if (out[0].size() == 0) return;
  with_float(in[0].dtype, "BilinearSampler", [&](auto type) {
    using T = decltype(type);
    using A = Wide<T>;
    const Tiles tiles{y[2] * y[3]};
    const int64_t channels = x[1], held = Planes<T>(x).bytes() / int64_t(sizeof(A));
    const A* data = all_planes(ctx, in[0].as<T>(), x);
    T* to = out[0].as<T>();
    const auto values = HEDDLE_PICK(sampler::values<A>);
    ctx.parallel_for(x[0] * tiles.of_image, vision::grain_of(kTile * (channels + 4)),
                     [&](int64_t from, int64_t end) {
                       Points<A> points;
                       A room[kTile];
                       for (int64_t tile = from; tile < end; ++tile) {
                         const int64_t n = tiles.image(tile), first = tiles.first(tile);
                         const int64_t count = std::min<int64_t>(kTile, tiles.samples - first);
                         find(in[1].as<T>(), x, tiles.samples, n, first, &points);
                         for (int64_t k = n * channels; k < (n + 1) * channels; ++k) {
                           T* here = to + k * tiles.samples + first;
                           if constexpr (std::is_same_v<A, T>)
                             if (count == kTile) {
                               values(data + k * held, points, here);
                               continue;
                             }
                           values(data + k * held, points, room);
                           for (int64_t i = 0; i < count; ++i) here[i] = T(room[i]);
                         }
                       }
                     });
  });
}

// The gradient of data: the planes of an image are one thread's, so the order of a sum is fixed.
template <class T>
void add_samples(OpContext& ctx, const T* dy, const T* grid, const Shape& x, int64_t samples,
                 T* dx) {
  using A = Wide<T>;
  const Planes<T> planes(x);
  const int64_t channels = x[1], cells = x[2] * x[3], held = planes.bytes() / int64_t(sizeof(A));
  const auto add = HEDDLE_PICK(sampler::add<A>);
  ctx.parallel_for(
      x[0] * channels, vision::grain_of(cells + 4 * samples), [&](int64_t from, int64_t end) {
        Points<A> points;
        A room[kTile];
        while (from < end) {  // the channels of an image that are ours
          const int64_t n = from / channels, last = std::min(end, (n + 1) * channels);
          ScratchScope scope;
          A* sum = nullptr;
          if constexpr (std::is_same_v<A, T>) sum = dx + from * cells;
          if (!planes.as_they_are())
            sum = static_cast<A*>(thread_scratch(size_t((last - from) * planes.bytes())));
          std::fill_n(sum, (last - from) * held, A(0));
          for (int64_t first = 0; first < samples; first += kTile) {
            const int64_t count = std::min<int64_t>(kTile, samples - first);
            find(grid, x, samples, n, first, &points);
            for (int64_t k = from; k < last; ++k)
              add(points, widened(dy + k * samples + first, count, room), sum + (k - from) * held);
          }
          if (!planes.as_they_are())
            for (int64_t k = from; k < last; ++k)
              planes.write(sum + (k - from) * held, dx + k * cells);
          from = last;
        }
      });
}

template <class T>
void add_slopes(OpContext& ctx, const T* dy, const T* data, const T* grid, const Shape& x,
                int64_t samples, T* dgrid) {
  using A = Wide<T>;
  const Tiles tiles{samples};
  const int64_t channels = x[1], held = Planes<T>(x).bytes() / int64_t(sizeof(A));
  const A* planes = all_planes(ctx, data, x);
  const auto slopes = HEDDLE_PICK(sampler::slopes<A>);
  ctx.parallel_for(x[0] * tiles.of_image, vision::grain_of(kTile * (2 * channels + 4)),
                   [&](int64_t from, int64_t end) {
                     Points<A> points;
                     A room[kTile];
                     for (int64_t tile = from; tile < end; ++tile) {
                       const int64_t n = tiles.image(tile), first = tiles.first(tile);
                       const int64_t count = std::min<int64_t>(kTile, samples - first);
                       find(grid, x, samples, n, first, &points);
                       A by_y[kTile] = {}, by_x[kTile] = {};
                       for (int64_t k = n * channels; k < (n + 1) * channels; ++k)
                         slopes(planes + k * held, points,
                                widened(dy + k * samples + first, count, room), by_y, by_x);
                       for (int64_t i = 0; i < count; ++i) {
                         dgrid[2 * n * samples + first + i] = T(by_x[i] * A(x[3] - 1) / 2);
                         dgrid[(2 * n + 1) * samples + first + i] = T(by_y[i] * A(x[2] - 1) / 2);
                       }
                     }
                   });
}

// in: dy, data, grid. out: gradients of data and grid.
void sample_backward(OpContext& ctx, Inputs in, Outputs out) {
  const Shape &x = in[1].shape, &y = in[0].shape;
  const int64_t samples = y[2] * y[3];
  with_float(in[0].dtype, "BilinearSampler", [&](auto type) {
    using T = decltype(type);
    const T *dy = in[0].as<T>(), *data = in[1].as<T>(), *grid = in[2].as<T>();
    if (ctx.wants(0)) add_samples(ctx, dy, grid, x, samples, out[0].as<T>());
    if (ctx.wants(1)) add_slopes(ctx, dy, data, grid, x, samples, out[1].as<T>());
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

// The planes in wide numbers, two columns at least: of all images, and of one in a piece.
ScratchNeed sampling_scratch(const Situation& s) {
  const Blob& x = s.in[s.in.size() > 2 ? 1 : 0];
  const int64_t plane = x.shape[2] * (x.shape[3] + 2) * std::max<int64_t>(4, dtype_size(x.dtype));
  ScratchNeed need{.piece = x.shape[1] * plane};
  need.take(x.shape[0] * x.shape[1] * plane);
  return need;
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
  ops.scratch("BilinearSampler", sampling_scratch);
  ops.scratch("_backward_BilinearSampler", sampling_scratch);
}

}  // namespace heddle::ops::spatial_transformer
