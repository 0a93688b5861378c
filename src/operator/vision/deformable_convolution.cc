// DeformableConvolution and ModulatedDeformableConvolution: filters whose taps move with the data.
#include <array>
#include <vector>

#include "operator/linalg.h"
#include "operator/scratch_needs.h"
#include "operator/vision/vision.h"

namespace heddle::ops::deformable_convolution {

using vision::Corners;
using vision::Wide;

enum class ImageLayout { kNcw, kNchw, kNcdhw };

struct DeformableParam {
  Shape kernel, stride = Shape::unknown(0), dilate = stride, pad = stride;
  int64_t num_filter = 0, num_group = 1, num_deformable_group = 1;
  uint64_t workspace = 1024;
  bool no_bias = false;
  std::optional<ImageLayout> layout;
  uint32_t im2col_step = 64;
  void fields(auto&& f) {
    fields(f, [] {});
  }
  void fields(auto&& f, auto&& before_layout) {  // programs give parameters by position too
    f("kernel", kernel, "(height, width) of the filters.").required();
    f("stride", stride, "Step of the filters; 1 by default.");
    f("dilate", dilate, "Distance of their taps; 1 by default.");
    f("pad", pad, "Cells of zero on each side; 0 by default.");
    f("num_filter", num_filter, "Channels of the output.").required().at_least(1);
    f("num_group", num_group, "Groups of channels that filters see.").at_least(1);
    f("num_deformable_group", num_deformable_group, "Groups of channels that move together.")
        .at_least(1);
    f("workspace", workspace, "Megabytes that a GPU might use; ignored.").ignored();
    f("no_bias", no_bias, "There is no bias.");
    before_layout();
    f("layout", layout, "Order of the axes; NCHW in any case.")
        .names({"NCW", "NCHW", "NCDHW"})
        .ignored();
  }
};
struct ModulatedParam : DeformableParam {
  void fields(auto&& f) {
    DeformableParam::fields(f, [&] {
      f("im2col_step", im2col_step, "Images that a GPU does at once; ignored.").ignored();
    });
  }
};

// Inputs: data, offset, then (modulated) mask, then weight and bias.
template <bool kModulated>
constexpr int kWeight = kModulated ? 3 : 2;
template <bool kModulated>
constexpr const char* kName =
    kModulated ? "ModulatedDeformableConvolution" : "DeformableConvolution";

struct Geometry {
  int64_t n, channels, height, width, rows, columns, filters, groups, movers;
  int64_t kernel[2], stride[2], dilate[2], pad[2];
  Geometry(const DeformableParam& p, const Shape& x) {
    n = x[0], channels = x[1], height = x[2], width = x[3];
    filters = p.num_filter, groups = p.num_group, movers = p.num_deformable_group;
    int64_t size[2];
    for (int i = 0; i < 2; ++i) {
      const auto of = [&](const Shape& s, int64_t none) { return s.rank() < 1 ? none : s[i]; };
      kernel[i] = p.kernel[i], stride[i] = of(p.stride, 1);
      dilate[i] = of(p.dilate, 1), pad[i] = of(p.pad, 0);
      const int64_t room = x[2 + i] + 2 * pad[i] - dilate[i] * (kernel[i] - 1) - 1;
      size[i] = room < 0 ? 0 : room / stride[i] + 1;
    }
    rows = size[0], columns = size[1];
  }
  int64_t taps() const { return kernel[0] * kernel[1]; }
  int64_t places() const { return rows * columns; }
  int64_t cells() const { return height * width; }
  int64_t per_group() const { return channels / groups * taps(); }  // rows of a group's matrix
};

template <bool kModulated>
void infer(const DeformableParam& p, InferContext& c) {
  const char* who = kName<kModulated>;
  check(p.kernel.rank() == 2 && p.kernel.size() > 0,
        "[_contrib_{}] kernel is {}, expected (height, width)", who, p.kernel);
  for (const Shape* s : {&p.stride, &p.dilate, &p.pad})
    check(s->rank() < 1 || (s->rank() == 2 && (s == &p.pad || ((*s)[0] > 0 && (*s)[1] > 0))),
          "[_contrib_{}] found {} for stride, dilate or pad, expected two numbers", who, *s);
  const Shape& x = c.in(0);
  if (!x.known()) return;
  check(x.rank() == 4 && x[1] % p.num_group == 0 && x[1] % p.num_deformable_group == 0 &&
            p.num_filter % p.num_group == 0,
        "[_contrib_{}] data has shape {}, expected (n, c, h, w) with channels that divide into {} "
        "and {} "
        "groups, as {} filters do into the first",
        who, x, p.num_group, p.num_deformable_group, p.num_filter);
  const Geometry g(p, x);
  check(g.places() > 0, "[_contrib_{}] data has shape {}, which is smaller than the kernel {}", who,
        x, p.kernel);
  c.set_in(1, {g.n, 2 * g.movers * g.taps(), g.rows, g.columns});
  if (kModulated) c.set_in(2, {g.n, g.movers * g.taps(), g.rows, g.columns});
  c.set_in(kWeight<kModulated>, {g.filters, g.channels / g.groups, g.kernel[0], g.kernel[1]});
  if (!p.no_bias) c.set_in(kWeight<kModulated> + 1, {g.filters});
  c.set_out(0, {g.n, g.filters, g.rows, g.columns});
}

// Tensors in the type that sums are made in: halves are copied.
template <class T>
Wide<T>* widened(OpContext& ctx, const Blob& b) {
  if constexpr (std::is_same_v<T, Wide<T>>) return b.as<T>();
  else {
    Wide<T>* to = ctx.scratch_of<Wide<T>>(b.size());
    for (int64_t i = 0; i < b.size(); ++i) to[i] = Wide<T>(b.as<T>()[i]);
    return to;
  }
}
// Where to write an output in that type, and what brings it back.
template <class T>
Wide<T>* wide_output(OpContext& ctx, const Blob& b) {
  if constexpr (std::is_same_v<T, Wide<T>>) return b.as<T>();
  else return ctx.scratch_of<Wide<T>>(b.size());
}
template <class T>
void narrow(const Wide<T>* from, const Blob& b) {
  if constexpr (!std::is_same_v<T, Wide<T>>)
    for (int64_t i = 0; i < b.size(); ++i) b.as<T>()[i] = T(from[i]);
}

// Where the taps of an image lie. Plain ones are not there outside [0, extent), and keep the
// border's value past the last cell; modulated ones fade to zero within a cell.
template <class A, bool kModulated>
struct Taps {
  const Geometry& g;
  const A* offset;  // of the image
  const A* mask;

