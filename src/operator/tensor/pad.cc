// Padding a tensor at its borders.
#include <algorithm>

#include "heddle/function_ref.h"
#include "operator/extent.h"
#include "operator/tensor/view.h"

namespace heddle::ops::pad {

using view::View;

enum class Mode { kConstant, kEdge, kReflect };
struct PadParam {
  Mode mode = Mode::kConstant;
  std::vector<int64_t> pad_width;
  double constant_value = 0;
  void fields(auto&& f) {
    f("mode", mode, "What stands in the border.").names({"constant", "edge", "reflect"}).required();
    f("pad_width", pad_width, "Per axis, how much to add before and after.").required();
    f("constant_value", constant_value, "In the border, in mode constant.");
  }
  int64_t before(int axis) const { return pad_width[size_t(2 * axis)]; }
  int64_t after(int axis) const { return pad_width[size_t(2 * axis) + 1]; }
};

void infer(const PadParam& p, InferContext& c) {
  const Shape& x = c.in(0);
  if (!x.known()) return;
  check(int(p.pad_width.size()) == 2 * x.rank(), "[Pad] pad_width has {} numbers, expected {}",
        p.pad_width.size(), 2 * x.rank());
  Shape y = x;
  for (int d = 0; d < x.rank(); ++d) {
    const int64_t widest = std::max(p.before(d), p.after(d));
    check(std::min(p.before(d), p.after(d)) >= 0, "[Pad] pad_width has a negative number");
    check(p.mode != Mode::kReflect || widest < std::max<int64_t>(x[d], 1),
          "[Pad] axis {} of extent {} cannot be reflected over {}", d, x[d], widest);
    check(p.mode != Mode::kEdge || x[d] > 0 || widest == 0, "[Pad] axis {} is empty, has no edge",
          d);
    y[d] = plus(y[d], plus(p.before(d), p.after(d)));
  }
  c.set_out(0, y);
}

// Borders are filled axis by axis, from the last to the first: a band of one axis is a copy of
// layers that are complete already along the axes behind it.
struct Band {
  int axis;
  int64_t at, from;  // layer `at` of the padded tensor repeats layer `from`
};
// Calls each(band) in the order in which they are filled, or in the opposite one.
void each_band(const PadParam& p, const Shape& y, bool backwards, FunctionRef<void(Band)> each) {
  for (int n = 0; n < y.rank(); ++n) {
    const int d = backwards ? n : y.rank() - 1 - n;
    const int64_t first = p.before(d), last = y[d] - p.after(d) - 1, bands = first + p.after(d);
    const bool reflect = p.mode == Mode::kReflect;
    for (int64_t k = 0; k < bands; ++k) {
      const int64_t at = backwards ? bands - 1 - k : k;
      if (const int64_t i = at + 1; i <= first) each({d, first - i, reflect ? first + i : first});
      else each({d, last + i - first, reflect ? last - (i - first) : last});
    }
  }
}
// The elements of layer `at` of axis `axis`: axes before it without their borders, those behind it
// with them.
View layer(const PadParam& p, const Shape& y, int axis, int64_t at) {
  View v(y);
  for (int d = 0; d < axis; ++d) v.slice(d, p.before(d), y[d] - p.before(d) - p.after(d));
  return v.slice(axis, at, 1);
}
View inside(const PadParam& p, const Shape& y) {
  View v(y);
  for (int d = 0; d < y.rank(); ++d) v.slice(d, p.before(d), y[d] - p.before(d) - p.after(d));
  return v;
}

// Of a row of y, counted over all axes but the last: the row of x that it holds, or -1.
int64_t row_inside(const PadParam& p, const Shape& x, const Shape& y, int64_t row) {
  int64_t source = 0, step = 1;
  for (int d = y.rank() - 2; d >= 0; --d) {
    const int64_t i = row % y[d] - p.before(d);
    row /= y[d];
    if (i < 0 || i >= x[d]) return -1;
    source += i * step, step *= x[d];
  }
  return source;
}

// Writes each row of y once: a constant, or a row of x between constants.
template <class T>
void frame(const PadParam& p, const OpContext& ctx, const Blob& x, const Blob& y, T value) {
  const Shape &s = x.shape, &t = y.shape;
  const int last = t.rank() - 1;
  const int64_t before = p.before(last), inner = s[last], after = p.after(last), width = t[last];
  // Rows that follow each other in x do so in y, up to the end of an axis.
  const int64_t period = last > 0 ? t[last - 1] : 1, most = last > 0 ? s[last - 1] : 1;
  const int64_t skipped = last > 0 ? p.before(last - 1) : 0;
  const T* from = static_cast<const T*>(x.data);
  T* to = static_cast<T*>(y.data);
  const int64_t grain = std::max<int64_t>(1, 32768 / std::max<int64_t>(1, width));
  ctx.parallel_for(t.size(0, last), grain, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end;) {
      const int64_t source = row_inside(p, s, t, row);
      T* line = to + row * width;
      if (source < 0) {
        std::fill_n(line, width, value);
        ++row;
        continue;
      }
      const int64_t rows = std::min(end - row, most + skipped - row % period);
      for (int64_t r = 0; r < rows; ++r, line += width) {
        for (int64_t i = 0; i < before; ++i) line[i] = value;
        std::copy_n(from + (source + r) * inner, inner, line + before);
        for (int64_t i = 0; i < after; ++i) line[before + inner + i] = value;
      }
      row += rows;
    }
  });
}

