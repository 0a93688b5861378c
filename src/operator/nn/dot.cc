// Matrix products as operators: dot, batch_dot, linalg_gemm, linalg_gemm2.
#include <algorithm>
#include <cmath>
#include <optional>

#include "operator/linalg.h"
#include "operator/scratch_needs.h"

namespace heddle::ops::dot {

using linalg::Mat;
using linalg::mat;

struct DotParam {
  bool transpose_a = false, transpose_b = false;
  std::optional<Stype> forward_stype;
  void fields(auto&& f) {
    f("transpose_a", transpose_a, "Use the transpose of the first factor.");
    f("transpose_b", transpose_b, "Use the transpose of the second factor.");
    f("forward_stype", forward_stype, "How the result is stored; ignored, it is dense.")
        .names({"default", "row_sparse", "csr"})
        .ignored();
  }
};

// Calls fn(T{}) with the type of matrix elements.
template <class Fn>
void with_number(Dtype d, std::string_view who, Fn&& fn) {
  switch (d) {
    case Dtype::kUint8:
      return fn(uint8_t{});
    case Dtype::kInt8:
      return fn(int8_t{});
    case Dtype::kInt32:
      return fn(int32_t{});
    case Dtype::kInt64:
      return fn(int64_t{});
    default:
      return with_float(d, who, fn);
  }
}

// --- dot ----------------------------------------------------------------------------------------
// Contracts the last axis of a with the first of b; transposed, the first of a, the last of b.
int64_t contracted(const Shape& s, bool last) { return last ? s[-1] : s[0]; }

Shape without(const Shape& s, bool last) {
  return last ? Shape::of(s.begin(), s.end() - 1) : Shape::of(s.begin() + 1, s.end());
}

void infer_dot(const DotParam& p, InferContext& c) {
  const Shape &a = c.in(0), &b = c.in(1);
  if (!a.has_rank() || !b.has_rank()) return;
  check(a.rank() >= 1 && b.rank() >= 1, "[dot] cannot multiply {} by {}", a, b);
  const int64_t k = contracted(a, !p.transpose_a), l = contracted(b, p.transpose_b);
  check(k < 0 || l < 0 || k == l,
        "[dot] lhs has shape {} and rhs {}: found {} and {} to sum over, expected equal extents", a,
        b, k, l);
  Shape y = without(a, !p.transpose_a);
  for (int64_t d : without(b, p.transpose_b)) y.append(d);
  if (y.rank() == 0) y.append(1);
  c.set_out(0, y);
}

// How many elements the axes have that are not contracted.
int64_t kept(const Shape& s, bool last) { return last ? s.size(0, s.rank() - 1) : s.size(1); }

template <class T>
Mat<T> left(const DotParam& p, const Blob& a) {
  const int64_t k = contracted(a.shape, !p.transpose_a), m = kept(a.shape, !p.transpose_a);
  return p.transpose_a ? mat(a.as<T>(), k, m).t() : mat(a.as<T>(), m, k);
}
template <class T>
Mat<T> right(const DotParam& p, const Blob& b) {
  const int64_t k = contracted(b.shape, p.transpose_b), n = kept(b.shape, p.transpose_b);
  return p.transpose_b ? mat(b.as<T>(), n, k).t() : mat(b.as<T>(), k, n);
}

void run_dot(const DotParam& p, OpContext& ctx, Inputs in, Outputs out) {
  with_number(in[0].dtype, "dot", [&](auto type) {
    using T = decltype(type);
    const auto a = left<T>(p, in[0]), b = right<T>(p, in[1]);
    linalg::gemm(ctx, a, b, mat(out[0].as<T>(), a.m(), b.n()));
  });
}

// da = dc b^T and db = a^T dc, written as the memory of a and b lies.
template <class T>
void gradients(const OpContext& ctx, Mat<T> a, Mat<T> b, Mat<T> dc, T* da, T* db) {
  if (da && a.transposed) linalg::gemm(ctx, b, dc.t(), mat(da, a.rows, a.cols));
  else if (da) linalg::gemm(ctx, dc, b.t(), mat(da, a.rows, a.cols));
  if (db && b.transposed) linalg::gemm(ctx, dc.t(), a, mat(db, b.rows, b.cols));
  else if (db) linalg::gemm(ctx, a.t(), dc, mat(db, b.rows, b.cols));
}

// in: dy, lhs, rhs. out: gradients of lhs and rhs.
void run_dot_backward(const DotParam& p, OpContext& ctx, Inputs in, Outputs out) {
  with_float(in[0].dtype, "dot", [&](auto type) {
    using T = decltype(type);
    const auto a = left<T>(p, in[1]), b = right<T>(p, in[2]);
    gradients(ctx, a, b, mat(in[0].as<T>(), a.m(), b.n()), ctx.wants(0) ? out[0].as<T>() : nullptr,
              ctx.wants(1) ? out[1].as<T>() : nullptr);
  });
}

// --- batch_dot ----------------------------------------------------------------------------------
// The shape of op(a) op(b), matrix by matrix over equal leading axes. Unknown while a or b is.
Shape batched(std::string_view who, const Shape& a, bool ta, const Shape& b, bool tb, int least) {
  if (!a.known() || !b.known()) return {};
  check(a.rank() == b.rank() && a.rank() >= least,
        "[{}] cannot multiply {} by {}, expected {} axes or more of each", who, a, b, least);
  Shape y = a;
  for (int i = 0; i + 2 < a.rank(); ++i)
    check(a[i] == b[i], "[{}] lhs {} and rhs {} differ in a leading axis", who, a, b);
  const int64_t k = ta ? a[-2] : a[-1], l = tb ? b[-1] : b[-2];
  check(k == l,
        "[{}] lhs has shape {} and rhs {}: found {} and {} to sum over, expected equal extents",
        who, a, b, k, l);
  y[-2] = ta ? a[-1] : a[-2], y[-1] = tb ? b[-2] : b[-1];
  return y;
}

void infer_batch_dot(const DotParam& p, InferContext& c) {
  c.set_out(0, batched("batch_dot", c.in(0), p.transpose_a, c.in(1), p.transpose_b, 3));
}

template <class T>
Mat<T> matrix(const Blob& b, int64_t i, bool transposed) {
  const int64_t rows = b.shape[-2], cols = b.shape[-1];
  return {b.as<T>() + i * rows * cols, rows, cols, cols, transposed};
}

// Calls body(i) for every matrix: matrices in parallel, in pieces of at least kWork
// multiplications, or the few one after the other, each split.
template <class Body>
void each_matrix(const OpContext& ctx, const Shape& s, int64_t deep, Body&& body) {
  constexpr int64_t kWork = int64_t(1) << 18, kMost = 16;
  const int64_t count = s.size(0, s.rank() - 2);
  const int64_t pieces = std::clamp<int64_t>(s.size() * deep / kWork, 1, kMost);
  if (count >= 4)
    ctx.parallel_for(count, (count + pieces - 1) / pieces, [&](int64_t from, int64_t to) {
      for (int64_t i = from; i < to; ++i) body(i);
    });
  else
    for (int64_t i = 0; i < count; ++i) body(i);
}

void run_batch_dot(const DotParam& p, OpContext& ctx, Inputs in, Outputs out) {
  with_number(in[0].dtype, "batch_dot", [&](auto type) {
    using T = decltype(type);
    each_matrix(ctx, out[0].shape, in[0].shape[p.transpose_a ? -2 : -1], [&](int64_t i) {
      linalg::gemm(ctx, matrix<T>(in[0], i, p.transpose_a), matrix<T>(in[1], i, p.transpose_b),
                   matrix<T>(out[0], i, false));
    });
  });
}

// in: dy, lhs, rhs. out: gradients of lhs and rhs.
void run_batch_dot_backward(const DotParam& p, OpContext& ctx, Inputs in, Outputs out) {
  with_float(in[0].dtype, "batch_dot", [&](auto type) {
    using T = decltype(type);
    each_matrix(ctx, in[0].shape, in[1].shape[p.transpose_a ? -2 : -1], [&](int64_t i) {
      gradients(ctx, matrix<T>(in[1], i, p.transpose_a), matrix<T>(in[2], i, p.transpose_b),
                matrix<T>(in[0], i, false),
                ctx.wants(0) ? matrix<T>(out[0], i, false).data : nullptr,
                ctx.wants(1) ? matrix<T>(out[1], i, false).data : nullptr);
    });
  });
}

// The gradients of c = op(a) op(b), as calls of the operator `name` itself.
std::vector<GradContext::Value> build(GradContext& g, const char* name, bool ta, bool tb,
                                      const Kwargs& more) {
  auto product = [&](GradContext::Value a, bool t, GradContext::Value b, bool u) {
    Kwargs kwargs = more;
    kwargs["transpose_a"] = param::print(t), kwargs["transpose_b"] = param::print(u);
    return g.call(name, {a, b}, kwargs);
  };
  const auto a = g.x(0), b = g.x(1), dc = g.dy();
  return {ta ? product(b, tb, dc, true) : product(dc, false, b, !tb),
          tb ? product(dc, true, a, ta) : product(a, !ta, dc, false)};
}

std::vector<GradContext::Value> build_batch_dot(GradContext& g) {
  const auto& p = *static_cast<const DotParam*>(g.params());
  return build(g, "batch_dot", p.transpose_a, p.transpose_b, {});
}

// --- linalg_gemm, linalg_gemm2 ------------------------------------------------------------------
struct Gemm2Param {
  bool transpose_a = false, transpose_b = false;
  double alpha = 1;
  int64_t axis = -2;
  void fields(auto&& f) {
    fields(f, [] {});
  }
  void fields(auto&& f, auto&& before_axis) {  // programs give parameters by position too
    f("transpose_a", transpose_a, "Use the transpose of A.");
    f("transpose_b", transpose_b, "Use the transpose of B.");
    f("alpha", alpha, "Multiplies the product.");
    before_axis();
    f("axis", axis, "The axis of the rows; only -2, where the last two axes hold the matrices.");
  }
};
struct GemmParam : Gemm2Param {
  double beta = 1;
  void fields(auto&& f) {
    Gemm2Param::fields(f, [&] { f("beta", beta, "Multiplies C."); });
  }
};

void infer_gemm2(const Gemm2Param& p, InferContext& c) {
  check(p.axis == -2 || (c.in(0).has_rank() && p.axis == c.in(0).rank() - 2),
        "[{}] axis is {}, expected -2", c.op().name, p.axis);
  c.set_out(0, batched(c.op().name, c.in(0), p.transpose_a, c.in(1), p.transpose_b, 2));
  if (c.inputs() > 2) c.set_in(2, c.out(0));
}

template <class T>
void run_gemm(const Gemm2Param& p, OpContext& ctx, Inputs in, const Blob& out, double beta) {
  using A = std::conditional_t<(sizeof(T) < 4), float, T>;
  each_matrix(ctx, out.shape, in[0].shape[p.transpose_a ? -2 : -1], [&](int64_t i) {
    const auto c = matrix<T>(out, i, false);
    linalg::gemm(ctx, matrix<T>(in[0], i, p.transpose_a), matrix<T>(in[1], i, p.transpose_b), c);
    const T* more = in.count() > 2 && beta != 0 ? matrix<T>(in[2], i, false).data : nullptr;
    for (int64_t j = 0; (more || p.alpha != 1) && j < c.rows * c.cols; ++j)
      c.data[j] = T(A(p.alpha) * A(c.data[j]) + (more ? A(beta) * A(more[j]) : A(0)));
  });
}

void run_gemm2(const Gemm2Param& p, OpContext& ctx, Inputs in, Outputs out) {
  with_float(in[0].dtype, "linalg_gemm2",
             [&](auto type) { run_gemm<decltype(type)>(p, ctx, in, out[0], 0); });
}
void run_gemm3(const GemmParam& p, OpContext& ctx, Inputs in, Outputs out) {
  with_float(in[0].dtype, "linalg_gemm",
             [&](auto type) { run_gemm<decltype(type)>(p, ctx, in, out[0], p.beta); });
}

std::vector<GradContext::Value> build_gemm2(GradContext& g) {
  const auto& p = *static_cast<const Gemm2Param*>(g.params());
  return build(g, "_linalg_gemm2", p.transpose_a, p.transpose_b,
               {{"alpha", param::print(p.alpha)}});
}
std::vector<GradContext::Value> build_gemm(GradContext& g) {
  const auto& p = *static_cast<const GemmParam*>(g.params());
  auto grads =
      build(g, "_linalg_gemm2", p.transpose_a, p.transpose_b, {{"alpha", param::print(p.alpha)}});
  grads.push_back(g.call("_mul_scalar", {g.dy()}, {{"scalar", param::print(p.beta)}}));
  return grads;
}

// A product of (m, k) and (k, n) has sizes whose quotient is k^2; of b of them, b k^2.
double flops_of_product(const Situation& s, double products) {
  const double result = double(s.out[0].size());
  if (result == 0) return 0;
  return 2 * result *
         std::sqrt(double(s.in[0].size()) * double(s.in[1].size()) / (result * products));
}
double flops_of_dot(const Situation& s) { return flops_of_product(s, 1); }
double flops_of_batch(const Situation& s) {
  const Shape& out = s.out[0].shape;
  double products = 1;
  for (int d = 0; d + 2 < out.rank(); ++d) products *= double(out[d]);
  return flops_of_product(s, products);
}

// Of products whose extents are those, or any other way round.
ScratchNeed of_products(int64_t m, int64_t n, int64_t k, Dtype d, bool backward) {
  const ScratchNeed forward = linalg::scratch(m, n, k, d);
  if (!backward) return forward;
  return either(linalg::scratch(m, k, n, d), linalg::scratch(k, n, m, d));
}
ScratchNeed dot_scratch_of(const DotParam& p, const Blob& a, const Blob& b, bool backward) {
  return of_products(kept(a.shape, !p.transpose_a), kept(b.shape, p.transpose_b),
                     contracted(a.shape, !p.transpose_a), a.dtype, backward);
}
ScratchNeed dot_scratch(const DotParam& p, const Situation& s) {
  return dot_scratch_of(p, s.in[0], s.in[1], false);
}
ScratchNeed dot_scratch_backward(const DotParam& p, const Situation& s) {
  return dot_scratch_of(p, s.in[1], s.in[2], true);
}
// Matrices one by one, each by one thread.
ScratchNeed matrices_scratch(const Blob& a, const Blob& b, bool ta, bool tb, bool backward) {
  const int64_t m = ta ? a.shape[-1] : a.shape[-2], k = ta ? a.shape[-2] : a.shape[-1];
  const int64_t n = tb ? b.shape[-2] : b.shape[-1];
  const Dtype d = a.dtype;
  return {.piece = backward ? std::max(linalg::gemm_scratch(m, k, n, d),
                                       linalg::gemm_scratch(k, n, m, d))
                            : linalg::gemm_scratch(m, n, k, d)};
}
ScratchNeed batch_scratch(const DotParam& p, const Situation& s) {
  return matrices_scratch(s.in[0], s.in[1], p.transpose_a, p.transpose_b, false);
}
ScratchNeed batch_scratch_backward(const DotParam& p, const Situation& s) {
  return matrices_scratch(s.in[1], s.in[2], p.transpose_a, p.transpose_b, true);
}
ScratchNeed gemm2_scratch(const Gemm2Param& p, const Situation& s) {
  return matrices_scratch(s.in[0], s.in[1], p.transpose_a, p.transpose_b, false);
}
ScratchNeed gemm_scratch(const GemmParam& p, const Situation& s) { return gemm2_scratch(p, s); }

void define(OpTable& ops) {
  ops.define({
      .name = "dot",
      .aliases = {"_sparse_dot"},
      .doc = "Contracts the last axis of lhs with the first of rhs: the product of two matrices, "
             "or of "
             "vectors, for which the result has shape (1,).",
      .dtypes = Dtypes::kNumbers,
      .precision = Precision::kWidest,
      .params = schema<DotParam>(),
      .inputs = {{"lhs"}, {"rhs"}},
      .infer = infer_dot,
      .cpu = run_dot,
      .scratch = dot_scratch,
      .flops = flops_of_dot,
      .backward = {.reads = {dy(), x(0), x(1)},
                   .run = run_dot_backward,
                   .scratch = dot_scratch_backward,
                   .linear = Linear::kFactors},
  });
  ops.define({
      .name = "batch_dot",
      .aliases = {"_npx_batch_dot"},
      .doc = "The products of the matrices in the last two axes, over equal leading axes.",
      .dtypes = Dtypes::kNumbers,
      .precision = Precision::kWidest,
      .params = schema<DotParam>(),
      .inputs = {{"lhs"}, {"rhs"}},
      .infer = infer_batch_dot,
      .cpu = run_batch_dot,
      .scratch = batch_scratch,
      .flops = flops_of_batch,
      .backward = {.reads = {dy(), x(0), x(1)},
                   .run = run_batch_dot_backward,
                   .scratch = batch_scratch_backward,
                   .build = build_batch_dot},
  });
  ops.define({
      .name = "_linalg_gemm",
      .aliases = {"linalg_gemm"},
      .doc =
          "alpha * op(A) op(B) + beta * C for the matrices in the last two axes; with a beta of 0, "
          "as in BLAS, C is not read.",
      .dtypes = Dtypes::kFloating,
      .precision = Precision::kFull,
      .params = schema<GemmParam>(),
      .inputs = {{"A"}, {"B"}, {"C"}},
      .infer = infer_gemm2,
      .cpu = run_gemm3,
      .scratch = gemm_scratch,
      .flops = flops_of_batch,
      .backward = {.reads = {dy(), x(0), x(1)}, .build = build_gemm},
  });
  ops.define({
      .name = "_linalg_gemm2",
      .aliases = {"linalg_gemm2"},
      .doc = "alpha * op(A) op(B) for the matrices in the last two axes.",
      .dtypes = Dtypes::kFloating,
      .precision = Precision::kFull,
      .params = schema<Gemm2Param>(),
      .inputs = {{"A"}, {"B"}},
      .infer = infer_gemm2,
      .cpu = run_gemm2,
      .scratch = gemm2_scratch,
      .flops = flops_of_batch,
      .backward = {.reads = {dy(), x(0), x(1)}, .build = build_gemm2},
  });
}

}  // namespace heddle::ops::dot