  Corners<A> operator()(int64_t mover, int64_t tap, int64_t place) const {
    const A* o = offset + (mover * g.taps() + tap) * 2 * g.places() + place;
    const int64_t i = place / g.columns, j = place % g.columns;
    const int64_t ky = tap / g.kernel[1], kx = tap % g.kernel[1];
    A y = A(i * g.stride[0] - g.pad[0] + ky * g.dilate[0]) + o[0];
    A x = A(j * g.stride[1] - g.pad[1] + kx * g.dilate[1]) + o[g.places()];
    const A low = kModulated ? A(-1) : A(0);
    const bool there = kModulated ? y > low && x > low : y >= low && x >= low;
    if (!there || !(y < A(g.height) && x < A(g.width)))
      return vision::corners<A>(-2, -2, g.height, g.width);
    if constexpr (kModulated) return vision::corners(y, x, g.height, g.width);
    const A cy = std::min(y, A(g.height - 1)), cx = std::min(x, A(g.width - 1));
    Corners<A> c = vision::corners(cy, cx, g.height, g.width);
    if (cy < y || y == A(g.height - 1)) std::fill_n(c.by_y, 4, A(0));
    if (cx < x || x == A(g.width - 1)) std::fill_n(c.by_x, 4, A(0));
    return c;
  }
  A weight(int64_t mover, int64_t tap, int64_t place) const {
    return kModulated ? mask[(mover * g.taps() + tap) * g.places() + place] : A(1);
  }
  // Row (channel, tap) of the matrix: what each place sees there.
  void gather(const OpContext& ctx, const A* image, A* matrix) const {
    const int64_t own = g.channels / g.movers, places = g.places();
    ctx.parallel_for(
        g.movers * g.taps() * places, vision::grain_of(8 * own), [&](int64_t from, int64_t end) {
          for (int64_t k = from; k < end; ++k) {
            const int64_t m = k / (g.taps() * places), tap = k / places % g.taps();
            const int64_t place = k % places;
            const Corners<A> at = (*this)(m, tap, place);
            const A by = weight(m, tap, place);
            for (int64_t c = m * own; c < (m + 1) * own; ++c)
              matrix[(c * g.taps() + tap) * places + place] = by * at.value(image + c * g.cells());
          }
        });
  }
};

template <bool kModulated>
void forward(const DeformableParam& p, OpContext& ctx, Inputs in, Outputs out) {
  const Geometry g(p, in[0].shape);
  constexpr int kW = kWeight<kModulated>;
  with_float(in[0].dtype, kName<kModulated>, [&](auto type) {
    using T = decltype(type);
    using A = Wide<T>;
    const A *x = widened<T>(ctx, in[0]), *offset = widened<T>(ctx, in[1]);
    const A* mask = kModulated ? widened<T>(ctx, in[2]) : nullptr;
    A* weight = widened<T>(ctx, in[kW]);
    const A* bias = p.no_bias ? nullptr : widened<T>(ctx, in[kW + 1]);
    A *y = wide_output<T>(ctx, out[0]),
      *matrix = ctx.scratch_of<A>(g.channels * g.taps() * g.places());
    const int64_t moved = g.movers * g.taps() * g.places(), own = g.filters / g.groups;
    for (int64_t n = 0; n < g.n; ++n) {
      Taps<A, kModulated>{g, offset + 2 * n * moved, kModulated ? mask + n * moved : nullptr}
          .gather(ctx, x + n * g.channels * g.cells(), matrix);
      A* image = y + n * g.filters * g.places();
      for (int64_t k = 0; k < g.groups; ++k)
        linalg::gemm(
            ctx, linalg::mat(weight + k * own * g.per_group(), own, g.per_group()),
            linalg::mat(matrix + k * g.per_group() * g.places(), g.per_group(), g.places()),
            linalg::mat(image + k * own * g.places(), own, g.places()));
      for (int64_t f = 0; bias && f < g.filters; ++f)
        for (int64_t i = 0; i < g.places(); ++i) image[f * g.places() + i] += bias[f];
    }
    narrow<T>(y, out[0]);
  });
}

// Gradients of one image by offset and mask: sums over the channels that move together.
template <class A, bool kModulated>
void move_gradients(const OpContext& ctx, const Taps<A, kModulated>& taps, const A* image,
                    const A* dmatrix, A* doffset, A* dmask) {
  const Geometry& g = taps.g;
  const int64_t own = g.channels / g.movers, places = g.places();
  ctx.parallel_for(g.movers * g.taps() * places, vision::grain_of(24 * own),
                   [&](int64_t from, int64_t end) {
                     for (int64_t k = from; k < end; ++k) {
                       const int64_t m = k / (g.taps() * places), tap = k / places % g.taps();
                       const int64_t place = k % places;
                       const Corners<A> at = taps(m, tap, place);
                       const A by = taps.weight(m, tap, place);
                       A by_y = 0, by_x = 0, value = 0;
                       for (int64_t c = m * own; c < (m + 1) * own; ++c) {
                         const A* plane = image + c * g.cells();
                         const A head = dmatrix[(c * g.taps() + tap) * places + place];
                         by_y += head * at.slope_y(plane), by_x += head * at.slope_x(plane);
                         value += head * at.value(plane);
                       }
                       if (doffset) {
                         A* to = doffset + (m * g.taps() + tap) * 2 * places + place;
                         to[0] = by * by_y, to[places] = by * by_x;
                       }
                       if (dmask) dmask[k] = value;
                     }
                   });
}

// Gradient of one image by data.
template <class A, bool kModulated>
void data_gradient(const OpContext& ctx, const Taps<A, kModulated>& taps, const A* dmatrix, A* dx) {
  const Geometry& g = taps.g;
  const int64_t own = g.channels / g.movers, places = g.places();
  ctx.parallel_for(g.channels, 1, [&](int64_t from, int64_t end) {
    for (int64_t c = from; c < end; ++c) {
      A* plane = dx + c * g.cells();
      std::fill_n(plane, g.cells(), A(0));
      for (int64_t tap = 0; tap < g.taps(); ++tap)
        for (int64_t i = 0; i < places; ++i)
          taps(c / own, tap, i)
              .add(plane,
                   taps.weight(c / own, tap, i) * dmatrix[(c * g.taps() + tap) * places + i]);
    }
  });
}

// in: dy, data, offset, mask, weight. out: gradients of the inputs.
template <bool kModulated>
void backward(const DeformableParam& p, OpContext& ctx, Inputs in, Outputs out) {
  const Geometry g(p, in[1].shape);
  constexpr int kW = kWeight<kModulated>;
  with_float(in[0].dtype, kName<kModulated>, [&](auto type) {
    using T = decltype(type);
    using A = Wide<T>;
    A *dy = widened<T>(ctx, in[0]), *weight = widened<T>(ctx, in[1 + kW]);
    const A *x = widened<T>(ctx, in[1]), *offset = widened<T>(ctx, in[2]);
    const A* mask = kModulated ? widened<T>(ctx, in[3]) : nullptr;
    std::vector<A*> to(out.size(), nullptr);
    for (size_t i = 0; i < out.size(); ++i)
      if (ctx.wants(int(i))) to[i] = wide_output<T>(ctx, out[i]);
    const int64_t rows = g.channels * g.taps(), moved = g.movers * g.taps() * g.places();
    const int64_t own = g.filters / g.groups;
    A *matrix = ctx.scratch_of<A>(rows * g.places()),
      *dmatrix = ctx.scratch_of<A>(rows * g.places());
    if (to[kW]) std::fill_n(to[kW], out[kW].size(), A(0));
    if (!p.no_bias && to[kW + 1]) std::fill_n(to[kW + 1], g.filters, A(0));
    for (int64_t n = 0; n < g.n; ++n) {
      const Taps<A, kModulated> taps{g, offset + 2 * n * moved,
                                     kModulated ? mask + n * moved : nullptr};
      const A* image = x + n * g.channels * g.cells();
      A* heads = dy + n * g.filters * g.places();
      if (to[kW]) taps.gather(ctx, image, matrix);
      for (int64_t k = 0; k < g.groups; ++k) {
        const auto head = linalg::mat(heads + k * own * g.places(), own, g.places());
        const int64_t at = k * g.per_group() * g.places(), w = k * own * g.per_group();
        if (to[kW])
          linalg::gemm(ctx, head, linalg::mat(matrix + at, g.per_group(), g.places()).t(),
                       linalg::mat(to[kW] + w, own, g.per_group()), true);
        linalg::gemm(ctx, linalg::mat(weight + w, own, g.per_group()).t(), head,
                     linalg::mat(dmatrix + at, g.per_group(), g.places()));
      }
      for (int64_t f = 0; !p.no_bias && to[kW + 1] && f < g.filters; ++f)
        for (int64_t i = 0; i < g.places(); ++i) to[kW + 1][f] += heads[f * g.places() + i];
      A* doffset = to[1] ? to[1] + 2 * n * moved : nullptr;
      A* dmask = kModulated && to[2] ? to[2] + n * moved : nullptr;
      if (doffset || dmask) move_gradients(ctx, taps, image, dmatrix, doffset, dmask);
      if (to[0]) data_gradient(ctx, taps, dmatrix, to[0] + n * g.channels * g.cells());
    }
    for (size_t i = 0; i < out.size(); ++i)
      if (to[i]) narrow<T>(to[i], out[i]);
  });
}

// Copies of halves, and the taps of an image as a matrix: once, or for its gradient too.
ScratchNeed scratch_of(const DeformableParam& p, const Situation& s, const Blob& x,
                       int64_t matrices) {
  const Geometry g(p, x.shape);
  ScratchNeed need;
  const int64_t size = std::max<int64_t>(4, dtype_size(x.dtype));
  for (int64_t i = 0; i < matrices; ++i) need.take(g.channels * g.taps() * g.places() * size);
  const Dtype wide = size == 4 ? Dtype::kFloat32 : Dtype::kFloat64;
  const int64_t own = g.filters / g.groups;
  for (const auto& [m, n, k] :
       {std::array{own, g.places(), g.per_group()}, std::array{own, g.per_group(), g.places()},
        std::array{g.per_group(), g.places(), own}})
    need = both(need, linalg::scratch(m, n, k, wide));
  return dtype_size(x.dtype) < 4 ? both(need, copies_scratch<4>(s)) : need;
}
template <class P>
ScratchNeed scratch(const P& p, const Situation& s) {
  return scratch_of(p, s, s.in[0], 1);
}
template <class P>
ScratchNeed scratch_backward(const P& p, const Situation& s) {
  return scratch_of(p, s, s.in[1], 2);
}

void define(OpTable& ops) {
  const Input bias{.name = "bias", .doc = "(num_filter)", .when = when("no_bias", false)};
  const Input data{"data", "(n, c, h, w)"};
  const Input offset{"offset", "(n, 2 * groups * taps, height, width): y, x of each tap, in cells"};
  const Input weight{"weight", "(num_filter, c / num_group, height, width)"};
  ops.define({
      .name = "_contrib_DeformableConvolution",
      .doc =
          "Convolution whose taps are moved by offsets, with bilinear samples (Dai et al. 2017).",
      .dtypes = Dtypes::kFloating,
      .precision = Precision::kFull,
      .params = schema<DeformableParam>(),
      .inputs = {data, offset, weight, bias},
      .infer = infer<false>,
      .cpu = forward<false>,
      .scratch = scratch<DeformableParam>,
      .backward = {.reads = {dy(), x(0), x(1), x(2)},
                   .run = backward<false>,
                   .scratch = scratch_backward<DeformableParam>},
  });
  ops.define({
      .name = "_contrib_ModulatedDeformableConvolution",
      .doc = "DeformableConvolution whose taps are weighted by a mask (Zhu et al. 2019).",
      .dtypes = Dtypes::kFloating,
      .params = schema<ModulatedParam>(),
      .inputs = {data, offset, {"mask", "(n, groups * taps, height, width)"}, weight, bias},
      .infer = infer<true>,
      .cpu = forward<true>,
      .scratch = scratch<ModulatedParam>,
      .backward = {.reads = {dy(), x(0), x(1), x(2), x(3)},
                   .run = backward<true>,
                   .scratch = scratch_backward<ModulatedParam>},
  });
}

}  // namespace heddle::ops::deformable_convolution
