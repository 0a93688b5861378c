// Convolution on oneDNN, in its blocked layouts. The batch is split over the arena in pieces that
// depend on the shapes only; weights are packed once per call, their gradients summed in order.
#include "operator/nn/convolution.h"

#include <algorithm>

#include "operator/nn/onednn.h"

namespace heddle::ops::convolution_onednn {

using dnnl::algorithm;
using dnnl::prop_kind;
using nn::ConvolutionParam;
using nn::Window;
using onednn::Desc;
using onednn::Dims;
using onednn::Reorder;
using Key = std::vector<int64_t>;

// A window for `images` images as a key, and back.
Key key_of(const Window& w, int64_t images, bool bias) {
  Key k = {images, w.channels, w.filters, w.groups, bias};
  for (const auto* axes : {&w.in, &w.out, &w.kernel, &w.stride, &w.dilate, &w.pad})
    k.insert(k.end(), axes->begin(), axes->end());
  return k;
}

struct Geometry {
  Desc data, weight, bias, output;  // as we keep them
  Dims data_dims, weight_dims, output_dims, stride, dilate, pad, pad_after;
  bool has_bias;
  explicit Geometry(const Key& k) : has_bias(k[4]) {
    auto axis = [&](int list, int i) { return k[size_t(5 + 3 * list + i)]; };
    const int first = axis(0, 0) == 1 && axis(2, 0) == 1 ? 1 : 0;  // planes rather than volumes
    data_dims = {k[0], k[1]}, output_dims = {k[0], k[2]};
    weight_dims = {k[3], k[2] / k[3], k[1] / k[3]};
    if (k[3] == 1) weight_dims.erase(weight_dims.begin());
    for (int i = first; i < Window::kAxes; ++i) {
      data_dims.push_back(axis(0, i)), output_dims.push_back(axis(1, i)),
          weight_dims.push_back(axis(2, i));
      stride.push_back(axis(3, i)), dilate.push_back(axis(4, i) - 1), pad.push_back(axis(5, i));
      const int64_t reach = (axis(1, i) - 1) * axis(3, i) + axis(4, i) * (axis(2, i) - 1) + 1;
      pad_after.push_back(reach - axis(0, i) - axis(5, i));
    }
    data = onednn::plain_desc(data_dims), weight = onednn::plain_desc(weight_dims);
    output = onednn::plain_desc(output_dims);
    bias = Desc({k[2]}, dnnl::memory::data_type::f32, onednn::Tag::a);
  }
  dnnl::convolution_forward::primitive_desc forward() const {
    const Desc none;
    return {{prop_kind::forward_training, algorithm::convolution_direct,
             onednn::any_desc(data_dims), onednn::any_desc(weight_dims), has_bias ? bias : none,
             onednn::any_desc(output_dims), stride, dilate, pad, pad_after},
            onednn::engine()};
  }
};

int64_t floats(size_t bytes) { return int64_t((bytes + 63) / 64 * 16); }

struct Forward {
  dnnl::convolution_forward run;
  Desc data, weight, bias, output;
  Reorder in, packing, out;
};
Forward make_forward(const Key& key) {
  const Geometry g(key);
  const auto pd = g.forward();
  return {dnnl::convolution_forward(pd),
          pd.src_desc(),
          pd.weights_desc(),
          g.bias,
          pd.dst_desc(),
          Reorder(g.data, pd.src_desc()),
          Reorder(g.weight, pd.weights_desc()),
          Reorder(pd.dst_desc(), g.output)};
}

// Images per piece: a fixed number of pieces, so that a few processors share them evenly.
constexpr int64_t kPieces = 8;
int64_t grain_of(const Window& w) { return (w.batch + kPieces - 1) / kPieces; }

void forward(const ConvolutionParam& p, OpContext& ctx, Inputs in, Outputs out) {
  const Window w = nn::window_of(p, in[0].shape, out[0].shape);
  const float *x = in[0].as<float>(), *bias = p.no_bias ? nullptr : in[2].as<float>();
  float* y = out[0].as<float>();
  onednn::guarded("Convolution", [&] {
    onednn::one_thread();
    const int64_t grain = grain_of(w);
    // Packed weights have one layout whatever the number of images in a piece.
    const Forward& plan = onednn::cached(key_of(w, grain, bias), make_forward);
    float* buffer = ctx.scratch_of<float>(floats(plan.packing.bytes()));
    dnnl::stream stream(onednn::engine());
    const Desc layout = plan.weight;
    const float* weight = plan.packing.in(stream, in[1].as<float>(), buffer);
    ctx.parallel_for(w.batch, grain, [&](int64_t from, int64_t to) {
      onednn::one_thread();
      ScratchScope scope;
      const Forward& f = onednn::cached(key_of(w, to - from, bias), make_forward);
      dnnl::stream s(onednn::engine());
      auto scratch = [](size_t bytes) { return static_cast<float*>(thread_scratch(bytes)); };
      const float* data = f.in.in(s, x + from * w.channels * w.in_size(), scratch(f.in.bytes()));
      const float* own = weight;
      if (f.weight != layout) own = f.packing.in(s, in[1].as<float>(), scratch(f.packing.bytes()));
      float* to_y = y + from * w.filters * w.out_size();
      float* blocked = f.out.needed() ? scratch(f.output.get_size()) : to_y;
      std::unordered_map<int, dnnl::memory> args = {
          {DNNL_ARG_SRC, onednn::memory(f.data, data)},
          {DNNL_ARG_WEIGHTS, onednn::memory(f.weight, own)},
          {DNNL_ARG_DST, onednn::memory(f.output, blocked)}};
      if (bias) args[DNNL_ARG_BIAS] = onednn::memory(f.bias, bias);
      f.run.execute(s, args);
      if (f.out.needed()) f.out(s, blocked, to_y);
    });
  });
}

// --- gradients ----------------------------------------------------------------------------------
struct BackwardData {
  dnnl::convolution_backward_data run;
  Desc data, weight, output;
  Reorder head, packing, out;
};
BackwardData make_backward_data(const Key& key) {
  const Geometry g(key);
  const dnnl::convolution_backward_data::primitive_desc pd(
      {algorithm::convolution_direct, onednn::any_desc(g.data_dims),
       onednn::any_desc(g.weight_dims), onednn::any_desc(g.output_dims), g.stride, g.dilate, g.pad,
       g.pad_after},
      onednn::engine(), g.forward());
  return {dnnl::convolution_backward_data(pd),
          pd.diff_src_desc(),
          pd.weights_desc(),
          pd.diff_dst_desc(),
          Reorder(g.output, pd.diff_dst_desc()),
          Reorder(g.weight, pd.weights_desc()),
          Reorder(pd.diff_src_desc(), g.data)};
}

struct BackwardWeight {
  dnnl::convolution_backward_weights run;
  Desc data, weight, bias, output;
  Reorder in, head, out;
};
BackwardWeight make_backward_weight(const Key& key) {
  const Geometry g(key);
  const Desc none;
  const dnnl::convolution_backward_weights::primitive_desc pd(
      {algorithm::convolution_direct, onednn::any_desc(g.data_dims),
       onednn::any_desc(g.weight_dims), g.has_bias ? g.bias : none, onednn::any_desc(g.output_dims),
       g.stride, g.dilate, g.pad, g.pad_after},
      onednn::engine(), g.forward());
  return {dnnl::convolution_backward_weights(pd),
          pd.src_desc(),
          pd.diff_weights_desc(),
          g.bias,
          pd.diff_dst_desc(),
          Reorder(g.data, pd.src_desc()),
          Reorder(g.output, pd.diff_dst_desc()),
          Reorder(pd.diff_weights_desc(), g.weight)};
}

float* piece_scratch(size_t bytes) { return static_cast<float*>(thread_scratch(bytes)); }

void data_piece(const Window& w, const float* dy, const float* weight, float* dx, int64_t images) {
  const BackwardData& b = onednn::cached(key_of(w, images, false), make_backward_data);
  dnnl::stream s(onednn::engine());
  const float* head = b.head.in(s, dy, piece_scratch(b.head.bytes()));
  const float* packed = b.packing.in(s, weight, piece_scratch(b.packing.bytes()));
  float* blocked = b.out.needed() ? piece_scratch(b.data.get_size()) : dx;
  b.run.execute(s, {{DNNL_ARG_DIFF_DST, onednn::memory(b.output, head)},
                    {DNNL_ARG_WEIGHTS, onednn::memory(b.weight, packed)},
                    {DNNL_ARG_DIFF_SRC, onednn::memory(b.data, blocked)}});
  if (b.out.needed()) b.out(s, blocked, dx);
}

void weight_piece(const Window& w, const float* dy, const float* x, float* dw, float* db,
                  int64_t images) {
  const BackwardWeight& b = onednn::cached(key_of(w, images, db != nullptr), make_backward_weight);
  dnnl::stream s(onednn::engine());
  const float* data = b.in.in(s, x, piece_scratch(b.in.bytes()));
  const float* head = b.head.in(s, dy, piece_scratch(b.head.bytes()));
  float* blocked = b.out.needed() ? piece_scratch(b.weight.get_size()) : dw;
  std::unordered_map<int, dnnl::memory> args = {
      {DNNL_ARG_SRC, onednn::memory(b.data, data)},
      {DNNL_ARG_DIFF_DST, onednn::memory(b.output, head)},
      {DNNL_ARG_DIFF_WEIGHTS, onednn::memory(b.weight, blocked)}};
  if (db) args[DNNL_ARG_DIFF_BIAS] = onednn::memory(b.bias, db);
  b.run.execute(s, args);
  if (b.out.needed()) b.out(s, blocked, dw);
}

// sum[i] = the parts' elements i, in order.
void add_parts(OpContext& ctx, const float* parts, int64_t count, int64_t size, float* sum) {
  ctx.parallel_for(size, 16384, [&](int64_t from, int64_t to) {
    std::copy(parts + from, parts + to, sum + from);
    for (int64_t j = 1; j < count; ++j)
      for (int64_t i = from; i < to; ++i) sum[i] += parts[j * size + i];
  });
}

// in: dy, data, weight. out: gradients of data, weight and (with a bias) bias.
void backward(const ConvolutionParam& p, OpContext& ctx, Inputs in, Outputs out) {
  const Window w = nn::window_of(p, in[1].shape, in[0].shape);
  const int64_t grain = grain_of(w), pieces = (w.batch + grain - 1) / grain;
  const int64_t in_image = w.channels * w.in_size(), out_image = w.filters * w.out_size();
  const bool bias = !p.no_bias && ctx.wants(2), weights = ctx.wants(1) || bias;
  const int64_t size = in[2].size();
  float* parts = weights ? ctx.scratch_of<float>(pieces * size) : nullptr;
  float* bias_parts = bias ? ctx.scratch_of<float>(pieces * w.filters) : nullptr;
  onednn::guarded("Convolution", [&] {
    ctx.parallel_for(w.batch, grain, [&](int64_t from, int64_t to) {
      onednn::one_thread();
      ScratchScope scope;
      const float* dy = in[0].as<float>() + from * out_image;
      if (ctx.wants(0))
        data_piece(w, dy, in[2].as<float>(), out[0].as<float>() + from * in_image, to - from);
      if (weights)
        weight_piece(w, dy, in[1].as<float>() + from * in_image, parts + from / grain * size,
                     bias ? bias_parts + from / grain * w.filters : nullptr, to - from);
    });
  });
  if (ctx.wants(1)) add_parts(ctx, parts, pieces, size, out[1].as<float>());
  if (bias) add_parts(ctx, bias_parts, pieces, w.filters, out[2].as<float>());
}

bool accepts(const ConvolutionParam&, const Situation& s) {
  return s.in[0].dtype == Dtype::kFloat32 && s.in[0].size() > 0;
}

void define(OpTable& ops) {
  ops.kernel("Convolution", Device::kCpu, "onednn", forward, accepts);
  ops.kernel("_backward_Convolution", Device::kCpu, "onednn", backward, accepts);
}

}  // namespace heddle::ops::convolution_onednn
