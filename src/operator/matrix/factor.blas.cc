// Factorisations and triangular products by OpenBLAS and its LAPACK. LAPACK counts by columns, so a
// row-major matrix looks like its transpose there, and a lower triangle like an upper one.
#include <cblas.h>

#include <algorithm>

#include "operator/matrix/factor_kernels.h"

#define HEDDLE_LAPACK(s, T)                                                                        \
  void s##potrf_(const char* uplo, const int* n, T* a, const int* lda, int* info);                 \
  void s##potri_(const char* uplo, const int* n, T* a, const int* lda, int* info);                 \
  void s##geqrf_(const int* m, const int* n, T* a, const int* lda, T* tau, T* work,                \
                 const int* lwork, int* info);                                                     \
  void s##orgqr_(const int* m, const int* n, const int* k, T* a, const int* lda, const T* tau,     \
                 T* work, const int* lwork, int* info);                                            \
  void s##syevd_(const char* job, const char* uplo, const int* n, T* a, const int* lda, T* w,      \
                 T* work, const int* lwork, int* iwork, const int* liwork, int* info);             \
  void s##getrf_(const int* m, const int* n, T* a, const int* lda, int* pivots, int* info);        \
  void s##getri_(const int* n, T* a, const int* lda, const int* pivots, T* work, const int* lwork, \
                 int* info);
extern "C" {
HEDDLE_LAPACK(s, float)
HEDDLE_LAPACK(d, double)
}
#undef HEDDLE_LAPACK

// The function of LAPACK or BLAS for the type of the matrix.
#define HEDDLE_CALL(T, single, twice, ...)                       \
  do {                                                           \
    if constexpr (std::is_same_v<T, float>) single(__VA_ARGS__); \
    else twice(__VA_ARGS__);                                     \
  } while (false)

namespace heddle::ops::factor_blas {

using solvers::Triangle;

template <class T>
T* work(int64_t n) {
  return static_cast<T*>(thread_scratch(size_t(std::max<int64_t>(n, 1)) * sizeof(T)));
}
const char* triangle(bool lower) { return lower ? "U" : "L"; }

struct Lapack {
  template <class T>
  static int cholesky(T* a, int64_t order, bool lower) {
    const int n = int(order), ld = std::max(n, 1);
    int info = 0;
    HEDDLE_CALL(T, spotrf_, dpotrf_, triangle(lower), &n, a, &ld, &info);
    return info;
  }
  template <class T>
  static void cholesky_inverse(T* a, int64_t order, bool lower) {
    const int n = int(order), ld = std::max(n, 1);
    int info = 0;
    HEDDLE_CALL(T, spotri_, dpotri_, triangle(lower), &n, a, &ld, &info);
  }
  template <class T>
  static void multiply(Triangle t, const T* a, T* b, int64_t m, int64_t n, int64_t ld, T alpha) {
    HEDDLE_CALL(T, cblas_strmm, cblas_dtrmm, CblasRowMajor, t.right ? CblasRight : CblasLeft,
                t.lower ? CblasLower : CblasUpper, t.transposed ? CblasTrans : CblasNoTrans,
                CblasNonUnit, int(m), int(n), alpha, a, int(t.right ? n : m), b, int(ld));
  }
  template <class T>
  static void solve(Triangle t, const T* a, T* b, int64_t m, int64_t n, int64_t ld, T alpha) {
    HEDDLE_CALL(T, cblas_strsm, cblas_dtrsm, CblasRowMajor, t.right ? CblasRight : CblasLeft,
                t.lower ? CblasLower : CblasUpper, t.transposed ? CblasTrans : CblasNoTrans,
                CblasNonUnit, int(m), int(n), alpha, a, int(t.right ? n : m), b, int(ld));
  }
  template <class T>
  static void square(const T* a, T* c, int64_t n, int64_t k, bool transposed, T alpha) {
    if (n == 0) return;
    HEDDLE_CALL(T, cblas_ssyrk, cblas_dsyrk, CblasRowMajor, CblasLower,
                transposed ? CblasTrans : CblasNoTrans, int(n), int(k), alpha, a,
                int(std::max<int64_t>(1, transposed ? n : k)), T(0), c, int(n));
  }
  template <class T>
  static void lq(T* a, T* l, int64_t rows, int64_t cols) {  // as the QR of the transpose
    if (rows == 0) return;
    ScratchScope scope;
    const int m = int(rows), n = int(cols), size = 64 * m;
    T *tau = work<T>(m), *space = work<T>(size);
    int info = 0;
    HEDDLE_CALL(T, sgeqrf_, dgeqrf_, &n, &m, a, &n, tau, space, &size, &info);
    for (int64_t i = 0; i < rows; ++i) std::copy_n(a + i * cols, i + 1, l + i * rows);
    HEDDLE_CALL(T, sorgqr_, dorgqr_, &n, &m, &m, a, &n, tau, space, &size, &info);
  }
  template <class T>
  static int eigen(T* a, T* values, int64_t order) {
    ScratchScope scope;
    const int n = int(order);
    const int64_t wide = 1 + 6 * order + 2 * order * order;
    const int size = int(wide), whole = 3 + 5 * n;
    T* space = work<T>(wide);
    int* places = work<int>(whole);
    int info = 0;
    HEDDLE_CALL(T, ssyevd_, dsyevd_, "V", triangle(true), &n, a, &n, values, space, &size, places,
                &whole, &info);
    return info;
  }
  template <class T>
  static int lu(T* a, int* pivots, int64_t order) {
    const int n = int(order);
    int info = 0;
    HEDDLE_CALL(T, sgetrf_, dgetrf_, &n, &n, a, &n, pivots, &info);
    return info;
  }
  template <class T>
  static void lu_inverse(T* a, const int* pivots, int64_t order) {
    ScratchScope scope;
    const int n = int(order), size = 64 * n;
    T* space = work<T>(size);
    int info = 0;
    HEDDLE_CALL(T, sgetri_, dgetri_, &n, a, &n, pivots, space, &size, &info);
  }
};

// LAPACK counts in int.
bool fits(const Situation& s) {
  for (const Blob& b : s.in)
    if (b.shape[-1] > 20000 || b.shape[-2] > 20000) return false;
  return true;
}

void define(OpTable& ops) {
  auto add = [&](const char* op, Kernel run) {
    ops.kernel(op, Device::kCpu, "blas", run, fits);
    ops.scratch(op, factor::scratch_of_matrices);
  };
  add("_linalg_potrf", factor::potrf<Lapack>);
  add("_linalg_potri", factor::potri<Lapack>);
  add("_linalg_trmm", factor::trmm<Lapack>);
  add("_linalg_trsm", factor::trsm<Lapack>);
  add("_linalg_syrk", factor::syrk<Lapack>);
  add("_linalg_gelqf", factor::gelqf<Lapack>);
  add("_linalg_syevd", factor::syevd<Lapack>);
  add("_linalg_inverse", factor::inverse<Lapack>);
  add("_linalg_det", factor::det<Lapack>);
  add("_linalg_slogdet", factor::slogdet<Lapack>);
  add("_cofactor", factor::cofactor<Lapack>);
}

}  // namespace heddle::ops::factor_blas
