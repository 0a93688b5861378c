// Diagonals and triangles of square matrices as vectors, and matrices made of such vectors. An
// offset counts diagonals from the main one: above it when positive. A lower triangle is packed by
// rows, an upper one by columns; the sign of an offset decides between them.
#include <cmath>
#include <cstdlib>

#include "operator/tensor/view.h"

namespace heddle::ops::packed {

using view::View;
using Values = std::vector<GradContext::Value>;

struct OffsetParam {
  int64_t offset = 0;
  void fields(auto&& f) {
    f("offset", offset, "Which diagonal: above the main one when positive.");
  }
};
struct TrianParam : OffsetParam {
  bool lower = true;
  void fields(auto&& f) {
    OffsetParam::fields(f);
    f("lower", lower, "The lower triangle, where offset is 0.");
  }
  bool is_lower() const { return offset < 0 || (offset == 0 && lower); }
};

// The extent of the square matrices in x, less the diagonals that are left out.
int64_t rows_left(std::string_view op, const OffsetParam& p, const Shape& x) {
  check(x.rank() >= 2 && x[-1] == x[-2], "[{}] A has shape {}, expected square matrices", op, x);
  const int64_t left = x[-1] - std::abs(p.offset);
  check(left > 0 || x[-1] == 0, "[{}] offset is {}, expected at most {} either way", op, p.offset,
        x[-1] - 1);
  return std::max<int64_t>(0, left);
}
Shape vectors(const Shape& matrices, int64_t length) {
  Shape y = Shape::of(matrices.begin(), matrices.end() - 1);
  y[-1] = length;
  return y;
}
Shape matrices(const Shape& vectors, int64_t rows) {
  Shape y = vectors;
  y[-1] = rows;
  y.append(rows);
  return y;
}

void infer_extractdiag(const OffsetParam& p, InferContext& c) {
  if (c.in(0).known()) c.set_out(0, vectors(c.in(0), rows_left(c.op().name, p, c.in(0))));
}
void infer_makediag(const OffsetParam& p, InferContext& c) {
  if (!c.in(0).known()) return;
  check(c.in(0).rank() >= 1, "[{}] A has no axes", c.op().name);
  c.set_out(0, matrices(c.in(0), c.in(0)[-1] + std::abs(p.offset)));
}
void infer_extracttrian(const TrianParam& p, InferContext& c) {
  if (!c.in(0).known()) return;
  const int64_t k = rows_left(c.op().name, p, c.in(0));
  c.set_out(0, vectors(c.in(0), k * (k + 1) / 2));
}
void infer_maketrian(const TrianParam& p, InferContext& c) {
  if (!c.in(0).known()) return;
  check(c.in(0).rank() >= 1, "[{}] A has no axes", c.op().name);
  const int64_t n = c.in(0)[-1],
                k = int64_t(std::llround((std::sqrt(8.0 * double(n) + 1) - 1) / 2));
  check(k * (k + 1) / 2 == n, "[{}] the last axis of A is {}, expected 1, 3, 6, 10 ...",
        c.op().name, n);
  c.set_out(0, matrices(c.in(0), k + std::abs(p.offset)));
}

// The diagonals of x, a row for each matrix.
View diagonals(const OffsetParam& p, const Shape& x) {
  const int64_t n = x[-1];
  View v;
  v.push(x.size(0, x.rank() - 2), n * n).push(std::max<int64_t>(0, n - std::abs(p.offset)), n + 1);
  v.offset = p.offset >= 0 ? p.offset : -p.offset * n;
  return v;
}
View rows(const Shape& x) {
  View v;
  v.push(x.size(0, x.rank() - 1), x[-1]).push(x[-1], 1);
  return v;
}
void extractdiag(const OffsetParam& p, OpContext& ctx, Inputs in, Outputs out) {
  view::copy(ctx, in[0], diagonals(p, in[0].shape), out[0], rows(out[0].shape));
}
void makediag(const OffsetParam& p, OpContext& ctx, Inputs in, Outputs out) {
  view::zero(ctx, out[0]);
  view::copy(ctx, in[0], rows(in[0].shape), out[0], diagonals(p, out[0].shape));
}

// Calls move(element of the matrix, element of the vector) for the packed triangle of each matrix.
template <class T, class Move>
void each_packed(const TrianParam& p, OpContext& ctx, const Blob& whole, const Blob& line,
                 Move move) {
  const int64_t n = whole.shape[-1], o = std::abs(p.offset), k = n - o, length = line.shape[-1];
  const int64_t down = p.is_lower() ? n : 1, across = p.is_lower() ? 1 : n;
  const int64_t count = whole.shape.size(0, whole.shape.rank() - 2);
  ctx.parallel_for(count, std::max<int64_t>(1, 16384 / std::max<int64_t>(1, n * n)),
                   [&](int64_t from, int64_t to) {
                     for (int64_t b = from; b < to; ++b) {
                       T *m = whole.as<T>() + b * n * n + o * down, *v = line.as<T>() + b * length;
                       for (int64_t i = 0; i < k; ++i)
                         for (int64_t j = 0; j <= i; ++j) move(m[i * down + j * across], *v++);
                     }
                   });
}
void extracttrian(const TrianParam& p, OpContext& ctx, Inputs in, Outputs out) {
  with_float(in[0].dtype, "_linalg_extracttrian", [&](auto type) {
    using T = decltype(type);
    each_packed<T>(p, ctx, in[0], out[0], [](const T& m, T& v) { v = m; });
  });
}
void maketrian(const TrianParam& p, OpContext& ctx, Inputs in, Outputs out) {
  view::zero(ctx, out[0]);
  with_float(in[0].dtype, "_linalg_maketrian", [&](auto type) {
    using T = decltype(type);
    each_packed<T>(p, ctx, out[0], in[0], [](T& m, const T& v) { m = v; });
  });
}

// Each is the other's gradient.
template <const char* const& kOther>
Values build(GradContext& g) {
  return {g.call(kOther, {g.dy()}, g.kwargs())};
}
constexpr const char *kExtractDiag = "_linalg_extractdiag", *kMakeDiag = "_linalg_makediag",
                     *kExtractTrian = "_linalg_extracttrian", *kMakeTrian = "_linalg_maketrian";

void define(OpTable& ops) {
  ops.define({.name = kExtractDiag,
              .aliases = {"linalg_extractdiag"},
              .doc = "A diagonal of each matrix.",
              .precision = Precision::kFull,
              .params = schema<OffsetParam>(),
              .inputs = {{"A"}},
              .infer = infer_extractdiag,
              .cpu = extractdiag,
              .backward = {.reads = {dy()}, .build = build<kMakeDiag>}});
  ops.define({.name = kMakeDiag,
              .aliases = {"linalg_makediag"},
              .doc = "Matrices with a given diagonal, and zeros elsewhere.",
              .precision = Precision::kFull,
              .params = schema<OffsetParam>(),
              .inputs = {{"A"}},
              .infer = infer_makediag,
              .cpu = makediag,
              .backward = {.reads = {dy()}, .build = build<kExtractDiag>}});
  ops.define({.name = kExtractTrian,
              .aliases = {"linalg_extracttrian"},
              .doc =
                  "A triangle of each matrix as a vector: the lower one by rows, the upper one by "
                  "columns.",
              .dtypes = Dtypes::kFloating,
              .precision = Precision::kFull,
              .params = schema<TrianParam>(),
              .inputs = {{"A"}},
              .infer = infer_extracttrian,
              .cpu = extracttrian,
              .backward = {.reads = {dy()}, .build = build<kMakeTrian>}});
  ops.define({.name = kMakeTrian,
              .aliases = {"linalg_maketrian"},
              .doc = "Matrices with a given triangle, and zeros elsewhere.",
              .dtypes = Dtypes::kFloating,
              .precision = Precision::kFull,
              .params = schema<TrianParam>(),
              .inputs = {{"A"}},
              .infer = infer_maketrian,
              .cpu = maketrian,
              .backward = {.reads = {dy()}, .build = build<kExtractTrian>}});
}

}  // namespace heddle::ops::packed
