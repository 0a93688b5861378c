// Convolution, fully connected layer and LSTM on numbers of 8 bits, by oneDNN's products of
// matrices: their sums are int32 throughout, where its convolutions pass through float32. On
// processors without dot products of 8 bits (VNNI) these would saturate pairs to 16 bits, so there
// they are not taken.
#include "operator/nn/onednn.h"
#include "operator/quantized/lstm.h"
#include "operator/scratch_needs.h"

namespace heddle::ops::quantized_dense_onednn {

void check_status(dnnl::status s) {
  check(s == dnnl::status::success, "[quantized] oneDNN's product failed with status {}", int(s));
}

struct Products {
  static void product(int64_t m, int64_t n, int64_t k, const int8_t* a, const int8_t* b,
                      const int32_t* offset, int32_t* y) {
    onednn::one_thread();
    check_status(
        dnnl::gemm_s8s8s32('N', 'N', 'C', m, n, k, 1.f, a, k, 0, b, n, 0, 0.f, y, n, offset));
  }
  static void product_with_rows(int64_t m, int64_t n, int64_t k, const int8_t* a, const int8_t* b,
                                const int32_t* offset, int32_t* y, int64_t step) {
    onednn::one_thread();
    check_status(
        dnnl::gemm_s8s8s32('N', 'T', 'R', m, n, k, 1.f, a, k, 0, b, k, 0, 0.f, y, step, offset));
  }
  static void product_with_rows(int64_t m, int64_t n, int64_t k, const uint8_t* a, const int8_t* b,
                                const int32_t* offset, int32_t* y, int64_t step) {
    onednn::one_thread();
    check_status(
        dnnl::gemm_u8s8s32('N', 'T', 'R', m, n, k, 1.f, a, k, 0, b, k, 0, 0.f, y, step, offset));
  }
};

bool accepts(const Situation& s) {
  static const bool exact = [] {
    const int isa = int(dnnl::get_effective_cpu_isa());
    const auto has = [isa](dnnl::cpu_isa wanted) { return (isa & int(wanted)) == int(wanted); };
    return has(dnnl::cpu_isa::avx512_core_vnni) || has(dnnl::cpu_isa::avx2_vnni);
  }();
  return exact && s.in[0].size() > 0;
}

void define(OpTable& ops) {
  ops.kernel("_contrib_quantized_conv", Device::kCpu, "onednn", quantized::convolve<Products>,
             accepts);
  ops.kernel("_contrib_quantized_fully_connected", Device::kCpu, "onednn",
             quantized::connect<Products>, accepts);
  ops.kernel("_contrib_quantized_rnn", Device::kCpu, "onednn", quantized::lstm<Products>, accepts);
  ops.scratch("_contrib_quantized_conv", quantized::scratch_of_convolution);
  ops.scratch("_contrib_quantized_rnn", quantized::scratch_of_lstm);
}

}  // namespace heddle::ops::quantized_dense_onednn
