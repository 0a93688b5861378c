// float32 products by oneDNN.
#include "operator/linalg.h"

#include <dnnl.h>
#include <omp.h>

namespace heddle::ops::linalg_onednn {

// oneDNN would start a team of threads of its own; the caller has split the work already.
void one_thread() {
  thread_local bool held = false;
  if (!held) omp_set_num_threads(1), held = true;
}

// Below this the call costs more than the product.
bool takes(const linalg::Extents& e) { return e.m * e.n * e.k >= 32 * 32 * 32; }

void sgemm(linalg::Mat<float> a, linalg::Mat<float> b, linalg::Mat<float> c, bool accumulate) {
  one_thread();
  const auto status =
      dnnl_sgemm(a.transposed ? 'T' : 'N', b.transposed ? 'T' : 'N', c.rows, c.cols, a.n(), 1.f,
                 a.data, a.ld, b.data, b.ld, accumulate ? 1.f : 0.f, c.data, c.ld);
  check(status == dnnl_success, "[linalg] dnnl_sgemm failed with status {}", int(status));
}

void define(OpTable&) { linalg::offer({.library = "onednn", .takes = takes, .sgemm = sgemm}); }

}  // namespace heddle::ops::linalg_onednn
