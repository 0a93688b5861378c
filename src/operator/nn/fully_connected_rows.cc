// FullyConnected in float32 of few rows and a large weight, as it lies: reading the weight is all
// that takes time, so bringing it into another order would cost as much memory again and gain
// nothing.
#include <algorithm>

#include "operator/linalg.h"
#include "operator/nn/fully_connected.h"
#include "operator/nn/panels.h"

namespace heddle::ops::fully_connected_rows {

using nn::FullyConnectedParam;
using FusedParam = nn::FusedFullyConnectedParam;

void connect(const FullyConnectedParam& p, const nn::Following& then, OpContext& ctx, Inputs in,
             const float* addend, const Blob& out) {
  const nn::Panels& panels = nn::panels();
  const int64_t m = nn::rows(p, in[0].shape), k = nn::features(p, in[0].shape), n = p.num_hidden;
  const float *const x = in[0].as<float>(), *const weight = in[1].as<float>();
  const float* const bias = p.no_bias ? nullptr : in[2].as<float>();
  float* const y = out.as<float>();
  const nn::Limits limits = nn::limits_of(then);
  const bool finishes = then.sum || then.activation != nn::Epilogue::kNone;
  constexpr int64_t kPieces = 16, kUnit = 8;
  const int64_t grain = ((n + kPieces - 1) / kPieces + kUnit - 1) / kUnit * kUnit;
  ctx.parallel_for(n, grain, [&](int64_t from, int64_t to) {
    panels.dots(x, k, m, weight + from * k, k, k, y + from, n, to - from,
                bias ? bias + from : nullptr, false);
    if (finishes)
      panels.finish(y + from, n, m, to - from, addend ? addend + from : nullptr, n, limits.low,
                    limits.high);
  });
}

void forward(const FullyConnectedParam& p, OpContext& ctx, Inputs in, Outputs out) {
  connect(p, {}, ctx, in, nullptr, out[0]);
}
void forward_fused(const FusedParam& p, OpContext& ctx, Inputs in, Outputs out) {
  const Blob addend = nn::addend_beside(p, ctx, in, out[0]);
  connect(p, p, ctx, in, p.sum ? addend.as<float>() : nullptr, out[0]);
}

// A smaller weight stays in a cache from run to run, and there packed panels are read faster.
bool accepts(const FullyConnectedParam& p, const Situation& s) {
  constexpr int64_t kRows = 2, kBytes = 16 << 20;
  return s.in[0].dtype == Dtype::kFloat32 && s.in[0].size() > 0 && linalg::own_kernels_pay() &&
         nn::rows(p, s.in[0].shape) <= kRows && s.in[1].size() * 4 >= kBytes;
}
bool accepts_fused(const FusedParam& p, const Situation& s) { return accepts(p, s); }

void define(OpTable& ops) {
  ops.kernel("FullyConnected", Device::kCpu, "rows", forward, accepts);
  ops.kernel("_fused_fully_connected", Device::kCpu, "rows", forward_fused, accepts_fused);
}

}  // namespace heddle::ops::fully_connected_rows
