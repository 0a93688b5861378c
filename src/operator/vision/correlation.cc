// Correlation: how patches of one image resemble those around the same place in another.
#include "operator/scratch_needs.h"
#include "operator/vision/vision.h"

namespace heddle::ops::correlation {

using vision::Wide;

struct CorrelationParam {
  uint32_t kernel_size = 1, max_displacement = 1, stride1 = 1, stride2 = 1, pad_size = 0;
  bool is_multiply = true;
  void fields(auto&& f) {
    f("kernel_size", kernel_size, "Extent of a patch; odd.");
    f("max_displacement", max_displacement, "How far patches of data2 are from those of data1.");
    f("stride1", stride1, "Step between patches of data1.").at_least(1);
    f("stride2", stride2, "Step between displacements.").at_least(1);
    f("pad_size", pad_size, "Cells of zero added on each side.");
    f("is_multiply", is_multiply, "Sums products; otherwise absolute differences.");
  }
};

// Patches as they lie in both images.
struct Patches {
  int64_t n, channels, height, width, rows, columns, reach, displacements;
  const CorrelationParam& p;

  Patches(const CorrelationParam& p, const Shape& x) : p(p) {
    n = x[0], channels = x[1], height = x[2], width = x[3];
    const int64_t border = int64_t(p.max_displacement) + (p.kernel_size - 1) / 2;
    const auto steps = [&](int64_t extent) {
      const int64_t room = extent + 2 * int64_t(p.pad_size) - 2 * border;
      return room > 0 ? (room + p.stride1 - 1) / p.stride1 : 0;
    };
    rows = steps(height), columns = steps(width);
    reach = p.max_displacement / p.stride2;
    displacements = (2 * reach + 1) * (2 * reach + 1);
  }
  Shape shape() const { return {n, displacements, rows, columns}; }
  int64_t per_image() const { return displacements * rows * columns; }
  int64_t work() const { return channels * p.kernel_size * p.kernel_size; }
};

void infer(const CorrelationParam& p, InferContext& c) {
  check(p.kernel_size % 2 == 1, "[Correlation] kernel_size is {}, expected an odd number",
        p.kernel_size);
  c.set_in(0, c.in(1)), c.set_in(1, c.in(0));
  const Shape& x = c.in(0);
  if (!x.known()) return;
  check(x.rank() == 4, "[Correlation] data1 has shape {}, expected (n, c, h, w)", x);
  const Patches patches(p, x);
  check(patches.rows > 0 && patches.columns > 0,
        "[Correlation] data1 has shape {}, expected more than twice max_displacement + kernel_size "
        "/ 2 of padded height and width",
        x);
  c.set_out(0, patches.shape());
}

// x with its padding, in the type of sums.
template <class T>
const Wide<T>* padded(OpContext& ctx, const Patches& s, const Blob& x) {
  using A = Wide<T>;
  const int64_t pad = s.p.pad_size, height = s.height + 2 * pad, width = s.width + 2 * pad;
  const int64_t planes = s.n * s.channels;
  A* to = ctx.scratch_of<A>(planes * height * width);
  ctx.parallel_for(planes, vision::grain_of(height * width), [&](int64_t from, int64_t end) {
    std::fill_n(to + from * height * width, (end - from) * height * width, A(0));
    for (int64_t row = from * s.height; row < end * s.height; ++row) {
      const T* line = x.as<T>() + row * s.width;
      A* out = to + (row / s.height * height + row % s.height + pad) * width + pad;
      for (int64_t j = 0; j < s.width; ++j) out[j] = A(line[j]);
    }
  });
  return to;
}

// sum[j] += what a and b have in common at j * step.
template <class A>
void add_line(const A* a, const A* b, int64_t n, int64_t step, bool multiply, A* sum) {
  if (multiply && step == 1)
    for (int64_t j = 0; j < n; ++j) sum[j] += a[j] * b[j];
  else if (multiply)
    for (int64_t j = 0; j < n; ++j) sum[j] += a[j * step] * b[j * step];
  else
    for (int64_t j = 0; j < n; ++j) sum[j] += std::abs(a[j * step] - b[j * step]);
}

void forward(const CorrelationParam& p, OpContext& ctx, Inputs in, Outputs out) {
  const Patches s(p, in[0].shape);
  const int64_t height = s.height + 2 * int64_t(p.pad_size), side = 2 * s.reach + 1;
  const int64_t width = s.width + 2 * int64_t(p.pad_size), plane = height * width;
  with_float(in[0].dtype, "Correlation", [&](auto type) {
    using T = decltype(type);
    using A = Wide<T>;
    const A *a = padded<T>(ctx, s, in[0]), *b = padded<T>(ctx, s, in[1]);
    const int64_t lines = s.n * s.displacements * s.rows;
    ctx.parallel_for(lines, vision::grain_of(s.columns * s.work()), [&](int64_t from, int64_t end) {
      ScratchScope scope;
      A* sum = static_cast<A*>(thread_scratch(size_t(s.columns) * sizeof(A)));
      for (int64_t k = from; k < end; ++k) {
        const int64_t shift = k / s.rows % s.displacements;
        const int64_t down = (shift / side - s.reach) * p.stride2;
        const int64_t right = (shift % side - s.reach) * p.stride2;
        const int64_t at = (k % s.rows * p.stride1 + p.max_displacement) * width +
                           p.max_displacement + k / (s.rows * s.displacements) * s.channels * plane;
        std::fill_n(sum, s.columns, A(0));
        for (int64_t c = 0; c < s.channels; ++c)
          for (int64_t i = 0; i < int64_t(p.kernel_size) * p.kernel_size; ++i) {
            const int64_t own = at + c * plane + i / p.kernel_size * width + i % p.kernel_size;
            add_line(a + own, b + own + down * width + right, s.columns, p.stride1, p.is_multiply,
                     sum);
          }
        for (int64_t j = 0; j < s.columns; ++j)
          out[0].as<T>()[k * s.columns + j] = T(sum[j] / A(s.work()));
      }
    });
  });
}

// sum[j] += the gradient of add_line by one side, `own`, for heads dy[j] * by.
template <class A, class T>
void add_gradient(const T* dy, A by, const A* own, const A* other, int64_t n, int64_t step,
                  bool multiply, bool first, A* sum) {
  if (multiply && step == 1)
    for (int64_t j = 0; j < n; ++j) sum[j] += by * A(dy[j]) * other[j];
  else
    for (int64_t j = 0; j < n; ++j) {
      const A head = by * A(dy[j]), u = own[j * step], v = other[j * step];
      const bool up = first ? u >= v : v < u;
      sum[j * step] += multiply ? head * v : up ? head : -head;
    }
}

// in: dy, data1, data2. out: gradients of both.
void backward(const CorrelationParam& p, OpContext& ctx, Inputs in, Outputs out) {
  const Patches s(p, in[1].shape);
  const int64_t pad = p.pad_size, height = s.height + 2 * pad, width = s.width + 2 * pad;
  const int64_t side = 2 * s.reach + 1, taps = int64_t(p.kernel_size) * p.kernel_size;
  with_float(in[0].dtype, "Correlation", [&](auto type) {
    using T = decltype(type);
    using A = Wide<T>;
    const A *a = padded<T>(ctx, s, in[1]), *b = padded<T>(ctx, s, in[2]);
    for (int which = 0; which < 2; ++which) {
      if (!ctx.wants(which)) continue;
      const A *own = which ? b : a, *other = which ? a : b;
      ctx.parallel_for(s.n * s.channels, 1, [&](int64_t from, int64_t end) {
        ScratchScope scope;
        A* sum = static_cast<A*>(thread_scratch(size_t(height * width) * sizeof(A)));
        for (int64_t k = from; k < end; ++k) {
          std::fill_n(sum, height * width, A(0));
          const T* dy = in[0].as<T>() + k / s.channels * s.per_image();
          for (int64_t line = 0; line < s.displacements * s.rows; ++line) {
            const int64_t shift = line / s.rows;
            const int64_t there =
                (shift / side - s.reach) * p.stride2 * width + (shift % side - s.reach) * p.stride2;
            for (int64_t i = 0; i < taps; ++i) {
              const int64_t at =
                  (line % s.rows * p.stride1 + p.max_displacement + i / p.kernel_size) * width +
                  p.max_displacement + i % p.kernel_size;
              const int64_t mine = which ? at + there : at, theirs = which ? at : at + there;
              add_gradient(dy + line * s.columns, 1 / A(s.work()), own + k * height * width + mine,
                           other + k * height * width + theirs, s.columns, p.stride1, p.is_multiply,
                           which == 0, sum + mine);
            }
          }
          for (int64_t i = 0; i < s.height; ++i)
            for (int64_t j = 0; j < s.width; ++j)
              out[size_t(which)].as<T>()[(k * s.height + i) * s.width + j] =
                  T(sum[(i + pad) * width + j + pad]);
        }
      });
    }
  });
}

// Both tensors with their padding, and in a piece a plane.
ScratchNeed scratch_of(const CorrelationParam& p, const Blob& x) {
  const int64_t size = std::max<int64_t>(4, dtype_size(x.dtype)), pad = 2 * int64_t(p.pad_size);
  const int64_t plane = (x.shape[2] + pad) * (x.shape[3] + pad) * size;
  ScratchNeed need{.piece = plane};
  need.take(x.shape[0] * x.shape[1] * plane), need.take(x.shape[0] * x.shape[1] * plane);
  return need;
}
ScratchNeed scratch(const CorrelationParam& p, const Situation& s) {
  return scratch_of(p, s.in[0]);
}
ScratchNeed scratch_backward(const CorrelationParam& p, const Situation& s) {
  return scratch_of(p, s.in[1]);
}

void define(OpTable& ops) {
  ops.define({
      .name = "Correlation",
      .doc = "Compares patches of data1 with those of data2 at all displacements (Dosovitskiy et "
             "al. 2015, FlowNet): one channel each, the mean of products or of absolute "
             "differences.",
      .dtypes = Dtypes::kFloating,
      .precision = Precision::kWidest,
      .params = schema<CorrelationParam>(),
      .inputs = {{"data1", "(n, c, h, w)"}, {"data2", "(n, c, h, w)"}},
      .infer = infer,
      .cpu = forward,
      .backward = {.reads = {dy(), x(0), x(1)}, .run = backward},
  });
  ops.scratch("Correlation", scratch);
  ops.scratch("_backward_Correlation", scratch_backward);
}

}  // namespace heddle::ops::correlation
