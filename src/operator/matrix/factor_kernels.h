// Kernels of the operators in factor.cc, over the solvers of one library: included where the
// library is at hand. Batches run in parallel, one matrix per piece; halves compute in float32.
#pragma once
#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "heddle/op.h"
#include "operator/matrix/factor.h"
#include "operator/matrix/solvers.h"
#include "operator/scratch_needs.h"

namespace heddle::ops::factor {

using Blobs = std::vector<Blob>;

template <class T, class U>
void convert(const Blob& from, const Blob& to) {
  const T* x = from.as<T>();
  U* y = to.as<U>();
  for (int64_t i = 0; i < from.size(); ++i) y[i] = U(x[i]);
}

// Calls body(T{}, in, out) with T float or double; halves go through float copies.
template <class Body>
void with_real(std::string_view op, OpContext& ctx, Inputs in, Outputs out, Body&& body) {
  Blobs from(in.begin(), in.end()), to(out.begin(), out.end());
  for (size_t i = 0; i < to.size(); ++i) to[i] = ctx.output(out, int(i));
  with_float(in[0].dtype, op, [&](auto type) {
    using T = decltype(type);
    if constexpr (sizeof(T) >= 4) {
      body(T{}, from, to);
    } else {
      auto wide = [&](const Blob& b) {
        return Blob{ctx.scratch(size_t(b.size()) * sizeof(float)), b.shape, Dtype::kFloat32,
                    b.device};
      };
      const Blobs narrow = to;
      for (Blob& b : from) {
        const Blob copy = wide(b);
        convert<T, float>(b, copy);
        b = copy;
      }
      for (Blob& b : to) b = wide(b);
      body(float{}, from, to);
      for (size_t i = 0; i < to.size(); ++i) convert<float, T>(to[i], narrow[i]);
    }
  });
}

// What these kernels take at most: copies of halves, a code for every matrix, and in a piece a few
// matrices of the largest kind and the libraries' room for blocks of rows.
inline ScratchNeed scratch_of_matrices(const Situation& s) {
  const bool half = dtype_size(s.in[0].dtype) < 4;
  ScratchNeed need = half ? both(unwanted(s), copies_scratch<4>(s)) : unwanted(s);
  int64_t most = 0, side = 0;
  for (const auto& blobs : {s.in, s.out})
    for (const Blob& b : blobs) {
      if (b.shape.rank() < 2) continue;
      most = std::max(most, b.shape[-1] * b.shape[-2]);
      side = std::max({side, b.shape[-1], b.shape[-2]});
    }
  if (const Shape& x = s.in[0].shape; x.rank() >= 2) need.take(4 * x.size(0, x.rank() - 2));
  need.piece = 8 * (4 * most + 128 * side + 64);
  return need;
}

// Calls body(i), which returns 0 or what went wrong, for every matrix of a batch; then fails with
// the first that did: say(matrix, code).
template <class Body, class Say>
void each_matrix(OpContext& ctx, const Shape& s, Body&& body, Say&& say) {
  const int64_t count = s.size(0, s.rank() - 2), work = std::max<int64_t>(1, s[-1] * s[-1] * s[-2]);
  const int64_t grain = std::max<int64_t>(1, (int64_t(1) << 16) / work);
  int* code = ctx.scratch_of<int>(std::max<int64_t>(1, count));
  ctx.parallel_for(count, grain, [&](int64_t from, int64_t to) {
    for (int64_t i = from; i < to; ++i) code[i] = body(i);
  });
  for (int64_t i = 0; i < count; ++i)
    if (code[i]) say(i, code[i]);
}
inline void never(int64_t, int) {}

template <class T>
T* matrix(const Blob& b, int64_t i) {
  return b.as<T>() + i * b.shape[-1] * b.shape[-2];
}
template <class T>
void copy(const Blob& from, const Blob& to, int64_t i) {
  const int64_t n = from.shape[-1] * from.shape[-2];
  const T* x = matrix<T>(from, i);
  T* y = matrix<T>(to, i);
  if (x != y) std::copy_n(x, n, y);
}
template <class T>
void clear_other(T* a, int64_t n, bool lower) {
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = i + 1; j < n; ++j) (lower ? a[i * n + j] : a[j * n + i]) = 0;
}
template <class T>
void mirror(T* a, int64_t n, bool lower) {
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = i + 1; j < n; ++j)
      lower ? a[i * n + j] = a[j * n + i] : a[j * n + i] = a[i * n + j];
}

