// Correlation: how patches of one image resemble those around the same place in another.
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

  // Calls cell(a, b) for the cells of one channel that output `at` of an image pairs, a of data1
  // and b of data2; -1 where one lies in the padding.
  template <class Cell>
  void each_pair(int64_t at, Cell&& cell) const {
    const int64_t shift = at / (rows * columns), i = at / columns % rows, j = at % columns;
    const int64_t side = 2 * reach + 1, pad = p.pad_size;
    const int64_t y = i * p.stride1 + p.max_displacement - pad;
    const int64_t x = j * p.stride1 + p.max_displacement - pad;
    const int64_t down = (shift / side - reach) * p.stride2;
    const int64_t right = (shift % side - reach) * p.stride2;
    const auto inside = [&](int64_t r, int64_t c) {
      return r >= 0 && c >= 0 && r < height && c < width ? r * width + c : -1;
    };
    for (int64_t h = 0; h < p.kernel_size; ++h)
      for (int64_t w = 0; w < p.kernel_size; ++w)
        cell(inside(y + h, x + w), inside(y + down + h, x + right + w));
  }
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

void forward(const CorrelationParam& p, OpContext& ctx, Inputs in, Outputs out) {
  const Patches s(p, in[0].shape);
  const int64_t plane = s.height * s.width;
  with_float(in[0].dtype, "Correlation", [&](auto type) {
    using T = decltype(type);
    using A = Wide<T>;
    T* y = out[0].as<T>();
    ctx.parallel_for(out[0].size(), vision::grain_of(s.work()), [&](int64_t from, int64_t end) {
      for (int64_t o = from; o < end; ++o) {
        const int64_t image = o / s.per_image() * s.channels * plane;
        const T *a = in[0].as<T>() + image, *b = in[1].as<T>() + image;
        A sum = 0;
        s.each_pair(o % s.per_image(), [&](int64_t i, int64_t j) {
          if (p.is_multiply ? i < 0 || j < 0 : i < 0 && j < 0) return;
          for (int64_t c = 0; c < s.channels * plane; c += plane) {
            const A u = i < 0 ? A(0) : A(a[c + i]), v = j < 0 ? A(0) : A(b[c + j]);
            sum += p.is_multiply ? u * v : std::abs(u - v);
          }
        });
        y[o] = T(sum / A(s.work()));
      }
    });
  });
}

// in: dy, data1, data2. out: gradients of both.
void backward(const CorrelationParam& p, OpContext& ctx, Inputs in, Outputs out) {
  const Patches s(p, in[1].shape);
  const int64_t plane = s.height * s.width;
  with_float(in[0].dtype, "Correlation", [&](auto type) {
    using T = decltype(type);
    using A = Wide<T>;
    for (int side = 0; side < 2; ++side) {
      if (!ctx.wants(side)) continue;
      const int64_t work = s.per_image() * p.kernel_size * p.kernel_size;
      vision::sum_planes<T>(ctx, out[size_t(side)], work, [&](int64_t at, A* sum) {
        const T *a = in[1].as<T>() + at * plane, *b = in[2].as<T>() + at * plane;
        const T* dy = in[0].as<T>() + at / s.channels * s.per_image();
        for (int64_t o = 0; o < s.per_image(); ++o) {
          const A head = A(dy[o]) / A(s.work());
          s.each_pair(o, [&](int64_t i, int64_t j) {
            const int64_t to = side ? j : i;
            if (to < 0) return;
            const A u = i < 0 ? A(0) : A(a[i]), v = j < 0 ? A(0) : A(b[j]);
            if (p.is_multiply) sum[to] += head * (side ? u : v);
            else sum[to] += (u >= v) == (side == 0) ? head : -head;
          });
        }
      });
    }
  });
}

void define(OpTable& ops) {
  ops.define({
      .name = "Correlation",
      .doc = "Compares patches of data1 with those of data2 at all displacements (Dosovitskiy et "
             "al. 2015, FlowNet): one channel each, the mean of products or of absolute "
             "differences.",
      .dtypes = Dtypes::kFloating,
      .params = schema<CorrelationParam>(),
      .inputs = {{"data1", "(n, c, h, w)"}, {"data2", "(n, c, h, w)"}},
      .infer = infer,
      .cpu = forward,
      .backward = {.reads = {dy(), x(0), x(1)}, .run = backward},
  });
}

}  // namespace heddle::ops::correlation