void forward(const PadParam& p, OpContext& ctx, Inputs in, Outputs out) {
  const Shape& y = out[0].shape;
  if (p.mode == Mode::kConstant && y.rank() > 0) {
    with_dtype(out[0].dtype, "Pad", [&](auto t) {
      frame(p, ctx, in[0], out[0], static_cast<decltype(t)>(p.constant_value));
    });
    return;
  }
  view::copy(ctx, in[0], View(in[0].shape), out[0], inside(p, y));
  each_band(p, y, false, [&](Band b) {
    view::copy(ctx, out[0], layer(p, y, b.axis, b.from), out[0], layer(p, y, b.axis, b.at));
  });
}

// Elements of `from` are added to those of `to`, in the blob's own type: halves round each time.
void add(const OpContext& ctx, const Blob& blob, const View& from, const View& to) {
  with_dtype(blob.dtype, "Pad", [&](auto t) {
    using T = decltype(t);
    T* data = static_cast<T*>(blob.data);
    int64_t rows = 1;
    for (int d = 0; d + 1 < from.rank; ++d) rows *= from.extent[d];
    const int last = from.rank - 1;
    ctx.parallel_for(rows, 256, [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) {
        int64_t a = from.offset, b = to.offset, rest = row;
        for (int d = last - 1; d >= 0; --d) {
          const int64_t i = rest % from.extent[d];
          rest /= from.extent[d];
          a += i * from.stride[d], b += i * to.stride[d];
        }
        for (int64_t i = 0; i < from.extent[last]; ++i) {
          T& sum = data[b + i * to.stride[last]];
          sum = static_cast<T>(sum + data[a + i * from.stride[last]]);
        }
      }
    });
  });
}

// The bands hand their gradients to the layers they repeated, in the opposite order.
void backward(const PadParam& p, OpContext& ctx, Inputs in, Outputs out) {
  const Shape& y = in[0].shape;
  Blob dy = in[0];
  if (p.mode != Mode::kConstant) {
    dy.data = ctx.scratch(size_t(dy.bytes()));
    view::copy_all(ctx, in[0], dy);
    each_band(p, y, true, [&](Band b) {
      add(ctx, dy, layer(p, y, b.axis, b.at), layer(p, y, b.axis, b.from));
    });
  }
  view::copy(ctx, dy, inside(p, y), out[0], View(out[0].shape));
}

// A copy of dy, to which bands are added.
ScratchNeed scratch_backward(const PadParam& p, const Situation& s) {
  ScratchNeed need;
  if (p.mode != Mode::kConstant) need.take(s.in[0].bytes());
  return need;
}

void define(OpTable& ops) {
  ops.define({.name = "Pad",
              .aliases = {"pad"},
              .doc = "Adds a border: a constant, the edge repeated, or the tensor mirrored.",
              .params = schema<PadParam>(),
              .infer = infer,
              .cpu = forward,
              .backward = {.reads = {dy()},
                           .run = backward,
                           .scratch = scratch_backward,
                           .linear = Linear::kYes,
                           .linear_part = {{"constant_value", "0"}}}});
}

}  // namespace heddle::ops::pad