template <class Library>
void potrf(const LowerParam& p, OpContext& ctx, Inputs in, Outputs out) {
  with_real("_linalg_potrf", ctx, in, out, [&](auto type, const Blobs& x, const Blobs& y) {
    using T = decltype(type);
    const int64_t n = x[0].shape[-1];
    each_matrix(
        ctx, x[0].shape,
        [&](int64_t i) {
          copy<T>(x[0], y[0], i);
          T* a = matrix<T>(y[0], i);
          clear_other(a, n, p.lower);
          return Library::cholesky(a, n, p.lower);
        },
        [&](int64_t i, int minor) {
          fail(
              "[_linalg_potrf] matrix {} of A is not positive definite: its leading minor of order "
              "{} is not positive",
              i, minor);
        });
  });
}

template <class Library>
void potri(const LowerParam& p, OpContext& ctx, Inputs in, Outputs out) {
  with_real("_linalg_potri", ctx, in, out, [&](auto type, const Blobs& x, const Blobs& y) {
    using T = decltype(type);
    const int64_t n = x[0].shape[-1];
    each_matrix(
        ctx, x[0].shape,
        [&](int64_t i) {
          const T* from = matrix<T>(x[0], i);
          for (int64_t j = 0; j < n; ++j)
            if (from[j * n + j] == 0) return int(j + 1);
          copy<T>(x[0], y[0], i);
          T* a = matrix<T>(y[0], i);
          Library::cholesky_inverse(a, n, p.lower);
          mirror(a, n, p.lower);
          return 0;
        },
        [&](int64_t i, int at) {
          fail("[_linalg_potri] matrix {} of A is singular: element {} of its diagonal is 0", i,
               at - 1);
        });
  });
}

// b -> op(a) b and the like: a few large ones are split by the columns or rows that are
// independent.
template <class T, class Solve>
void each_side(const TriangleParam& p, OpContext& ctx, const Blobs& x, const Blob& y, Solve&& run) {
  const int64_t m = y.shape[-2], n = y.shape[-1], count = y.shape.size(0, y.shape.rank() - 2);
  const int64_t k = p.rightside ? n : m, lines = p.rightside ? m : n;
  const int64_t piece =
      std::clamp<int64_t>((int64_t(1) << 20) / std::max<int64_t>(1, k * k), 16, 256);
  const int64_t pieces = (lines + piece - 1) / piece;
  ctx.parallel_for(count, std::max<int64_t>(1, (int64_t(1) << 17) / std::max<int64_t>(1, m * n)),
                   [&](int64_t from, int64_t to) {
                     for (int64_t i = from; i < to; ++i) copy<T>(x[1], y, i);
                   });
  const solvers::Triangle t{p.lower, p.transpose, p.rightside};
  const int64_t grain =
      std::max<int64_t>(1, (int64_t(1) << 16) / std::max<int64_t>(1, k * k * piece));
  ctx.parallel_for(count * pieces, grain, [&](int64_t from, int64_t to) {
    for (int64_t at = from; at < to; ++at) {
      const int64_t i = at / pieces, first = at % pieces * piece;
      const int64_t some = std::min(piece, lines - first);
      T* b = matrix<T>(y, i) + (p.rightside ? first * n : first);
      const T* a = matrix<T>(x[0], i);
      if (p.rightside) run(t, a, b, some, n, n, T(p.alpha));
      else run(t, a, b, m, some, n, T(p.alpha));
    }
  });
}

