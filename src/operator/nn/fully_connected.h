// What the kernels of fully connected layers agree on: parameters and extents.
#pragma once
#include "operator/nn/epilogue.h"

namespace heddle::ops::nn {

struct FullyConnectedParam {
  int64_t num_hidden = 0;
  bool no_bias = false;
  bool flatten = true;

  void fields(auto&& f) {
    f("num_hidden", num_hidden, "Number of output units.").required().at_least(1);
    f("no_bias", no_bias, "Leave the bias out.");
    f("flatten", flatten, "Treat every axis of data after the first as one.");
  }
};

inline int64_t rows(const FullyConnectedParam& p, const Shape& x) {
  return p.flatten ? x[0] : x.size(0, x.rank() - 1);
}
inline int64_t features(const FullyConnectedParam& p, const Shape& x) {
  return p.flatten ? x.size(1) : x[-1];
}

// Shapes of data, weight, bias (unless no_bias) and output, the inputs and the output that come
// first.
void infer_fully_connected(const FullyConnectedParam& p, InferContext& c);
double flops_of_fully_connected(const FullyConnectedParam& p, const Situation& s);
ScratchNeed scratch_of_fully_connected(const FullyConnectedParam& p, const Situation& s);
// On the matrix products of linalg.h.
void connect(const FullyConnectedParam& p, OpContext& ctx, Inputs in, Outputs out);
using FusedFullyConnectedParam = Fused<FullyConnectedParam>;
void connect_fused(const FusedFullyConnectedParam& p, OpContext& ctx, Inputs in, Outputs out);

}  // namespace heddle::ops::nn
