// Factorisations and triangular products of one matrix, in the terms of a library that offers them.
// Matrices are row-major, T is float or double. Plain (solvers.cc) is portable; another library is
// a struct with the same functions, which factor_kernels.h turns into kernels.
#pragma once
#include <cstdint>

namespace heddle::ops::solvers {

// Which triangle of `a` counts, and how it stands in a product.
struct Triangle {
  bool lower = true, transposed = false, right = false;
};

struct Plain {
  // The Cholesky factor in the triangle of a (n, n) that is read; the other is left alone. Returns
  // 0, or the order of the leading minor that is not positive.
  template <class T>
  static int cholesky(T* a, int64_t n, bool lower);
  // Such a factor becomes the inverse of the matrix, in the same triangle.
  template <class T>
  static void cholesky_inverse(T* a, int64_t n, bool lower);
  // b (m, n), rows `ld` apart, becomes alpha op(a) b or alpha b op(a).
  template <class T>
  static void multiply(Triangle t, const T* a, T* b, int64_t m, int64_t n, int64_t ld, T alpha);
  // b becomes the x of op(a) x = alpha b or x op(a) = alpha b.
  template <class T>
  static void solve(Triangle t, const T* a, T* b, int64_t m, int64_t n, int64_t ld, T alpha);
  // The lower triangle of c (n, n) becomes alpha a a^T, or alpha a^T a where a is (k, n).
  template <class T>
  static void square(const T* a, T* c, int64_t n, int64_t k, bool transposed, T alpha);
  // a (m, n), m <= n, becomes Q; the lower triangle of l (m, m) becomes L.
  template <class T>
  static void lq(T* a, T* l, int64_t m, int64_t n);
  // The symmetric matrix in the lower triangle of a becomes its eigenvectors, as rows, by rising
  // eigenvalue. Returns 0, or not 0 where it did not converge.
  template <class T>
  static int eigen(T* a, T* values, int64_t n);
  // Factors of a with rows (or columns) exchanged: the product of the diagonal is the determinant
  // but for its sign, which changes with each pivots[i] != i + 1. Returns 0, or which pivot is 0.
  template <class T>
  static int lu(T* a, int* pivots, int64_t n);
  // Such factors become the inverse.
  template <class T>
  static void lu_inverse(T* a, const int* pivots, int64_t n);
};

}  // namespace heddle::ops::solvers
