// Products by oneDNN: of float32, and of bfloat16 where the processor multiplies it.
#include "operator/linalg.h"

#include <dnnl.h>

#include "operator/nn/onednn.h"

namespace heddle::ops::linalg_onednn {

using linalg::Mat;
using onednn::Desc;
using onednn::Type;
using Key = std::vector<int64_t>;

// Below this the call costs more than the product.
bool takes(const linalg::Extents& e) { return e.m * e.n * e.k >= 32 * 32 * 32; }

void sgemm(Mat<float> a, Mat<float> b, Mat<float> c, bool accumulate) {
  onednn::one_thread();
  const auto status =
      dnnl_sgemm(a.transposed ? 'T' : 'N', b.transposed ? 'T' : 'N', c.rows, c.cols, a.n(), 1.f,
                 a.data, a.ld, b.data, b.ld, accumulate ? 1.f : 0.f, c.data, c.ld);
  check(status == dnnl_success, "[linalg] dnnl_sgemm failed with status {}", int(status));
}

// --- bfloat16 -----------------------------------------------------------------------------------
struct Product {
  dnnl::matmul run;
  Desc a, b, c;
};
// The key of a matrix: rows and columns as it is multiplied, and how far apart elements lie.
void append(Key& k, const Mat<bfloat16>& m) {
  k.insert(k.end(), {m.m(), m.n(), m.transposed ? 1 : m.ld, m.transposed ? m.ld : 1});
}
Product make_product(const Key& k) {
  const auto desc = [&](size_t i) {
    return Desc({k[i], k[i + 1]}, Type::bf16, onednn::Dims{k[i + 2], k[i + 3]});
  };
  dnnl::post_ops then;
  if (k[12]) then.append_sum(1);
  dnnl::primitive_attr attributes;
  attributes.set_post_ops(then);
  Product p{{}, desc(0), desc(4), desc(8)};
  p.run = dnnl::matmul(dnnl::matmul::primitive_desc({p.a, p.b, p.c}, attributes, onednn::engine()));
  return p;
}

void bgemm(Mat<bfloat16> a, Mat<bfloat16> b, Mat<bfloat16> c, bool accumulate) {
  onednn::one_thread();
  Key key;
  append(key, a), append(key, b), append(key, c);
  key.push_back(accumulate);
  onednn::guarded("linalg", [&] {
    const Product& p = onednn::cached(key, make_product);
    dnnl::stream s(onednn::engine());
    p.run.execute(s, {{DNNL_ARG_SRC, onednn::memory(p.a, a.data)},
                      {DNNL_ARG_WEIGHTS, onednn::memory(p.b, b.data)},
                      {DNNL_ARG_DST, onednn::memory(p.c, c.data)}});
  });
}

void define(OpTable&) {
  linalg::offer({.library = "onednn",
                 .takes = takes,
                 .sgemm = sgemm,
                 .bgemm = onednn::computes(Dtype::kBfloat16) ? bgemm : nullptr});
}

}  // namespace heddle::ops::linalg_onednn
