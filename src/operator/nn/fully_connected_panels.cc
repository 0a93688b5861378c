// FullyConnected in float32 on weights that a plan has brought into panels: nothing is packed when
// it runs, and what follows is done while a piece of the output is in the cache.
#include <algorithm>

#include "operator/linalg.h"
#include "operator/nn/fully_connected.h"
#include "operator/nn/panels.h"

namespace heddle::ops::fully_connected_panels {

using nn::FullyConnectedParam;
using FusedParam = nn::FusedFullyConnectedParam;

// As many rows of data as stay in the second cache while panels go by, and columns in pieces of
// about equal work: both depend on extents only.
struct Pieces {
  int64_t rows, columns;  // of a piece
  int64_t down, across;   // how many
  Pieces(int64_t m, int64_t n, int64_t k, int64_t wide) {
    constexpr int64_t kElements = int64_t(1) << 16, kWork = int64_t(1) << 17, kMost = 16;
    rows = std::clamp<int64_t>(kElements / std::max<int64_t>(k, 1) / 8 * 8, 8, 96);
    down = (m + rows - 1) / rows;
    rows = (m + down - 1) / down;
    const int64_t most = std::max<int64_t>(1, kMost / down);
    across = std::clamp<int64_t>(rows * n * k / kWork, 1, most);
    columns = ((n + across - 1) / across + wide - 1) / wide * wide;
    across = (n + columns - 1) / columns;
  }
};

void connect(const FullyConnectedParam& p, const nn::Following& then, OpContext& ctx, Inputs in,
             const float* addend, const Blob& out) {
  const nn::Panels& panels = nn::panels();
  const int64_t m = nn::rows(p, in[0].shape), k = nn::features(p, in[0].shape), n = p.num_hidden;
  if (m == 0) return;
  const Pieces pieces(m, n, k, panels.wide);
  const float *x = in[0].as<float>(), *bias = p.no_bias ? nullptr : in[2].as<float>();
  const int64_t ld = m > 1 ? nn::apart<float>(k) : k;
  if (ld != k) {
    float* const spread = ctx.scratch_of<float>(m * ld);
    ctx.parallel_for(m, std::max<int64_t>(1, 32768 / std::max<int64_t>(k, 1)),
                     [&](int64_t from, int64_t to) {
                       for (int64_t r = from; r < to; ++r)
                         std::copy_n(x + r * k, k, spread + r * ld);
                     });
    x = spread;
  }
  const auto* const weight = in[1].as<float>();
  auto* const y = out.as<float>();
  const nn::Limits limits = nn::limits_of(then);
  const bool finishes = then.sum || then.activation != nn::Epilogue::kNone;
  ctx.parallel_for(pieces.down * pieces.across, 1, [&](int64_t from, int64_t to) {
    for (int64_t i = from; i < to; ++i) {
      const int64_t r = i / pieces.across * pieces.rows, j = i % pieces.across * pieces.columns;
      const int64_t rows = std::min(pieces.rows, m - r), columns = std::min(pieces.columns, n - j);
      float* const c = y + r * n + j;
      panels.multiply(x + r * ld, ld, rows, weight + j * k, k, c, n, columns,
                      bias ? bias + j : nullptr, false);
      if (finishes)
        panels.finish(c, n, rows, columns, addend ? addend + r * n + j : nullptr, n, limits.low,
                      limits.high);
    }
  });
}

void forward_packed(const FullyConnectedParam& p, OpContext& ctx, Inputs in, Outputs out) {
  connect(p, {}, ctx, in, nullptr, out[0]);
}
void forward_fused_packed(const FusedParam& p, OpContext& ctx, Inputs in, Outputs out) {
  const Blob addend = nn::addend_beside(p, ctx, in, out[0]);
  connect(p, p, ctx, in, p.sum ? addend.as<float>() : nullptr, out[0]);
}

// Columns that fill panels; below level 3 libraries multiply faster.
bool accepts(const FullyConnectedParam& p, const Situation& s) {
  return s.in[0].dtype == Dtype::kFloat32 && p.num_hidden >= 8 && linalg::own_kernels_pay();
}
bool accepts_fused(const FusedParam& p, const Situation& s) { return accepts(p, s); }

// --- packing ------------------------------------------------------------------------------------
void infer(const FusedParam& p, InferContext& c) {
  c.set_in(0, {p.num_hidden, -1});
  if (c.in(0).known()) c.set_out(0, {nn::panels().whole(p.num_hidden), c.in(0)[1]});
}

void pack(const FusedParam& p, OpContext& ctx, Inputs in, Outputs out) {
  const nn::Panels& panels = nn::panels();
  with_float(in[0].dtype, "FullyConnected", [&](auto type) {
    using T = decltype(type);
    const int64_t n = p.num_hidden, k = in[0].shape[1], count = panels.whole(n) / panels.wide;
    const T* from = in[0].as<T>();
    T* const to = out[0].as<T>();
    ctx.parallel_for(count, std::max<int64_t>(1, count / 16), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i)
        panels.pack(from + i * panels.wide * k, 1, k, k, n - i * panels.wide,
                    to + i * panels.wide * k);
    });
  });
}

ScratchNeed scratch(const FullyConnectedParam& p, const Situation& s) {
  const int64_t m = nn::rows(p, s.in[0].shape), k = nn::features(p, s.in[0].shape);
  const int64_t ld = m > 1 ? nn::apart<float>(k) : k;
  return {.call = ld == k ? 0 : 4 * m * ld};
}
ScratchNeed scratch_fused(const FusedParam& p, const Situation& s) {
  return nn::beside_addend(p, scratch(p, s), s.out[0]);
}

ScratchNeed scratch_of_products(const FusedParam& p, const Situation& s) {
  return nn::beside_addend(p, nn::scratch_of_fully_connected(p, s), s.out[0]);
}

void define(OpTable& ops) {
  ops.define({
      .name = "_pack_FullyConnected_weight",
      .doc =
          "The weight of FullyConnected in the panels of this machine's kernels: put in by plans "
          "of prediction.",
      .dtypes = Dtypes::kFloating,
      .params = schema<FusedParam>(),
      .inputs = {{"weight", "(num_hidden, features)"}},
      .infer = infer,
      .cpu = pack,
  });
  // Weights that are not packed, in eager calls, are multiplied as elsewhere.
  ops.kernel("FullyConnected", Device::kCpu, "panels", nn::connect, accepts);
  ops.scratch("FullyConnected", nn::scratch_of_fully_connected);
  ops.packing("FullyConnected", 1, "_pack_FullyConnected_weight", forward_packed, {}, scratch);
  ops.kernel("_fused_fully_connected", Device::kCpu, "panels", nn::connect_fused, accepts_fused);
  ops.scratch("_fused_fully_connected", scratch_of_products);
  ops.packing("_fused_fully_connected", 1, "_pack_FullyConnected_weight", forward_fused_packed, {},
              scratch_fused);
}

}  // namespace heddle::ops::fully_connected_panels
