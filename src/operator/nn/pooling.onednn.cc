// Pooling on oneDNN: maxima and averages over planes and volumes of float32 or bfloat16, plain or
// in blocks of channels.
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

// Pooling does not tell images and channels apart, so planes are taken as images of as many
// channels as the vector kernels want beside each other; in blocks of channels they lie so.
struct Planes : Window {
  int block;  // 0: plain
  Dtype dtype;
  Planes(const PoolingParam& p, const Blob& data, const Blob& output)
      : Window(nn::window_of(p, data.shape, output.shape)),
        block(channel_block(data.stored.layout)),
        dtype(data.dtype) {
    channels = block ? block : batch % onednn::block() == 0 ? onednn::block() : 1;
    batch /= channels;
  }
  // Where image i of the data, or of the output, lies.
  char* in_image(const Blob& b, int64_t i) const { return at(b, i * channels * in_size()); }
  char* out_image(const Blob& b, int64_t i) const { return at(b, i * channels * out_size()); }

 private:
  static char* at(const Blob& b, int64_t element) {
    return static_cast<char*>(b.data) + element * dtype_size(b.dtype);
  }
};

Key key_of(const PoolingParam& p, const Planes& w, int64_t images) {
  Key k = {int64_t(kind_of(p)), images, w.channels, w.block, int64_t(w.dtype)};
  for (const auto* axes : {&w.in, &w.out, &w.kernel, &w.stride, &w.pad})
    k.insert(k.end(), axes->begin(), axes->end());
  return k;
}

struct Geometry {
  algorithm kind;
  Dims data_dims, output_dims, kernel, stride, pad, pad_after;
  Desc data, output;
  explicit Geometry(const Key& k) : kind(algorithm(k[0])) {
    auto axis = [&](int list, int i) { return k[size_t(5 + 3 * list + i)]; };
    data_dims = output_dims = {k[1], k[2]};
    for (int i = axis(0, 0) == 1 && axis(2, 0) == 1 ? 1 : 0; i < Window::kAxes; ++i) {
      data_dims.push_back(axis(0, i)), output_dims.push_back(axis(1, i));
      kernel.push_back(axis(2, i)), stride.push_back(axis(3, i)), pad.push_back(axis(4, i));
      pad_after.push_back((axis(1, i) - 1) * axis(3, i) + axis(2, i) - axis(0, i) - axis(4, i));
    }
    const Layout layout = k[3] ? Layout::channels(int(k[3])) : Layout{};
    const onednn::Type type = onednn::type_of(Dtype(k[4]));
    data = onednn::desc_of(data_dims, layout, false, type);
    output = onednn::desc_of(output_dims, layout, false, type);
  }
  dnnl::pooling_forward::primitive_desc forward(prop_kind why) const {
    return {{why, kind, data, output, stride, kernel, pad, pad_after}, onednn::engine()};
  }
};

// Forward runs do not keep the places of maxima.
struct Forward {
  Desc data, output;
  dnnl::pooling_forward run;
};
Forward make_forward(const Key& k) {
  const Geometry g(k);
  return {g.data, g.output, dnnl::pooling_forward(g.forward(prop_kind::forward_inference))};
}

struct Backward {
  Desc data, output, places;  // places: of maxima only
  dnnl::pooling_forward find;
  dnnl::pooling_backward run;
};
Backward make_backward(const Key& k) {
  const Geometry g(k);
  const auto find = g.forward(prop_kind::forward_training);
  const dnnl::pooling_backward::primitive_desc run(
      {g.kind, g.data, g.output, g.stride, g.kernel, g.pad, g.pad_after}, onednn::engine(), find);
  return {g.data, g.output, g.kind == algorithm::pooling_max ? find.workspace_desc() : Desc(),
          dnnl::pooling_forward(find), dnnl::pooling_backward(run)};
}

constexpr int64_t kPieces = 8;
int64_t grain_of(const Planes& w) { return (w.batch + kPieces - 1) / kPieces; }

void forward(const PoolingParam& p, OpContext& ctx, Inputs in, Outputs out) {
  const Planes w(p, in[0], out[0]);
  onednn::guarded("Pooling", [&] {
    ctx.parallel_for(w.batch, grain_of(w), [&](int64_t from, int64_t to) {
      onednn::one_thread();
      const Forward& f = onednn::cached(key_of(p, w, to - from), make_forward);
      f.run.execute(dnnl::stream(onednn::engine()),
                    {{DNNL_ARG_SRC, onednn::memory(f.data, w.in_image(in[0], from))},
                     {DNNL_ARG_DST, onednn::memory(f.output, w.out_image(out[0], from))}});
    });
  });
}

// in: dy, and for maxima data, whose places are found again. out: gradient of data.
void backward(const PoolingParam& p, OpContext& ctx, Inputs in, Outputs out) {
  const Planes w(p, out[0], in[0]);
  onednn::guarded("Pooling", [&] {
    ctx.parallel_for(w.batch, grain_of(w), [&](int64_t from, int64_t to) {
      onednn::one_thread();
      ScratchScope scope;
      const Backward& b = onednn::cached(key_of(p, w, to - from), make_backward);
      dnnl::stream s(onednn::engine());
      std::unordered_map<int, dnnl::memory> args = {
          {DNNL_ARG_DIFF_DST, onednn::memory(b.output, w.out_image(in[0], from))},
          {DNNL_ARG_DIFF_SRC, onednn::memory(b.data, w.in_image(out[0], from))}};
      if (const size_t bytes = b.places.get_size()) {
        const dnnl::memory places = onednn::memory(b.places, thread_scratch(bytes));
        const void *x = w.in_image(in[1], from), *y = thread_scratch(b.output.get_size());
        b.find.execute(s, {{DNNL_ARG_SRC, onednn::memory(b.data, x)},
                           {DNNL_ARG_DST, onednn::memory(b.output, y)},
                           {DNNL_ARG_WORKSPACE, places}});
        args[DNNL_ARG_WORKSPACE] = places;
      }
      b.run.execute(s, args);
    });
  });
}

ScratchNeed scratch_backward(const PoolingParam& p, const Situation& s) {
  const Planes w(p, s.out[0], s.in[0]);
  return onednn::guarded("Pooling", [&] {
    const Backward& b = onednn::cached(key_of(p, w, grain_of(w)), make_backward);
    const auto places = int64_t(b.places.get_size());
    return ScratchNeed{.piece = places ? places + int64_t(b.output.get_size()) : 0};
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
  if (!onednn::computes(data.dtype) || data.size() == 0 || data.shape.rank() < 4) return false;
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
  ops.scratch("_backward_Pooling", scratch_backward);
}

}  // namespace heddle::ops::pooling_onednn
