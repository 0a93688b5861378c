// float32 and float64 products by OpenBLAS.
#include "operator/linalg.h"

#include <cblas.h>

namespace heddle::ops::linalg_blas {

bool takes(const linalg::Extents& e) { return e.m * e.n * e.k >= 16 * 16 * 16; }

CBLAS_TRANSPOSE flag(bool transposed) { return transposed ? CblasTrans : CblasNoTrans; }

void sgemm(linalg::Mat<float> a, linalg::Mat<float> b, linalg::Mat<float> c, bool accumulate) {
  cblas_sgemm(CblasRowMajor, flag(a.transposed), flag(b.transposed), int(c.rows), int(c.cols),
              int(a.n()), 1.f, a.data, int(a.ld), b.data, int(b.ld), accumulate ? 1.f : 0.f, c.data,
              int(c.ld));
}

void dgemm(linalg::Mat<double> a, linalg::Mat<double> b, linalg::Mat<double> c, bool accumulate) {
  cblas_dgemm(CblasRowMajor, flag(a.transposed), flag(b.transposed), int(c.rows), int(c.cols),
              int(a.n()), 1., a.data, int(a.ld), b.data, int(b.ld), accumulate ? 1. : 0., c.data,
              int(c.ld));
}

void define(OpTable&) {
  openblas_set_num_threads(1);  // the caller has split the work already
  linalg::offer({.library = "blas", .takes = takes, .sgemm = sgemm, .dgemm = dgemm});
}

}  // namespace heddle::ops::linalg_blas
