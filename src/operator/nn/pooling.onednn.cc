// Pooling on oneDNN: maxima and averages over float32 planes and volumes, plain or in blocks of
// channels.
#include "operator/nn/pooling.h"

#include "operator/nn/onednn.h"

namespace heddle::ops::pooling_onednn {

using dnnl::algorithm;
using dnnl::prop_kind;
using nn::PoolingParam;
using nn::PoolType;
using nn::Window;
using onednn::Desc;
using onednn::Dims;
using Key = std::vector<int64_t>;

algorithm kind_of(const PoolingParam& p) {
  if (p.pool_type == PoolType::kMax) return algorithm::pooling_max;
  return p.count_include_pad.value_or(true) ? algorithm::pooling_avg_include_padding
                                            : algorithm::pooling_avg_exclude_padding;
}

Key key_of(const PoolingParam& p, const Window& w, int64_t images) {
  Key k = {int64_t(kind_of(p)), images, w.channels};
  for (const auto* axes : {&w.in, &w.out, &w.kernel, &w.stride, &w.pad})
    k.insert(k.end(), axes->begin(), axes->end());
  return k;
}

// Planes are images of one channel, blocks of them images of as many: pooling does not tell images
// and channels apart.
Window window_of(const PoolingParam& p, const Blob& data, const Blob& output) {
  Window w = nn::window_of(p, data.shape, output.shape);
  if (const int block = channel_block(data.stored.layout))
    w.channels = w.filters = block, w.batch /= block;
  return w;
}

struct Plan {
  Desc data, output, workspace;
  dnnl::pooling_forward forward;
  dnnl::pooling_backward backward;
};
Plan make_plan(const Key& k) {
  auto axis = [&](int list, int i) { return k[size_t(3 + 3 * list + i)]; };
  const auto kind = algorithm(k[0]);
  Dims data = {k[1], k[2]}, output = data, kernel, stride, pad, pad_after;
  for (int i = axis(0, 0) == 1 && axis(2, 0) == 1 ? 1 : 0; i < Window::kAxes; ++i) {
    data.push_back(axis(0, i)), output.push_back(axis(1, i)), kernel.push_back(axis(2, i));
    stride.push_back(axis(3, i)), pad.push_back(axis(4, i));
    pad_after.push_back((axis(1, i) - 1) * axis(3, i) + axis(2, i) - axis(0, i) - axis(4, i));
  }
  Plan plan;
  const Layout layout = k[2] == 1 ? Layout{} : Layout::channels(int(k[2]));
  plan.data = onednn::desc_of(data, layout), plan.output = onednn::desc_of(output, layout);
  const dnnl::pooling_forward::primitive_desc forward(
      {prop_kind::forward_training, kind, plan.data, plan.output, stride, kernel, pad, pad_after},
      onednn::engine());
  const dnnl::pooling_backward::primitive_desc backward(
      {kind, plan.data, plan.output, stride, kernel, pad, pad_after}, onednn::engine(), forward);
  if (kind == algorithm::pooling_max) plan.workspace = forward.workspace_desc();
  plan.forward = dnnl::pooling_forward(forward), plan.backward = dnnl::pooling_backward(backward);
  return plan;
}

constexpr int64_t kPieces = 8;
int64_t grain_of(const Window& w) { return (w.batch + kPieces - 1) / kPieces; }

std::unordered_map<int, dnnl::memory> forward_args(const Plan& plan, const float* x, const float* y,
                                                   const float* workspace) {
  std::unordered_map<int, dnnl::memory> args = {{DNNL_ARG_SRC, onednn::memory(plan.data, x)},
                                                {DNNL_ARG_DST, onednn::memory(plan.output, y)}};
  if (workspace) args[DNNL_ARG_WORKSPACE] = onednn::memory(plan.workspace, workspace);
  return args;
}

float* workspace_of(const Plan& plan) {
  const size_t bytes = plan.workspace.get_size();
  return bytes ? static_cast<float*>(thread_scratch(bytes)) : nullptr;
}

void forward(const PoolingParam& p, OpContext& ctx, Inputs in, Outputs out) {
  const Window w = window_of(p, in[0], out[0]);
  const int64_t in_image = w.channels * w.in_size(), out_image = w.channels * w.out_size();
  const float* x = in[0].as<float>();
  float* y = out[0].as<float>();
  onednn::guarded("Pooling", [&] {
    ctx.parallel_for(w.batch, grain_of(w), [&](int64_t from, int64_t to) {
      onednn::one_thread();
      ScratchScope scope;
      const Plan& plan = onednn::cached(key_of(p, w, to - from), make_plan);
      dnnl::stream s(onednn::engine());
      plan.forward.execute(
          s, forward_args(plan, x + from * in_image, y + from * out_image, workspace_of(plan)));
    });
  });
}

// in: dy, and for maxima data, whose places are found again. out: gradient of data.
void backward(const PoolingParam& p, OpContext& ctx, Inputs in, Outputs out) {
  const Window w = window_of(p, out[0], in[0]);
  const int64_t in_image = w.channels * w.in_size(), out_image = w.channels * w.out_size();
  onednn::guarded("Pooling", [&] {
    ctx.parallel_for(w.batch, grain_of(w), [&](int64_t from, int64_t to) {
      onednn::one_thread();
      ScratchScope scope;
      const Plan& plan = onednn::cached(key_of(p, w, to - from), make_plan);
      dnnl::stream s(onednn::engine());
      const float* workspace = workspace_of(plan);
      std::unordered_map<int, dnnl::memory> args = {
          {DNNL_ARG_DIFF_DST, onednn::memory(plan.output, in[0].as<float>() + from * out_image)},
          {DNNL_ARG_DIFF_SRC, onednn::memory(plan.data, out[0].as<float>() + from * in_image)}};
      if (workspace) {
        auto* y = static_cast<float*>(thread_scratch(plan.output.get_size()));
        plan.forward.execute(s,
                             forward_args(plan, in[1].as<float>() + from * in_image, y, workspace));
        args[DNNL_ARG_WORKSPACE] = onednn::memory(plan.workspace, workspace);
      }
      plan.backward.execute(s, args);
    });
  });
}

// The first tensor that lies in blocks of channels decides; none: nothing is in blocks.
Layout blocks_in(std::span<const Blob> blobs) {
  for (const Blob& b : blobs)
    if (channel_block(b.stored.layout)) return b.stored.layout;
  return {};
}

// The library sums a window in float32, one cell after the other.
constexpr int64_t kLongSum = 1 << 16;

// Plain tiles that do not overlap have loops of their own. Averages whose last window leaves the
// padding count their cells in another way here.
bool suits(const PoolingParam& p, const Situation& s, const Blob& data, const Blob& output) {
  if (data.dtype != Dtype::kFloat32 || data.size() == 0 || data.shape.rank() < 4) return false;
  if (p.pool_type != PoolType::kMax && p.pool_type != PoolType::kAvg) return false;
  const Window w = nn::window_of(p, data.shape, output.shape);
  bool overlaps = p.global_pool || !blocks_in(s.in).plain(), fits = true;
  for (int i = 0; i < Window::kAxes; ++i) {
    overlaps = overlaps || w.kernel[i] > w.stride[i] || w.pad[i] > 0;
    fits = fits && (w.out[i] - 1) * w.stride[i] + w.kernel[i] <= w.in[i] + 2 * w.pad[i];
  }
  const bool drifts = p.pool_type == PoolType::kAvg && w.taps() > kLongSum;
  return overlaps && fits && !drifts && !p.divides_by_window;
}
bool accepts(const PoolingParam& p, const Situation& s) { return suits(p, s, s.in[0], s.out[0]); }
bool accepts_backward(const PoolingParam& p, const Situation& s) {
  return suits(p, s, s.out[0], s.in[0]);
}

void wants(const PoolingParam&, const Situation& s, StoredAs& as) {
  const Stored all{.layout = blocks_in(s.in)};
  std::fill(as.in.begin(), as.in.end(), all);
  as.out[0] = all;
}

void define(OpTable& ops) {
  ops.kernel("Pooling", Device::kCpu, "onednn", forward, accepts, wants);
  ops.kernel("_backward_Pooling", Device::kCpu, "onednn", backward, accepts_backward, wants);
}

}  // namespace heddle::ops::pooling_onednn