template <class Library>
void trmm(const TriangleParam& p, OpContext& ctx, Inputs in, Outputs out) {
  with_real("_linalg_trmm", ctx, in, out, [&](auto type, const Blobs& x, const Blobs& y) {
    using T = decltype(type);
    each_side<T>(p, ctx, x, y[0], [](auto... a) { Library::multiply(a...); });
  });
}
template <class Library>
void trsm(const TriangleParam& p, OpContext& ctx, Inputs in, Outputs out) {
  with_real("_linalg_trsm", ctx, in, out, [&](auto type, const Blobs& x, const Blobs& y) {
    using T = decltype(type);
    each_side<T>(p, ctx, x, y[0], [](auto... a) { Library::solve(a...); });
  });
}

template <class Library>
void syrk(const SquareParam& p, OpContext& ctx, Inputs in, Outputs out) {
  with_real("_linalg_syrk", ctx, in, out, [&](auto type, const Blobs& x, const Blobs& y) {
    using T = decltype(type);
    const int64_t n = y[0].shape[-1], k = x[0].shape[p.transpose ? -2 : -1];
    each_matrix(
        ctx, y[0].shape,
        [&](int64_t i) {
          T* c = matrix<T>(y[0], i);
          Library::square(static_cast<const T*>(matrix<T>(x[0], i)), c, n, k, p.transpose,
                          T(p.alpha));
          mirror(c, n, true);
          return 0;
        },
        never);
  });
}

template <class Library>
void gelqf(OpContext& ctx, Inputs in, Outputs out) {
  with_real("_linalg_gelqf", ctx, in, out, [&](auto type, const Blobs& x, const Blobs& y) {
    using T = decltype(type);
    const int64_t m = x[0].shape[-2], n = x[0].shape[-1];
    each_matrix(
        ctx, x[0].shape,
        [&](int64_t i) {
          copy<T>(x[0], y[0], i);
          T* l = matrix<T>(y[1], i);
          Library::lq(matrix<T>(y[0], i), l, m, n);
          clear_other(l, m, true);
          return 0;
        },
        never);
  });
}

// Of the two signs of an eigenvector the one whose largest element is positive.
template <class T>
void choose_sign(T* v, int64_t n) {
  int64_t at = 0;
  for (int64_t j = 1; j < n; ++j)
    if (std::abs(v[j]) > std::abs(v[at])) at = j;
  if (v[at] < 0)
    for (int64_t j = 0; j < n; ++j) v[j] = -v[j];
}

template <class Library>
void syevd(OpContext& ctx, Inputs in, Outputs out) {
  with_real("_linalg_syevd", ctx, in, out, [&](auto type, const Blobs& x, const Blobs& y) {
    using T = decltype(type);
    const int64_t n = x[0].shape[-1];
    each_matrix(
        ctx, x[0].shape,
        [&](int64_t i) {
          copy<T>(x[0], y[0], i);
          T *u = matrix<T>(y[0], i), *values = y[1].as<T>() + i * n;
          bool finite = true;
          for (int64_t r = 0; r < n; ++r)
            for (int64_t c = 0; c <= r; ++c) finite = finite && std::isfinite(u[r * n + c]);
          if (!finite) {
            std::fill_n(u, n * n, std::numeric_limits<T>::quiet_NaN());
            std::fill_n(values, n, std::numeric_limits<T>::quiet_NaN());
            return 0;
          }
          const int code = n ? Library::eigen(u, values, n) : 0;
          for (int64_t r = 0; r < n; ++r) choose_sign(u + r * n, n);
          return code;
        },
        [&](int64_t i, int) {
          fail("[_linalg_syevd] the eigenvalues of matrix {} of A did not converge", i);
        });
  });
}

