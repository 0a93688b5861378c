// Convolution and fully connected layer on numbers of 8 bits: the records, and the kernels that
// need no library.
#include "operator/quantized/dense.h"

namespace heddle::ops::quantized_dense {

struct Loops {
  static void product(int64_t m, int64_t n, int64_t k, const int8_t* a, const int8_t* b,
                      const int32_t* offset, int32_t* y) {
    for (int64_t i = 0; i < m; ++i) {
      auto* row = reinterpret_cast<uint32_t*>(y + i * n);  // wraps around
      std::fill_n(row, n, uint32_t(offset[i]));
      for (int64_t j = 0; j < k; ++j) {
        const int32_t factor = a[i * k + j];
        const int8_t* from = b + j * n;
        for (int64_t l = 0; l < n; ++l) row[l] += uint32_t(factor * from[l]);
      }
    }
  }
  template <class T>
  static void product_with_rows(int64_t m, int64_t n, int64_t k, const T* a, const int8_t* b,
                                const int32_t* offset, int32_t* y, int64_t step) {
    for (int64_t i = 0; i < m; ++i)
      for (int64_t j = 0; j < n; ++j) {
        auto sum = uint32_t(offset[j]);
        for (int64_t l = 0; l < k; ++l)
          sum += uint32_t(int32_t(a[i * k + l]) * int32_t(b[j * k + l]));
        y[i * step + j] = int32_t(sum);
      }
  }
};

template <class P>
void infer_ranges(const P& p, InferContext& c) {
  quantized::infer_ranges(c, quantized::Places(p.no_bias).min_data);
}
void infer_convolution(const nn::ConvolutionParam& p, InferContext& c) {
  infer_ranges(p, c), nn::infer_convolution(p, c);
}
void infer_fully_connected(const nn::FullyConnectedParam& p, InferContext& c) {
  infer_ranges(p, c), nn::infer_fully_connected(p, c);
}
template <class P>
void infer_dtype(const P& p, InferContext& c) {
  const int first = quantized::Places(p.no_bias).min_data;
  quantized::check_8_bits(c.op().name, "data", c.in_dtype(0));
  for (int i = 1; i < first; ++i) c.set_in_dtype(i, Dtype::kInt8);
  quantized::infer_range_dtypes(c, first);
  c.set_out_dtype(0, Dtype::kInt32);
}

std::vector<Input> inputs(std::string weight) {
  const Condition biased = when("no_bias", false);
  return {{"data", "int8 or uint8"},
          {"weight", std::move(weight)},
          {.name = "bias", .doc = "int8", .when = biased},
          {"min_data", "(1)"},
          {"max_data", "(1)"},
          {"min_weight", "(1)"},
          {"max_weight", "(1)"},
          {.name = "min_bias", .doc = "(1)", .when = biased},
          {.name = "max_bias", .doc = "(1)", .when = biased}};
}

void define(OpTable& ops) {
  ops.define({.name = "_contrib_quantized_conv",
              .doc = "Convolution of 8 bits with sums of 32 bits, and the range of these.",
              .params = schema<nn::ConvolutionParam>(),
              .inputs = inputs("(num_filter, channels / num_group, kernel...), int8"),
              .outputs = quantized::with_range(),
              .infer = infer_convolution,
              .infer_dtype = infer_dtype<nn::ConvolutionParam>,
              .cpu = quantized::convolve<Loops>,
              .backward = {.zero = true}});
  ops.define({.name = "_contrib_quantized_fully_connected",
              .doc = "Linear layer of 8 bits with sums of 32 bits, and the range of these.",
              .params = schema<nn::FullyConnectedParam>(),
              .inputs = inputs("(num_hidden, features), int8"),
              .outputs = quantized::with_range(),
              .infer = infer_fully_connected,
              .infer_dtype = infer_dtype<nn::FullyConnectedParam>,
              .cpu = quantized::connect<Loops>,
              .backward = {.zero = true}});
}

}  // namespace heddle::ops::quantized_dense
