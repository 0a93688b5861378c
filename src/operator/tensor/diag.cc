// The diagonal of a matrix, and the matrix of a diagonal.
#include <algorithm>

#include "operator/tensor/view.h"

namespace heddle::ops::diag {

using view::View;

struct DiagParam {
  int64_t k = 0;
  int axis1 = 0, axis2 = 1;
  void fields(auto&& f) {
    f("k", k, "Which diagonal: above the main one when positive.");
    f("axis1", axis1, "The axis of rows.");
    f("axis2", axis2, "The axis of columns.");
  }
};

int64_t length(const DiagParam& p, int64_t rows, int64_t columns) {
  return std::max<int64_t>(
      0, p.k >= 0 ? std::min(rows, columns - p.k) : std::min(rows + p.k, columns));
}
void infer(const DiagParam& p, InferContext& c) {
  const Shape& x = c.in(0);
  if (!x.known()) return;
  check(x.rank() >= 1, "[diag] data has no axes");
  if (x.rank() == 1) {
    const int64_t n = x[0] + std::abs(p.k);
    return c.set_out(0, {n, n});
  }
  const int a = normalize_axis("diag", p.axis1, x.rank()),
            b = normalize_axis("diag", p.axis2, x.rank());
  check(a != b, "[diag] axis1 and axis2 are both {}", a);
  Shape y = Shape::unknown(0);
  for (int d = 0; d < x.rank(); ++d)
    if (d != a && d != b) y.append(x[d]);
  check(-x[a] <= p.k && p.k <= x[b], "[diag] k is {}, expected {} to {} for data of shape {}", p.k,
        -x[a], x[b], x);
  y.append(length(p, x[a], x[b]));
  c.set_out(0, y);
}
// The diagonal of a tensor, behind its other axes.
View diagonal(const DiagParam& p, const Shape& x, int axis1, int axis2) {
  const View all(x);
  View v;
  const int a = normalize_axis("diag", axis1, x.rank()),
            b = normalize_axis("diag", axis2, x.rank());
  for (int d = 0; d < x.rank(); ++d)
    if (d != a && d != b) v.push(all.extent[d], all.stride[d]);
  v.push(length(p, x[a], x[b]), all.stride[a] + all.stride[b]);
  v.offset = p.k >= 0 ? p.k * all.stride[b] : -p.k * all.stride[a];
  return v;
}
void take(const DiagParam& p, OpContext& ctx, const Blob& matrix, const Blob& line, bool of_line) {
  const View d =
      of_line ? diagonal(p, matrix.shape, 0, 1) : diagonal(p, matrix.shape, p.axis1, p.axis2);
  view::copy(ctx, matrix, d, line, View(line.shape));
}
void put(const DiagParam& p, OpContext& ctx, const Blob& line, const Blob& matrix, bool of_line) {
  const View d =
      of_line ? diagonal(p, matrix.shape, 0, 1) : diagonal(p, matrix.shape, p.axis1, p.axis2);
  view::zero(ctx, matrix);
  view::copy(ctx, line, View(line.shape), matrix, d);
}
void forward(const DiagParam& p, OpContext& ctx, Inputs in, Outputs out) {
  if (in[0].shape.rank() == 1) put(p, ctx, in[0], out[0], true);
  else take(p, ctx, in[0], out[0], false);
}
void backward(const DiagParam& p, OpContext& ctx, Inputs in, Outputs out) {
  if (out[0].shape.rank() == 1) take(p, ctx, in[0], out[0], true);
  else put(p, ctx, in[0], out[0], false);
}

void define(OpTable& ops) {
  ops.define({.name = "diag",
              .doc = "A diagonal of a tensor; of a vector, the matrix with it as a diagonal.",
              .params = schema<DiagParam>(),
              .infer = infer,
              .cpu = forward,
              .backward = {.reads = {dy()}, .run = backward, .linear = Linear::kYes}});
}

}  // namespace heddle::ops::diag