template <class Library>
void inverse(OpContext& ctx, Inputs in, Outputs out) {
  with_real("_linalg_inverse", ctx, in, out, [&](auto type, const Blobs& x, const Blobs& y) {
    using T = decltype(type);
    const int64_t n = x[0].shape[-1];
    each_matrix(
        ctx, x[0].shape,
        [&](int64_t i) {
          ScratchScope scope;
          int* pivots = static_cast<int*>(thread_scratch(size_t(n + 1) * sizeof(int)));
          copy<T>(x[0], y[0], i);
          T* a = matrix<T>(y[0], i);
          const int zero = n ? Library::lu(a, pivots, n) : 0;
          if (!zero && n) Library::lu_inverse(a, pivots, n);
          return zero;
        },
        [&](int64_t i, int) { fail("[_linalg_inverse] matrix {} of A is singular", i); });
  });
}

// What LU factors say of a determinant: its sign (0: singular) and the logarithm of its size.
struct Determinant {
  double value = 1, sign = 1, log = 0;
};
template <class T>
Determinant determinant(const T* a, const int* pivots, int64_t n) {
  Determinant d;
  for (int64_t j = 0; j < n; ++j) {
    const double v = double(a[j * n + j]);
    if (pivots[j] != j + 1) d.sign = -d.sign, d.value = -d.value;
    d.value *= v;
    d.sign *= v > 0 ? 1 : v < 0 ? -1 : v;  // 0 and NaN stay
    d.log += std::log(std::abs(v));
  }
  return d;
}

// Calls put(i, determinant, factors, pivots) for every matrix; the factors may be overwritten.
template <class Library, class T, class Put>
void each_determinant(OpContext& ctx, const Blob& x, Put&& put) {
  const int64_t n = x.shape[-1];
  each_matrix(
      ctx, x.shape,
      [&](int64_t i) {
        ScratchScope scope;
        T* a = static_cast<T*>(thread_scratch(size_t(n * n + 1) * sizeof(T)));
        int* pivots = static_cast<int*>(thread_scratch(size_t(n + 1) * sizeof(int)));
        std::copy_n(matrix<T>(x, i), n * n, a);
        if (n) Library::lu(a, pivots, n);
        put(i, determinant(a, pivots, n), a, pivots);
        return 0;
      },
      never);
}

template <class Library>
void det(OpContext& ctx, Inputs in, Outputs out) {
  with_real("_linalg_det", ctx, in, out, [&](auto type, const Blobs& x, const Blobs& y) {
    using T = decltype(type);
    each_determinant<Library, T>(ctx, x[0], [&](int64_t i, const Determinant& d, T*, int*) {
      y[0].as<T>()[i] = T(d.value);
    });
  });
}

template <class Library>
void slogdet(OpContext& ctx, Inputs in, Outputs out) {
  with_real("_linalg_slogdet", ctx, in, out, [&](auto type, const Blobs& x, const Blobs& y) {
    using T = decltype(type);
    each_determinant<Library, T>(ctx, x[0], [&](int64_t i, const Determinant& d, T*, int*) {
      y[0].as<T>()[i] = T(d.sign), y[1].as<T>()[i] = T(d.log);
    });
  });
}

template <class Library>
void cofactor(OpContext& ctx, Inputs in, Outputs out) {
  with_real("_cofactor", ctx, in, out, [&](auto type, const Blobs& x, const Blobs& y) {
    using T = decltype(type);
    const int64_t n = x[0].shape[-1];
    each_determinant<Library, T>(ctx, x[0],
                                 [&](int64_t i, const Determinant& d, T* a, const int* pivots) {
                                   T* to = matrix<T>(y[0], i);
                                   if (d.sign == 0) return void(std::fill_n(to, n * n, T(0)));
                                   if (n) Library::lu_inverse(a, pivots, n);
                                   for (int64_t r = 0; r < n; ++r)
                                     for (int64_t c = 0; c < n; ++c)
                                       to[r * n + c] = T(d.value * double(a[c * n + r]));
                                 });
  });
}

}  // namespace heddle::ops::factor
