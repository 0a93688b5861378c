// im2col: the patches under a sliding window as columns; col2im adds them back together.
#include <algorithm>
#include <array>

#include "heddle/op.h"

namespace heddle::ops::im2col {

using Axes = std::array<int64_t, 3>;

struct WindowParam {
  Shape kernel, stride = Shape::unknown(0), dilate = stride, pad = stride;
  void fields(auto&& f) {
    f("kernel", kernel, "Extent of the window: (w), (h, w) or (d, h, w).").required();
    f("stride", stride, "Step of the window; 1 by default.");
    f("dilate", dilate, "Distance between the taps of the window; 1 by default.");
    f("pad", pad, "Zeros on both sides; 0 by default.");
  }
};
struct ImageParam : WindowParam {
  Shape output_size;
  void fields(auto&& f) {
    f("output_size", output_size, "Extents of the image.").required();
    WindowParam::fields(f);
  }
};

// A window over an image (batch, channels, spatial...), with three spatial axes: leading ones that
// are missing have extent 1.
struct Window {
  Axes kernel{1, 1, 1}, stride{1, 1, 1}, dilate{1, 1, 1}, pad{0, 0, 0}, image{1, 1, 1},
      out{1, 1, 1};
  Window(std::string_view op, const WindowParam& p, const Shape& spatial) {
    const int rank = p.kernel.rank();
    check(rank >= 1 && rank <= 3 && spatial.rank() == rank,
          "[{}] kernel is {} for an image with axes {}, expected as many, 1 to 3", op, p.kernel,
          spatial);
    for (const Shape* s : {&p.stride, &p.dilate, &p.pad})
      check(s->rank() <= 0 || s->rank() == rank,
            "[{}] stride, dilate or pad is {}, expected an extent for each axis of kernel {}", op,
            *s, p.kernel);
    for (int d = 0; d < rank; ++d) {
      const size_t to = size_t(3 - rank + d);
      kernel[to] = p.kernel[d], image[to] = spatial[d];
      if (p.stride.rank() > 0) stride[to] = p.stride[d];
      if (p.dilate.rank() > 0) dilate[to] = p.dilate[d];
      if (p.pad.rank() > 0) pad[to] = p.pad[d];
      check(kernel[to] > 0 && stride[to] > 0 && dilate[to] > 0 && pad[to] >= 0,
            "[{}] kernel, stride and dilate must be positive, pad must not be negative", op);
      const int64_t room = image[to] + 2 * pad[to] - dilate[to] * (kernel[to] - 1) - 1;
      check(room >= 0, "[{}] the window of {} does not fit into the padded image {}", op, p.kernel,
            spatial);
      out[to] = room / stride[to] + 1;
    }
  }
  static int64_t volume(const Axes& a) { return a[0] * a[1] * a[2]; }
  // Calls at(place in the image or -1, place among the columns) for one channel.
  template <class At>
  void each(At&& at) const {
    int64_t column = 0;
    for (int64_t a = 0; a < kernel[0]; ++a)
      for (int64_t b = 0; b < kernel[1]; ++b)
        for (int64_t c = 0; c < kernel[2]; ++c)
          for (int64_t i = 0; i < out[0]; ++i)
            for (int64_t j = 0; j < out[1]; ++j)
              for (int64_t k = 0; k < out[2]; ++k, ++column) {
                const int64_t z = i * stride[0] - pad[0] + a * dilate[0],
                              y = j * stride[1] - pad[1] + b * dilate[1],
                              x = k * stride[2] - pad[2] + c * dilate[2];
                const bool inside =
                    z >= 0 && z < image[0] && y >= 0 && y < image[1] && x >= 0 && x < image[2];
                at(inside ? (z * image[1] + y) * image[2] + x : -1, column);
              }
  }
};

Shape spatial_of(const Shape& x) { return Shape::of(x.begin() + 2, x.end()); }

void infer_im2col(const WindowParam& p, InferContext& c) {
  const Shape& x = c.in(0);
  if (!x.known()) return;
  check(x.rank() >= 3, "[im2col] data has shape {}, expected (batch, channels, spatial axes)", x);
  const Window w("im2col", p, spatial_of(x));
  c.set_out(0, {x[0], x[1] * Window::volume(w.kernel), Window::volume(w.out)});
}
void infer_col2im(const ImageParam& p, InferContext& c) {
  const Shape& x = c.in(0);
  if (!x.known()) return;
  const Window w("col2im", p, p.output_size);
  const int64_t taps = Window::volume(w.kernel);
  check(x.rank() == 3 && x[1] % taps == 0 && x[2] == Window::volume(w.out),
        "[col2im] data has shape {}, expected (batch, a multiple of {}, {})", x, taps,
        Window::volume(w.out));
  Shape y{x[0], x[1] / taps};
  for (int64_t d : p.output_size) y.append(d);
  c.set_out(0, y);
}

// A channel at a time; `image` and `columns` lie in C order.
void gather(OpContext& ctx, const Window& w, const Blob& image, const Blob& columns) {
  const int64_t from = Window::volume(w.image),
                to = Window::volume(w.kernel) * Window::volume(w.out);
  with_float(image.dtype, "im2col", [&](auto type) {
    using T = decltype(type);
    ctx.parallel_for(image.shape[0] * image.shape[1],
                     std::max<int64_t>(1, 16384 / std::max<int64_t>(1, to)),
                     [&](int64_t b, int64_t e) {
                       for (int64_t c = b; c < e; ++c) {
                         const T* x = image.as<T>() + c * from;
                         T* y = columns.as<T>() + c * to;
                         w.each([&](int64_t i, int64_t j) { y[j] = i < 0 ? T(0) : x[i]; });
                       }
                     });
  });
}
void add_up(OpContext& ctx, const Window& w, const Blob& columns, const Blob& image) {
  const int64_t to = Window::volume(w.image),
                from = Window::volume(w.kernel) * Window::volume(w.out);
  with_float(image.dtype, "col2im", [&](auto type) {
    using T = decltype(type);
    using Sum = std::conditional_t<(sizeof(T) < 4), float, T>;
    ctx.parallel_for(image.shape[0] * image.shape[1],
                     std::max<int64_t>(1, 16384 / std::max<int64_t>(1, from)),
                     [&](int64_t b, int64_t e) {
                       ScratchScope scope;
                       Sum* sum = static_cast<Sum*>(thread_scratch(size_t(to + 1) * sizeof(Sum)));
                       for (int64_t c = b; c < e; ++c) {
                         const T* x = columns.as<T>() + c * from;
                         std::fill_n(sum, to, Sum(0));
                         w.each([&](int64_t i, int64_t j) {
                           if (i >= 0) sum[i] += Sum(x[j]);
                         });
                         for (int64_t i = 0; i < to; ++i) image.as<T>()[c * to + i] = T(sum[i]);
                       }
                     });
  });
}

void im2col(const WindowParam& p, OpContext& ctx, Inputs in, Outputs out) {
  gather(ctx, Window("im2col", p, spatial_of(in[0].shape)), in[0], out[0]);
}
void im2col_backward(const WindowParam& p, OpContext& ctx, Inputs in, Outputs out) {
  add_up(ctx, Window("im2col", p, spatial_of(out[0].shape)), in[0], out[0]);
}
void col2im(const ImageParam& p, OpContext& ctx, Inputs in, Outputs out) {
  add_up(ctx, Window("col2im", p, p.output_size), in[0], out[0]);
}
void col2im_backward(const ImageParam& p, OpContext& ctx, Inputs in, Outputs out) {
  gather(ctx, Window("col2im", p, p.output_size), in[0], out[0]);
}

// An image's plane, in the type of sums.
int64_t plane_bytes(const Blob& image) {
  return (image.shape.size(2) + 1) * std::max<int64_t>(4, dtype_size(image.dtype));
}
ScratchNeed col2im_scratch(const ImageParam&, const Situation& s) {
  return {.piece = plane_bytes(s.out[0])};
}
ScratchNeed im2col_scratch_backward(const WindowParam&, const Situation& s) {
  return {.piece = plane_bytes(s.out[0])};
}

void define(OpTable& ops) {
  ops.define(
      {.name = "im2col",
       .doc = "The patches under a sliding window, as columns: (batch, channels * taps, places).",
       .dtypes = Dtypes::kFloating,
       .params = schema<WindowParam>(),
       .infer = infer_im2col,
       .cpu = im2col,
       .backward = {.reads = {dy()},
                    .run = im2col_backward,
                    .scratch = im2col_scratch_backward,
                    .linear = Linear::kYes}});
  ops.define({.name = "col2im",
              .doc = "Adds the columns of im2col into images of output_size, where they came from.",
              .dtypes = Dtypes::kFloating,
              .params = schema<ImageParam>(),
              .infer = infer_col2im,
              .cpu = col2im,
              .scratch = col2im_scratch,
              .backward = {.reads = {dy()}, .run = col2im_backward, .linear = Linear::kYes}});
}

}  // namespace heddle::ops::im2col
