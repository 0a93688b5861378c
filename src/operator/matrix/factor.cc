// Factorisations of matrices, triangular products and what follows from them. The matrices lie in
// the last two axes. Gradients are made of the same operators, so all higher ones exist. They
// follow Seeger, Hetzel, Dai, Meissner and Lawrence, "Auto-Differentiating Linear Algebra", 2017.
#include "operator/matrix/factor_kernels.h"

namespace heddle::ops::factor {

using Value = GradContext::Value;
using Values = std::vector<Value>;
using solvers::Plain;

// --- shapes -------------------------------------------------------------------------------------
void check_matrices(InferContext& c, int i, bool square) {
  const Shape& x = c.in(i);
  check(x.rank() >= 2, "[{}] A has shape {}, expected two axes or more", c.op().name, x);
  check(!square || x[-2] == x[-1] || x[-2] < 0 || x[-1] < 0,
        "[{}] A has shape {}, expected square matrices", c.op().name, x);
}
Shape batch_of(const Shape& x) {  // a number for each matrix; of one matrix, (1,)
  Shape y = Shape::of(x.begin(), x.end() - 2);
  if (y.rank() == 0) y.append(1);
  return y;
}
void infer_square(InferContext& c) {
  if (!c.in(0).has_rank()) return c.set_in(0, c.out(0));
  check_matrices(c, 0, true);
  c.set_out(0, c.in(0)), c.set_in(0, c.out(0));
}
void infer_numbers(InferContext& c) {
  if (!c.in(0).known()) return;
  check_matrices(c, 0, true);
  for (int i = 0; i < c.outputs(); ++i) c.set_out(i, batch_of(c.in(0)));
}
void infer_sides(const TriangleParam& p, InferContext& c) {
  c.set_in(1, c.out(0)), c.set_out(0, c.in(1));
  if (!c.in(1).known()) return;
  const Shape& b = c.in(1);
  check(b.rank() >= 2, "[{}] B has shape {}, expected two axes or more", c.op().name, b);
  Shape a = b;
  a[-1] = a[-2] = p.rightside ? b[-1] : b[-2];
  c.set_in(0, a);
}
void infer_syrk(const SquareParam& p, InferContext& c) {
  if (!c.in(0).known()) return;
  check_matrices(c, 0, false);
  Shape y = c.in(0);
  y[-1] = y[-2] = y[p.transpose ? -1 : -2];
  c.set_out(0, y);
}
void infer_gelqf(InferContext& c) {
  if (!c.in(0).known()) return;
  check_matrices(c, 0, false);
  Shape l = c.in(0);
  check(l[-2] <= l[-1], "[_linalg_gelqf] A has shape {}, expected at least as many columns as rows",
        l);
  c.set_out(0, l);
  l[-1] = l[-2];
  c.set_out(1, l);
}
void infer_syevd(InferContext& c) {
  if (!c.in(0).known()) return;
  check_matrices(c, 0, true);
  c.set_out(0, c.in(0));
  c.set_out(1, Shape::of(c.in(0).begin(), c.in(0).end() - 1));
}

// --- gradients ----------------------------------------------------------------------------------
Value product(Builder& g, Value a, bool ta, Value b, bool tb, double alpha = 1) {
  return g.call("_linalg_gemm2", {a, b},
                {{"transpose_a", param::print(ta)},
                 {"transpose_b", param::print(tb)},
                 {"alpha", param::print(alpha)}});
}
Value triangular(Builder& g, const char* op, const TriangleParam& p, Value a, Value b) {
  return g.call(op, {a, b},
                {{"transpose", param::print(p.transpose)},
                 {"rightside", param::print(p.rightside)},
                 {"lower", param::print(p.lower)},
                 {"alpha", param::print(p.alpha)}});
}
Value transposed(Builder& g, Value a) {
  return g.call("SwapAxis", {a}, {{"dim1", "-2"}, {"dim2", "-1"}});
}
Value scaled(Builder& g, Value a, double by) {
  return g.call("_mul_scalar", {a}, {{"scalar", param::print(by)}});
}
Value plus(Builder& g, Value a, Value b) { return g.call("elemwise_add", {a, b}); }
Value minus(Builder& g, Value a, Value b) { return g.call("elemwise_sub", {a, b}); }
Value times(Builder& g, Value a, Value b) { return g.call("elemwise_mul", {a, b}); }
Value triangle(Builder& g, Value a, bool lower) {
  const Kwargs kw{{"lower", param::print(lower)}};
  return g.call("_linalg_maketrian", {g.call("_linalg_extracttrian", {a}, kw)}, kw);
}
// The symmetric matrix that has this triangle.
Value mirrored(Builder& g, Value a, bool lower) {
  const Value half = triangle(g, a, lower);
  return minus(g, plus(g, half, transposed(g, half)),
               g.call("_linalg_makediag", {g.call("_linalg_extractdiag", {a})}));
}
// A number for each matrix, at every one of its elements.
Value spread(Builder& g, Value numbers, Value like) {
  return g.call("_expand_like", {numbers, g.call("zeros_like", {like})}, {{"axis", "(-2, -1)"}});
}

// A symmetric gradient: A is one matrix, of which a triangle happens to be read.
Values build_potrf(GradContext& g) {
  const bool lower = static_cast<const LowerParam*>(g.params())->lower;
  const Value l = g.y();
  const Value inner = triangular(g, "_linalg_trmm", {true, !lower, lower, 1}, l, g.dy());
  const Value left =
      triangular(g, "_linalg_trsm", {lower, false, lower, 1}, l, mirrored(g, inner, lower));
  return {triangular(g, "_linalg_trsm", {!lower, true, lower, 0.5}, l, left)};
}

Values build_potri(GradContext& g) {
  const bool lower = static_cast<const LowerParam*>(g.params())->lower;
  const Value both = plus(g, g.dy(), transposed(g, g.dy()));
  const Value inner =
      lower ? product(g, g.y(), false, both, false, -1) : product(g, both, false, g.y(), false, -1);
  return {triangle(g, triangular(g, "_linalg_trsm", {true, lower, lower, 1}, g.x(), inner), lower)};
}

Values build_trmm(GradContext& g) {
  const auto& p = *static_cast<const TriangleParam*>(g.params());
  const Value db =
      triangular(g, "_linalg_trmm", {!p.transpose, p.rightside, p.lower, p.alpha}, g.x(0), g.dy());
  Value a = g.dy(), b = g.x(1);  // left: da = dy b^T, transposed b dy^T; right: b^T dy, dy^T b
  if (p.transpose != p.rightside) std::swap(a, b);
  return {triangle(g, product(g, a, p.rightside, b, !p.rightside, p.alpha), p.lower), db};
}

Values build_trsm(GradContext& g) {
  const auto& p = *static_cast<const TriangleParam*>(g.params());
  const Value db =
      triangular(g, "_linalg_trsm", {!p.transpose, p.rightside, p.lower, 1}, g.x(0), g.dy());
  Value a = db, b = g.y();
  if (p.transpose != p.rightside) std::swap(a, b);
  return {triangle(g, product(g, a, p.rightside, b, !p.rightside, -1), p.lower),
          p.alpha == 1 ? db : scaled(g, db, p.alpha)};
}

Values build_syrk(GradContext& g) {
  const auto& p = *static_cast<const SquareParam*>(g.params());
  const Value both = plus(g, g.dy(), transposed(g, g.dy()));
  return {p.transpose ? product(g, g.x(), false, both, false, p.alpha)
                      : product(g, both, false, g.x(), false, p.alpha)};
}

Values build_gelqf(GradContext& g) {
  const Value q = g.y(0), l = g.y(1), dq = g.dy(0), dl = g.dy(1);
  const Value inner = minus(g, triangular(g, "_linalg_trmm", {true, false, true, 1}, l, dl),
                            product(g, dq, false, q, true));
  const Value sum = plus(g, dq, product(g, mirrored(g, inner, true), false, q, false));
  return {triangular(g, "_linalg_trsm", {true, false, true, 1}, l, sum)};
}

// Equal eigenvalues leave their vectors undetermined: what would be divided by zero counts as zero.
Values build_syevd(GradContext& g) {
  const Value u = g.y(0), l = g.y(1);
  const Value gap = g.call("broadcast_sub", {g.call("expand_dims", {l}, {{"axis", "-2"}}),
                                             g.call("expand_dims", {l}, {{"axis", "-1"}})});
  const Value none = g.call("_equal_scalar", {gap}, {{"scalar", "0"}});
  const Value some = g.call("_rminus_scalar", {none}, {{"scalar", "1"}});
  const Value inner =
      plus(g,
           g.call("elemwise_div",
                  {times(g, product(g, u, false, g.dy(0), true), some), plus(g, gap, none)}),
           g.call("_linalg_makediag", {g.dy(1)}));
  const Value even = scaled(g, plus(g, inner, transposed(g, inner)), 0.5);
  return {product(g, product(g, u, true, even, false), false, u, false)};
}

Values build_inverse(GradContext& g) {
  return {product(g, product(g, g.y(), true, g.dy(), false), false, g.y(), true, -1)};
}

Values build_det(GradContext& g) {
  return {times(g, spread(g, g.dy(), g.x()), g.call("_cofactor", {g.x()}))};
}
Values build_cofactor(GradContext& g) {  // of det(A) inverse(A)^T
  const Value x = g.x(), inverse = g.call("_linalg_inverse", {x}), turned = transposed(g, inverse);
  const Value of_det = g.call("sum", {times(g, g.dy(), turned)}, {{"axis", "(-2, -1)"}});
  const Value of_inverse =
      times(g, spread(g, g.call("_linalg_det", {x}), x), transposed(g, g.dy()));
  return {plus(g, times(g, spread(g, of_det, x), g.call("_cofactor", {x})),
               product(g, product(g, inverse, true, of_inverse, false), false, inverse, true, -1))};
}
Values build_slogdet(GradContext& g) {
  return {times(g, spread(g, g.dy(1), g.x()), transposed(g, g.call("_linalg_inverse", {g.x()})))};
}

std::vector<Value> compose_sumlogdiag(Builder& b) {
  const Value diagonal = b.call("_linalg_extractdiag", {b.x()});
  return {b.call("sum", {b.call("log", {diagonal})}, {{"axis", "-1"}})};
}

// --- records ------------------------------------------------------------------------------------
void define_triangles(OpTable& ops) {
  ops.define({.name = "_linalg_potrf",
              .aliases = {"linalg_potrf"},
              .doc = "Cholesky factors of symmetric positive definite matrices: A = L L^T with L "
                     "lower, or A = U^T U with U upper.",
              .dtypes = Dtypes::kFloating,
              .precision = Precision::kFull,
              .params = schema<LowerParam>(),
              .inputs = {{"A"}},
              .infer = infer_square,
              .inplace = {{0, 0}},
              .cpu = potrf<Plain>,
              .backward = {.reads = {dy(), y(0)}, .build = build_potrf}});
  ops.define({.name = "_linalg_potri",
              .aliases = {"linalg_potri"},
              .doc =
                  "The inverse of the matrices whose Cholesky factors are given: of A A^T, or of "
                  "A^T A where A is upper.",
              .dtypes = Dtypes::kFloating,
              .precision = Precision::kFull,
              .params = schema<LowerParam>(),
              .inputs = {{"A"}},
              .infer = infer_square,
              .inplace = {{0, 0}},
              .cpu = potri<Plain>,
              .backward = {.reads = {dy(), x(0), y(0)}, .build = build_potri}});
  ops.define({.name = "_linalg_trmm",
              .aliases = {"linalg_trmm"},
              .doc = "Products with triangular matrices: alpha op(A) B, or alpha B op(A).",
              .dtypes = Dtypes::kFloating,
              .precision = Precision::kFull,
              .params = schema<TriangleParam>(),
              .inputs = {{"A"}, {"B"}},
              .infer = infer_sides,
              .inplace = {{1, 0}},
              .cpu = trmm<Plain>,
              .backward = {.reads = {dy(), x(0), x(1)}, .build = build_trmm}});
  ops.define({.name = "_linalg_trsm",
              .aliases = {"linalg_trsm"},
              .doc = "Solves op(A) X = alpha B, or X op(A) = alpha B, for triangular matrices A.",
              .dtypes = Dtypes::kFloating,
              .precision = Precision::kFull,
              .params = schema<TriangleParam>(),
              .inputs = {{"A"}, {"B"}},
              .infer = infer_sides,
              .inplace = {{1, 0}},
              .cpu = trsm<Plain>,
              .backward = {.reads = {dy(), x(0), y(0)}, .build = build_trsm}});
  ops.define({.name = "_linalg_syrk",
              .aliases = {"linalg_syrk"},
              .doc = "alpha A A^T, or alpha A^T A.",
              .dtypes = Dtypes::kFloating,
              .precision = Precision::kFull,
              .params = schema<SquareParam>(),
              .inputs = {{"A"}},
              .infer = infer_syrk,
              .cpu = syrk<Plain>,
              .backward = {.reads = {dy(), x(0)}, .build = build_syrk}});
}

void define(OpTable& ops) {
  define_triangles(ops);
  ops.define({.name = "_linalg_gelqf",
              .aliases = {"linalg_gelqf"},
              .doc =
                  "A = L Q with L lower and orthonormal rows in Q, for matrices of full rank with "
                  "at least as many columns as rows.",
              .dtypes = Dtypes::kFloating,
              .precision = Precision::kFull,
              .inputs = {{"A"}},
              .outputs = {{"Q"}, {"L"}},
              .infer = infer_gelqf,
              .inplace = {{0, 0}},
              .cpu = gelqf<Plain>,
              .backward = {.reads = {dy(0), dy(1), y(0), y(1)}, .build = build_gelqf}});
  ops.define({.name = "_linalg_syevd",
              .doc =
                  "A = U^T diag(L) U for symmetric matrices, of which the lower triangle is read: "
                  "eigenvectors are the rows of U, eigenvalues rise. The largest element of each "
                  "vector is positive.",
              .dtypes = Dtypes::kFloating,
              .precision = Precision::kFull,
              .inputs = {{"A"}},
              .outputs = {{"U"}, {"L"}},
              .infer = infer_syevd,
              .inplace = {{0, 0}},
              .cpu = syevd<Plain>,
              .backward = {.reads = {dy(0), dy(1), y(0), y(1)}, .build = build_syevd}});
  ops.define({.name = "_linalg_inverse",
              .aliases = {"linalg_inverse", "_npi_inv"},
              .doc = "Inverse matrices.",
              .dtypes = Dtypes::kFloating,
              .precision = Precision::kFull,
              .inputs = {{"A"}},
              .infer = infer_square,
              .inplace = {{0, 0}},
              .cpu = inverse<Plain>,
              .backward = {.reads = {dy(), y(0)}, .build = build_inverse}});
  ops.define({.name = "_linalg_det",
              .aliases = {"linalg_det", "_npi_det"},
              .doc = "Determinants; of a single matrix in the shape (1,).",
              .dtypes = Dtypes::kFloating,
              .precision = Precision::kFull,
              .inputs = {{"A"}},
              .infer = infer_numbers,
              .cpu = det<Plain>,
              .backward = {.reads = {dy(), x(0)}, .build = build_det}});
  ops.define({.name = "_linalg_slogdet",
              .aliases = {"linalg_slogdet", "_npi_slogdet"},
              .doc = "The sign of determinants, and the logarithm of their absolute value.",
              .dtypes = Dtypes::kFloating,
              .precision = Precision::kFull,
              .inputs = {{"A"}},
              .outputs = {{"sign"}, {"logabsdet"}},
              .infer = infer_numbers,
              .cpu = slogdet<Plain>,
              .backward = {.reads = {dy(1), x(0)}, .build = build_slogdet}});
  ops.define({.name = "_cofactor",
              .doc =
                  "det(A) inverse(A)^T, the gradient of the determinant; zero where A is singular, "
                  "as in MXNet.",
              .dtypes = Dtypes::kFloating,
              .inputs = {{"A"}},
              .infer = infer_square,
              .cpu = cofactor<Plain>,
              .backward = {.reads = {dy(), x(0)}, .build = build_cofactor}});
  ops.define({.name = "_linalg_sumlogdiag",
              .aliases = {"linalg_sumlogdiag"},
              .doc = "The sum of the logarithms of the diagonal; of a single matrix in shape (1,).",
              .precision = Precision::kFull,
              .inputs = {{"A"}},
              .infer = infer_numbers,
              .compose = compose_sumlogdiag});
  for (const char* op : {"_linalg_potrf", "_linalg_potri", "_linalg_trmm", "_linalg_trsm",
                         "_linalg_syrk", "_linalg_gelqf", "_linalg_syevd", "_linalg_inverse",
                         "_linalg_det", "_linalg_slogdet", "_cofactor"})
    ops.scratch(op, scratch_of_matrices);
}

}  // namespace heddle::ops::factor
