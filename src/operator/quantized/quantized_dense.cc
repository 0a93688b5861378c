// Convolution and fully connected layer on numbers of 8 bits: the records, and the kernels that
// need no library.
#include "operator/quantized/dense.h"
#include "operator/scratch_needs.h"

namespace heddle::ops::quantized_dense {

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
              .cpu = quantized::convolve<quantized::Loops>,
              .backward = {.zero = true}});
  ops.define({.name = "_contrib_quantized_fully_connected",
              .doc = "Linear layer of 8 bits with sums of 32 bits, and the range of these.",
              .params = schema<nn::FullyConnectedParam>(),
              .inputs = inputs("(num_hidden, features), int8"),
              .outputs = quantized::with_range(),
              .infer = infer_fully_connected,
              .infer_dtype = infer_dtype<nn::FullyConnectedParam>,
              .cpu = quantized::connect<quantized::Loops>,
              .backward = {.zero = true}});
  ops.scratch("_contrib_quantized_conv", quantized::scratch_of_convolution);
}

}  // namespace heddle::ops::quantized_dense
