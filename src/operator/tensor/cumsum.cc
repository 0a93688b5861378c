// Running sums along an axis.
#include <algorithm>
#include <optional>

#include "heddle/op.h"
#include "operator/elemwise/convert.h"

namespace heddle::ops::cumsum {

struct CumsumParam {
  std::optional<int> axis;
  std::optional<Dtype> dtype;
  void fields(auto&& f) {
    f("axis", axis, "Along which axis; None sums over all elements in order, into a vector.");
    f("dtype", dtype, "The dtype of the result; None keeps that of the data.");
  }
};

void infer(const CumsumParam& p, InferContext& c) {
  const Shape& x = c.in(0);
  if (p.axis && x.has_rank()) normalize_axis("cumsum", *p.axis, x.rank());
  if (p.axis) return infer_same(c);
  if (x.known()) c.set_out(0, {x.size()});
}
void infer_dtype(const CumsumParam& p, InferContext& c) {
  const Dtype wanted = p.dtype.value_or(Dtype::kUnknown);
  c.set_out_dtype(0, wanted == Dtype::kUnknown ? c.in_dtype(0) : wanted);
}

// A tensor as lines along one axis; without an axis, one line of everything.
struct Lines {
  int64_t before = 1, length = 1, after = 1;
  Lines(const std::optional<int>& axis, const Shape& x) {
    if (!axis) {
      length = x.size();
      return;
    }
    const int a = normalize_axis("cumsum", *axis, x.rank());
    before = x.size(0, a), length = x[a], after = x.size(a + 1);
  }
};

// Sums of C along each line, forwards or backwards. A piece is a run of neighbouring lines, so that
// memory is read in order.
template <class C>
void run_as(const OpContext& ctx, const Lines& l, const Blob& x, const Blob& y, bool backwards) {
  const auto load = ew::load_of<C>(x.dtype);
  const auto store = ew::store_of<C>(y.dtype);
  const int64_t from_size = dtype_size(x.dtype), to_size = dtype_size(y.dtype);
  const auto* from = static_cast<const char*>(x.data);
  auto* to = static_cast<char*>(y.data);
  if (l.after == 1) {  // a line lies together: it is taken tile by tile
    return ctx.parallel_for(l.before, 1, [&](int64_t begin, int64_t end) {
      C tile[ew::kTile];
      for (int64_t i = begin; i < end; ++i) {
        C sum = 0;
        for (int64_t done = 0; done < l.length; done += ew::kTile) {
          const int64_t n = std::min<int64_t>(ew::kTile, l.length - done);
          const int64_t at = i * l.length + (backwards ? l.length - done - n : done);
          load(from + at * from_size, tile, n);
          if (backwards)
            for (int64_t k = n - 1; k >= 0; --k) tile[k] = sum += tile[k];
          else
            for (int64_t k = 0; k < n; ++k) tile[k] = sum += tile[k];
          store(tile, to + at * to_size, n);
        }
      }
    });
  }
  const int64_t width = l.after < ew::kTile ? l.after : ew::kTile;
  const int64_t runs = (l.after + width - 1) / width;
  ctx.parallel_for(l.before * runs, 1, [&](int64_t begin, int64_t end) {
    C sum[ew::kTile], step[ew::kTile];
    for (int64_t i = begin; i < end; ++i) {
      const int64_t first = i % runs * width, n = std::min(width, l.after - first);
      for (int64_t k = 0; k < n; ++k) sum[k] = 0;
      for (int64_t j = 0; j < l.length; ++j) {
        const int64_t row = backwards ? l.length - 1 - j : j;
        const int64_t at = (i / runs * l.length + row) * l.after + first;
        load(from + at * from_size, step, n);
        for (int64_t k = 0; k < n; ++k) sum[k] += step[k];
        store(sum, to + at * to_size, n);
      }
    }
  });
}

// Floating sums are carried in double: a running sum in float32 drifts. Toward whole numbers the
// elements are converted, not the sums, as in NumPy.
void run(const OpContext& ctx, const Lines& l, const Blob& x, const Blob& y, bool backwards) {
  if (x.size() == 0) return;
  if (is_float(y.dtype)) run_as<double>(ctx, l, x, y, backwards);
  else run_as<int64_t>(ctx, l, x, y, backwards);
}

void forward(const CumsumParam& p, OpContext& ctx, Inputs in, Outputs out) {
  run(ctx, Lines(p.axis, in[0].shape), in[0], out[0], false);
}
void backward(const CumsumParam& p, OpContext& ctx, Inputs in, Outputs out) {
  run(ctx, Lines(p.axis, out[0].shape), in[0], out[0], true);
}

void define(OpTable& ops) {
  ops.define({.name = "_np_cumsum",
              .aliases = {"cumsum"},
              .doc = "Running sums along an axis: y[i] = x[0] + ... + x[i].",
              .params = schema<CumsumParam>(),
              .inputs = {{"a"}},
              .infer = infer,
              .infer_dtype = infer_dtype,
              .cpu = forward,
              .backward = {.reads = {dy()}, .run = backward, .linear = Linear::kYes}});
}

}  // namespace heddle::ops::cumsum
