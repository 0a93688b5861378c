// Convolution on oneDNN, in its blocked layouts: those in which tensors are given, or else the ones
// that its primitives prefer, with reorders around them. Batches, and filters in blocks, are split
// over the arena in pieces that depend on the shapes only; weights are packed once per call, their
// gradients summed in order, in float32.
#include "operator/nn/convolution.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "operator/in_float.h"
#include "operator/nn/onednn.h"
#include "operator/scratch_needs.h"

namespace heddle::ops::convolution_onednn {

using dnnl::algorithm;
using dnnl::prop_kind;
using nn::ConvolutionParam;
using nn::Epilogue;
using nn::FusedConvolutionParam;
using nn::Window;
using onednn::Desc;
using onednn::Dims;
using onednn::Reorder;
using Key = std::vector<int64_t>;

// How the tensors of a call lie: data and output plain (0) or in blocks of channels. And of what
// they are.
struct Lies {
  Dtype dtype;
  int data = 0, output = 0;
  Layout weight = {};
  Lies(const Blob& data, const Blob& weight, const Blob& output)
      : dtype(data.dtype),
        data(channel_block(data.stored.layout)),
        output(channel_block(output.stored.layout)),
        weight(weight.stored.layout) {}
  Lies(Dtype dtype, int data, int output) : dtype(dtype), data(data), output(output) {}
};

// What follows a convolution, and the tensor that it adds.
struct Rest {
  bool sum = false;
  Epilogue activation = Epilogue::kNone;
  float low = 0, high = 0;
  const void* addend = nullptr;
  static constexpr int kNumbers = 4;  // in a key
  static int64_t bits(float x) { return std::bit_cast<int32_t>(x); }
  static float number(int64_t bits) { return std::bit_cast<float>(int32_t(bits)); }
};

// A window for `images` images, and what follows, as a key, and back.
Key key_of(const Window& w, const Lies& l, int64_t images, bool bias, const Rest& rest = {}) {
  Key k = {images, w.channels, w.filters,     w.groups,        bias,
           l.data, l.output,   l.weight.last, int64_t(l.dtype)};
  for (const Layout::Block& b : l.weight.blocks) k.insert(k.end(), {b.axis, b.size});
  for (const auto* axes : {&w.in, &w.out, &w.kernel, &w.stride, &w.dilate, &w.pad})
    k.insert(k.end(), axes->begin(), axes->end());
  k.insert(k.end(),
           {rest.sum, int64_t(rest.activation), Rest::bits(rest.low), Rest::bits(rest.high)});
  return k;
}
// Primitives work in memory of ours, so that it is counted.
dnnl::primitive_attr own_scratch() {
  dnnl::primitive_attr a;
  a.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  return a;
}
dnnl::primitive_attr attributes(const Key& k) {
  const int64_t* rest = &k[k.size() - Rest::kNumbers];
  dnnl::post_ops then;
  if (rest[0]) then.append_sum(1);
  const auto activation = Epilogue(rest[1]);
  if (activation == Epilogue::kRelu) then.append_eltwise(1, algorithm::eltwise_relu, 0, 0);
  if (activation == Epilogue::kClip)
    then.append_eltwise(1, algorithm::eltwise_clip, Rest::number(rest[2]), Rest::number(rest[3]));
  dnnl::primitive_attr a = own_scratch();
  a.set_post_ops(then);
  return a;
}

struct Geometry {
  onednn::Type type;
  Desc data, bias, output;  // as we keep them
  Layout weight;
  Dims data_dims, weight_dims, output_dims, stride, dilate, pad, pad_after;
  bool has_bias, grouped;
  int data_block, output_block;
  explicit Geometry(const Key& k)
      : type(onednn::type_of(Dtype(k[8]))),
        has_bias(k[4]),
        grouped(k[3] > 1),
        data_block(int(k[5])),
        output_block(int(k[6])) {
    weight.last = int8_t(k[7]);
    const int64_t* next = &k[9];
    for (Layout::Block& b : weight.blocks) b = {int8_t(next[0]), int8_t(next[1])}, next += 2;
    auto axis = [&](int list, int i) { return next[3 * list + i]; };
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
    data = onednn::desc_of(data_dims, layout(data_block), false, type);
    output = onednn::desc_of(output_dims, layout(output_block), false, type);
    bias = Desc({k[2]}, type, onednn::Tag::a);
  }
  static Layout layout(int block) { return block ? Layout::channels(block) : Layout{}; }
  // For primitives: what is plain may be reordered, what is blocked is there for them.
  Desc ask_data() const { return data_block ? data : onednn::any_desc(data_dims, type); }
  Desc ask_weight() const { return onednn::any_desc(weight_dims, type); }
  Desc ask_output() const { return output_block ? output : onednn::any_desc(output_dims, type); }
  // Gradients that are summed over images are float32.
  Desc ask_weight_sum() const { return onednn::any_desc(weight_dims); }
  Desc bias_sum() const { return {bias.dims(), onednn::Type::f32, onednn::Tag::a}; }
  Desc own_weight(const Desc& wanted) const { return onednn::given(wanted, weight, grouped); }
  dnnl::convolution_forward::primitive_desc forward(const dnnl::primitive_attr& a = {}) const {
    const Desc none;
    return {{prop_kind::forward_training, algorithm::convolution_direct, ask_data(), ask_weight(),
             has_bias ? bias : none, ask_output(), stride, dilate, pad, pad_after},
            a,
            onednn::engine()};
  }
  dnnl::convolution_backward_data::primitive_desc backward_data() const {
    return {{algorithm::convolution_direct, ask_data(), ask_weight(), ask_output(), stride, dilate,
             pad, pad_after},
            own_scratch(),
            onednn::engine(),
            forward()};
  }
};

// What the caller of a primitive might have done for it: the layout to give weights in, if any,
// unless the primitive is one to avoid.
struct Advice {
  std::optional<Layout> weight;
  bool reference;
  template <class PrimitiveDesc>
  Advice(const Geometry& g, const PrimitiveDesc& pd, const Desc& weight)
      : weight(onednn::layout_of(weight, g.grouped)), reference(onednn::is_reference(pd)) {}
};

// Scratch memory for what is only there where it is reordered.
int64_t needed(const Reorder& r, const Desc& d) { return r.needed() ? int64_t(d.get_size()) : 0; }

struct Forward {
  dnnl::convolution_forward run;
  Desc data, weight, bias, output, scratch;
  Reorder in, packing, out, addend;
  Advice advice;
  int64_t bytes(bool packed) const {
    return needed(in, data) + (packed ? 0 : needed(packing, weight)) + needed(out, output) +
           int64_t(scratch.get_size());
  }
};
Forward make_forward(const Key& key) {
  const Geometry g(key);
  const auto pd = g.forward(attributes(key));
  return {dnnl::convolution_forward(pd),
          pd.src_desc(),
          pd.weights_desc(),
          g.bias,
          pd.dst_desc(),
          pd.scratchpad_desc(),
          Reorder(g.data, pd.src_desc()),
          Reorder(g.own_weight(pd.weights_desc()), pd.weights_desc()),
          Reorder(pd.dst_desc(), g.output),
          Reorder(g.output, pd.dst_desc()),
          Advice(g, pd, pd.weights_desc())};
}

// Images per piece: a fixed number of pieces, so that a few processors share them evenly.
constexpr int64_t kPieces = 8;
int64_t grain_of(const Window& w) { return (w.batch + kPieces - 1) / kPieces; }

// Few images are split by their filters too, where these lie apart: in blocks. A part of a grouped
// convolution has some of the groups, and their channels.
struct Parts {
  Window w;
  int64_t count = 1, unit = 1, per = 1;  // units of filters: all of them, and in a part
  Parts(const Window& window, const Lies& l) : w(window) {
    if (l.output == 0 || l.weight.last == 0 || w.batch == 0 || w.batch >= kPieces) return;
    const bool depthwise = w.channels == w.groups;
    if (w.groups > 1 && (l.data == 0 || (depthwise && w.filters != w.groups))) return;
    unit = w.groups == 1 || depthwise ? l.output : w.filters / w.groups;
    const int64_t units = w.filters / unit, most = kPieces / w.batch;
    per = (units + most - 1) / most, count = (units + per - 1) / per;
  }
  // The window of a part, whose filters are those from `first` on.
  Window operator()(int64_t part, int64_t& first) const {
    first = part * per * unit;
    if (count == 1) return w;
    Window some = w;
    some.filters = std::min(per * unit, w.filters - first);
    if (w.groups > 1) {
      some.groups = some.filters * w.groups / w.filters;
      some.channels = some.groups * (w.channels / w.groups);
    }
    return some;
  }
};

// Weights as a primitive wants them, some filters (of groups: all that belong to some) at a time.
struct Packing {
  Reorder run;
};
enum class Direction : int64_t { kForward, kBackward };
Packing make_packing(const Key& key) {  // of a plan; then its direction, from where and to where
  const Key of(key.begin(), key.end() - 3);
  const int64_t* const part = &key[key.size() - 3];
  const Geometry g(of);
  const Desc to = Direction(part[0]) == Direction::kForward
                      ? g.forward(attributes(of)).weights_desc()
                      : g.backward_data().weights_desc();
  const Desc from = g.own_weight(to);
  Dims at(from.dims().size()), some = from.dims();
  at[0] = part[1], some[0] = part[2] - part[1];
  return {Reorder(from.submemory_desc(some, at), to.submemory_desc(some, at))};
}
// The weights at `from`, or all of them packed in scratch memory; `plan` is of `key`.
template <class T, class Plan>
const T* packed(OpContext& ctx, const Key& key, const Plan& plan, Direction direction,
                const T* from) {
  if (!plan.packing.needed()) return from;
  constexpr int64_t kTogether = 64, kParts = 4;  // a multiple of all blocks; parts at most
  auto* const to = static_cast<T*>(ctx.scratch(plan.packing.bytes()));
  const int64_t all = plan.weight.dims()[0], units = (all + kTogether - 1) / kTogether;
  const int64_t grain = (units + kParts - 1) / kParts * kTogether;
  ctx.parallel_for(all, grain, [&](int64_t begin, int64_t end) {
    onednn::one_thread();
    for (int64_t i = begin; i < end; i += grain) {
      Key part = key;
      part.insert(part.end(), {int64_t(direction), i, std::min(end, i + grain)});
      onednn::cached(part, make_packing).run(dnnl::stream(onednn::engine()), from, to);
    }
  });
  return to;
}

template <class T>
T* piece_scratch(size_t bytes) {
  return static_cast<T*>(thread_scratch(bytes));
}

inline dnnl::memory scratch_for(const Desc& d) {
  return onednn::memory(d, piece_scratch<char>(d.get_size()));
}

// Images of a part: y of its filters. The weights lie as the plan says, or as they were given. What
// is added is where the sum will be.
template <class T>
void forward_piece(const Forward& f, const T* x, const T* weight, bool packed, const T* bias,
                   const T* addend, T* y) {
  ScratchScope scope;
  dnnl::stream s(onednn::engine());
  const T* data = f.in.in(s, x, piece_scratch<T>(f.in.bytes()));
  const T* own = packed ? weight : f.packing.in(s, weight, piece_scratch<T>(f.packing.bytes()));
  T* blocked = f.out.needed() ? piece_scratch<T>(f.output.get_size()) : y;
  if (addend && f.out.needed()) f.addend(s, addend, blocked);
  else if (addend && addend != y) std::memcpy(y, addend, f.output.get_size());
  std::unordered_map<int, dnnl::memory> args = {{DNNL_ARG_SRC, onednn::memory(f.data, data)},
                                                {DNNL_ARG_WEIGHTS, onednn::memory(f.weight, own)},
                                                {DNNL_ARG_DST, onednn::memory(f.output, blocked)},
                                                {DNNL_ARG_SCRATCHPAD, scratch_for(f.scratch)}};
  if (bias) args[DNNL_ARG_BIAS] = onednn::memory(f.bias, bias);
  f.run.execute(s, args);
  if (f.out.needed()) f.out(s, blocked, y);
}

template <class T>
void forward_parts(OpContext& ctx, const Parts& parts, const Lies& lies, const T* x,
                   const T* weight, const T* bias, const Rest& rest, T* y) {
  const Window& w = parts.w;
  const auto* const addend = static_cast<const T*>(rest.addend);
  ctx.parallel_for(w.batch * parts.count, 1, [&](int64_t from, int64_t to) {
    for (int64_t i = from; i < to; ++i) {
      onednn::one_thread();
      int64_t k;
      const Window part = parts(i % parts.count, k);
      const int64_t image = i / parts.count, c = w.groups == 1 ? 0 : k * w.channels / w.filters;
      const Forward& f = onednn::cached(key_of(part, lies, 1, bias, rest), make_forward);
      const int64_t to_y = (image * w.filters + k) * w.out_size();
      forward_piece(f, x + (image * w.channels + c) * w.in_size(),
                    weight + k * (w.channels / w.groups) * w.taps(), false,
                    bias ? bias + k : nullptr, addend ? addend + to_y : nullptr, y + to_y);
    }
  });
}

template <class T>
void forward_of(const ConvolutionParam& p, const Rest& rest, OpContext& ctx, Inputs in,
                Outputs out) {
  const Window w = nn::window_of(p, in[0].shape, out[0].shape);
  const Lies lies(in[0], in[1], out[0]);
  const T *x = in[0].as<T>(), *bias = p.no_bias ? nullptr : in[2].as<T>();
  const auto* const addend = static_cast<const T*>(rest.addend);
  T* y = out[0].as<T>();
  onednn::guarded("Convolution", [&] {
    onednn::one_thread();
    const Parts parts(w, lies);
    if (parts.count > 1) return forward_parts(ctx, parts, lies, x, in[1].as<T>(), bias, rest, y);
    const int64_t grain = grain_of(w);
    // Packed weights have one layout whatever the number of images in a piece.
    const Key key = key_of(w, lies, grain, bias, rest);
    const Forward& plan = onednn::cached(key, make_forward);
    const Desc layout = plan.weight;
    const T* weight = packed(ctx, key, plan, Direction::kForward, in[1].as<T>());
    ctx.parallel_for(w.batch, grain, [&](int64_t from, int64_t to) {
      onednn::one_thread();
      const Forward& f = onednn::cached(key_of(w, lies, to - from, bias, rest), make_forward);
      const bool ready = f.weight == layout;
      const int64_t to_y = from * w.filters * w.out_size();
      forward_piece(f, x + from * w.channels * w.in_size(), ready ? weight : in[1].as<T>(), ready,
                    bias, addend ? addend + to_y : nullptr, y + to_y);
    });
  });
}

// Halves that the processor does not multiply go through float32.
bool in_copies(Dtype d) { return is_half(d) && !onednn::computes(d); }

void forward_with(const ConvolutionParam& p, const Rest& rest, OpContext& ctx, Inputs in,
                  Outputs out) {
  if (in[0].dtype == Dtype::kBfloat16) forward_of<bfloat16>(p, rest, ctx, in, out);
  else forward_of<float>(p, rest, ctx, in, out);
}

void forward(const ConvolutionParam& p, OpContext& ctx, Inputs in, Outputs out) {
  if (!in_copies(in[0].dtype)) return forward_with(p, {}, ctx, in, out);
  in_float(ctx, in, out, [&](Inputs x, Outputs y) { forward_with(p, {}, ctx, x, y); });
}

// The numbers of images in the pieces of a loop over a batch: most have `grain`, the last the rest.
template <class Body>
void each_length(const Window& w, int64_t grain, Body&& body) {
  body(grain);
  if (w.batch % grain != 0) body(w.batch % grain);
}

// Beside the copies that in_float() makes.
template <class Need>
ScratchNeed of_copies(const Situation& s, Need&& need) {
  std::vector<Blob> in(s.in.begin(), s.in.end()), out(s.out.begin(), s.out.end());
  ScratchNeed all;
  const auto copy = [&](Blob& b) {
    if (!is_half(b.dtype)) return;
    b.dtype = Dtype::kFloat32;
    all.take(b.bytes());
  };
  for (Blob& b : in) copy(b);
  for (Blob& b : out) copy(b);
  return both(all, need(Situation{in, out, s.training, s.lasting, s.wanted}));
}

ScratchNeed scratch_with(const ConvolutionParam& p, const Rest& rest, const Situation& s) {
  if (in_copies(s.in[0].dtype))
    return of_copies(s, [&](const Situation& wide) { return scratch_with(p, rest, wide); });
  const Window w = nn::window_of(p, s.in[0].shape, s.out[0].shape);
  const Lies lies(s.in[0], s.in[1], s.out[0]);
  return onednn::guarded("Convolution", [&] {
    const Parts parts(w, lies);
    const auto plan = [&](const Window& of, int64_t images) -> const Forward& {
      return onednn::cached(key_of(of, lies, images, !p.no_bias, rest), make_forward);
    };
    ScratchNeed need;
    if (parts.count > 1) {
      for (const int64_t part : {int64_t(0), parts.count - 1}) {
        int64_t first;
        need.piece = std::max(need.piece, plan(parts(part, first), 1).bytes(false));
      }
      return need;
    }
    const int64_t grain = grain_of(w);
    const Desc layout = plan(w, grain).weight;
    need.take(int64_t(plan(w, grain).packing.bytes()));
    each_length(w, grain, [&](int64_t images) {
      const Forward& f = plan(w, images);
      need.piece = std::max(need.piece, f.bytes(f.weight == layout));
    });
    return need;
  });
}
ScratchNeed scratch(const ConvolutionParam& p, const Situation& s) {
  return scratch_with(p, {}, s);
}

Rest rest_of(const FusedConvolutionParam& p) {
  const bool clips = p.activation == Epilogue::kClip;
  return {p.sum, p.activation, clips ? p.low : 0, clips ? p.high : 0};
}
void forward_fused(const FusedConvolutionParam& p, OpContext& ctx, Inputs in, Outputs out) {
  if (in_copies(in[0].dtype))
    return in_float(ctx, in, out, [&](Inputs x, Outputs y) { forward_fused(p, ctx, x, y); });
  Rest rest = rest_of(p);
  if (p.sum) rest.addend = in[p.addend()].data;
  forward_with(p, rest, ctx, in, out);
}

// --- gradients ----------------------------------------------------------------------------------
ScratchNeed scratch_fused(const FusedConvolutionParam& p, const Situation& s) {
  return scratch_with(p, rest_of(p), s);
}

struct BackwardData {
  dnnl::convolution_backward_data run;
  Desc data, weight, output, scratch;
  Reorder head, packing, out;
  Advice advice;
  int64_t bytes(bool packed) const {
    return needed(head, output) + (packed ? 0 : needed(packing, weight)) + needed(out, data) +
           int64_t(scratch.get_size());
  }
};
BackwardData make_backward_data(const Key& key) {
  const Geometry g(key);
  const auto pd = g.backward_data();
  return {dnnl::convolution_backward_data(pd),
          pd.diff_src_desc(),
          pd.weights_desc(),
          pd.diff_dst_desc(),
          pd.scratchpad_desc(),
          Reorder(g.output, pd.diff_dst_desc()),
          Reorder(g.own_weight(pd.weights_desc()), pd.weights_desc()),
          Reorder(pd.diff_src_desc(), g.data),
          Advice(g, pd, pd.weights_desc())};
}

struct BackwardWeight {
  dnnl::convolution_backward_weights run;
  Desc data, weight, bias, output, scratch;
  Reorder in, head, out;
  Advice advice;
  int64_t bytes() const {
    return needed(in, data) + needed(head, output) + needed(out, weight) +
           int64_t(scratch.get_size());
  }
};
BackwardWeight make_backward_weight(const Key& key) {
  const Geometry g(key);
  const Desc none;
  const dnnl::convolution_backward_weights::primitive_desc pd(
      {algorithm::convolution_direct, g.ask_data(), g.ask_weight_sum(),
       g.has_bias ? g.bias_sum() : none, g.ask_output(), g.stride, g.dilate, g.pad, g.pad_after},
      own_scratch(), onednn::engine(), g.forward());
  return {dnnl::convolution_backward_weights(pd),
          pd.src_desc(),
          pd.diff_weights_desc(),
          g.bias_sum(),
          pd.diff_dst_desc(),
          pd.scratchpad_desc(),
          Reorder(g.data, pd.src_desc()),
          Reorder(g.output, pd.diff_dst_desc()),
          Reorder(pd.diff_weights_desc(), g.own_weight(pd.diff_weights_desc())),
          Advice(g, pd, pd.diff_weights_desc())};
}

template <class T>
void data_piece(const BackwardData& b, const T* dy, const T* weight, bool packed, T* dx) {
  ScratchScope scope;
  dnnl::stream s(onednn::engine());
  const T* head = b.head.in(s, dy, piece_scratch<T>(b.head.bytes()));
  const T* own = packed ? weight : b.packing.in(s, weight, piece_scratch<T>(b.packing.bytes()));
  T* blocked = b.out.needed() ? piece_scratch<T>(b.data.get_size()) : dx;
  b.run.execute(s, {{DNNL_ARG_DIFF_DST, onednn::memory(b.output, head)},
                    {DNNL_ARG_WEIGHTS, onednn::memory(b.weight, own)},
                    {DNNL_ARG_DIFF_SRC, onednn::memory(b.data, blocked)},
                    {DNNL_ARG_SCRATCHPAD, scratch_for(b.scratch)}});
  if (b.out.needed()) b.out(s, blocked, dx);
}

template <class T>
void weight_piece(const Window& w, const Lies& lies, const T* dy, const T* x, float* dw, float* db,
                  int64_t images) {
  ScratchScope scope;
  const BackwardWeight& b =
      onednn::cached(key_of(w, lies, images, db != nullptr), make_backward_weight);
  dnnl::stream s(onednn::engine());
  const T* data = b.in.in(s, x, piece_scratch<T>(b.in.bytes()));
  const T* head = b.head.in(s, dy, piece_scratch<T>(b.head.bytes()));
  float* blocked = b.out.needed() ? piece_scratch<float>(b.weight.get_size()) : dw;
  std::unordered_map<int, dnnl::memory> args = {
      {DNNL_ARG_SRC, onednn::memory(b.data, data)},
      {DNNL_ARG_DIFF_DST, onednn::memory(b.output, head)},
      {DNNL_ARG_DIFF_WEIGHTS, onednn::memory(b.weight, blocked)},
      {DNNL_ARG_SCRATCHPAD, scratch_for(b.scratch)}};
  if (db) args[DNNL_ARG_DIFF_BIAS] = onednn::memory(b.bias, db);
  b.run.execute(s, args);
  if (b.out.needed()) b.out(s, blocked, dw);
}

// sum[i] = the parts' elements i, in order. The first part takes the sums.
template <class T>
void add_parts(OpContext& ctx, float* parts, int64_t count, int64_t size, T* sum) {
  ctx.parallel_for(size, 16384, [&](int64_t from, int64_t to) {
    for (int64_t j = 1; j < count; ++j)
      for (int64_t i = from; i < to; ++i) parts[i] += parts[j * size + i];
    for (int64_t i = from; i < to; ++i) sum[i] = T(parts[i]);
  });
}

// The gradient of weights is a sum over images, so a piece of the batch has a sum of its own. Where
// weights are many and pictures small, and where there are few images, pieces are parts of the
// filters as well: these need dy of their filters copied together, and read all of x.
struct WeightParts {
  int64_t grain = 0, pieces = 0;   // images of a piece, and pieces of the batch
  int64_t filters = 0, parts = 1;  // filters of a part, and parts
  WeightParts(const Window& w, const Lies& l) {
    const double weight = double(w.filters) * double(w.channels / w.groups * w.taps());
    const double dy = double(w.batch * w.filters) * double(w.out_size());
    const double x = double(w.batch * w.channels) * double(w.in_size());
    const bool apart = l.output > 0 && l.weight.last != 0 && w.groups == 1;
    const int64_t units = apart ? w.filters / l.output : 1;
    double best = 0;  // floats read and written
    for (int64_t k = 1; k <= std::min(kPieces, units); k *= 2) {
      WeightParts some;
      some.grain = std::max<int64_t>(1, (w.batch * k + kPieces - 1) / kPieces);
      some.pieces = (w.batch + some.grain - 1) / some.grain;
      some.filters = k == 1 ? w.filters : (units + k - 1) / k * l.output;
      some.parts = (w.filters + some.filters - 1) / some.filters;
      const double cost = (some.pieces > 1 ? 3 * double(some.pieces) * weight : 0) +
                          (k > 1 ? 2 * dy + double(k - 1) * x : 0);
      const int64_t enough = kPieces / 2;  // for a few processors
      const int64_t have = std::min(enough, pieces * parts),
                    get = std::min(enough, some.pieces * some.parts);
      if (k == 1 || get > have || (get == have && cost < best)) *this = some, best = cost;
    }
  }
  Window window(const Window& w, int64_t part) const {
    Window some = w;
    some.filters = std::min(filters, w.filters - part * filters);
    return some;
  }

 private:
  WeightParts() = default;
};

template <class T>
struct WeightGradient {
  const T *dy, *x;
  float *dw, *db;  // sums of each piece of the batch, one after the other; db may be missing
};

template <class T>
void weight_parts(OpContext& ctx, const Window& w, const Lies& lies, const WeightParts& p,
                  const WeightGradient<T>& g) {
  const int64_t row = w.channels * w.taps(), area = w.out_size();
  ctx.parallel_for(p.pieces * p.parts, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      onednn::one_thread();
      ScratchScope scope;
      const int64_t piece = i / p.parts, k = i % p.parts * p.filters;
      const Window part = p.window(w, i % p.parts);
      const int64_t from = piece * p.grain, images = std::min(p.grain, w.batch - from);
      const int64_t length = part.filters * area;
      T* dy = piece_scratch<T>(size_t(images * length) * sizeof(T));
      for (int64_t n = 0; n < images; ++n)
        std::copy_n(g.dy + ((from + n) * w.filters + k) * area, length, dy + n * length);
      weight_piece(part, lies, dy, g.x + from * w.channels * w.in_size(),
                   g.dw + (piece * w.filters + k) * row,
                   g.db ? g.db + piece * w.filters + k : nullptr, images);
    }
  });
}

// The library keeps one running sum of dy per filter, which drifts over large images.
bool sums_bias(const ConvolutionParam& p, const Window& w) {
  return !p.no_bias && w.out_size() <= 1 << 16;
}

ScratchNeed scratch_backward(const ConvolutionParam& p, const Situation& s) {
  if (in_copies(s.in[0].dtype))
    return of_copies(s, [&](const Situation& wide) { return scratch_backward(p, wide); });
  const Window w = nn::window_of(p, s.in[1].shape, s.in[0].shape);
  const Lies of_data(s.out[0], s.in[2], s.in[0]), of_weight(s.in[1], s.out[1], s.in[0]);
  return onednn::guarded("Convolution", [&] {
    const WeightParts split(w, of_weight);
    const bool bias = sums_bias(p, w) && s.wants(2), weights = s.wants(1) || bias;
    ScratchNeed need;
    const bool direct = split.pieces == 1 && s.wants(1) && s.out[1].dtype == Dtype::kFloat32;
    if (weights && !direct) need.call += split.pieces * s.in[2].size() * int64_t(sizeof(float));
    if (bias) need.call += split.pieces * w.filters * int64_t(sizeof(float));
    if (s.wants(0)) {
      const auto plan = [&](int64_t images) -> const BackwardData& {
        return onednn::cached(key_of(w, of_data, images, false), make_backward_data);
      };
      const Desc layout = plan(grain_of(w)).weight;
      need.take(int64_t(plan(grain_of(w)).packing.bytes()));
      each_length(w, grain_of(w), [&](int64_t images) {
        const BackwardData& b = plan(images);
        need.piece = std::max(need.piece, b.bytes(b.weight == layout));
      });
    }
    if (!weights) return need;
    for (const int64_t part : {int64_t(0), split.parts - 1})
      each_length(w, split.grain, [&](int64_t images) {
        const Window some = split.parts == 1 ? w : split.window(w, part);
        const int64_t copied =
            split.parts == 1 ? 0
                             : images * some.filters * some.out_size() * dtype_size(s.in[0].dtype);
        const Key key = key_of(some, of_weight, images, bias);
        need.piece =
            std::max(need.piece, copied + onednn::cached(key, make_backward_weight).bytes());
      });
    return need;
  });
}

template <class T>
void backward_of(const ConvolutionParam& p, OpContext& ctx, Inputs in, Outputs out) {
  const Window w = nn::window_of(p, in[1].shape, in[0].shape);
  const int64_t in_image = w.channels * w.in_size(), out_image = w.filters * w.out_size();
  const Lies of_data(out[0], in[2], in[0]), of_weight(in[1], out[1], in[0]);
  const WeightParts split(w, of_weight);
  const int64_t pieces = split.pieces, size = in[2].size();
  const bool wants_bias = !p.no_bias && ctx.wants(2);
  const bool bias = wants_bias && sums_bias(p, w), weights = ctx.wants(1) || bias;
  const T *dy = in[0].as<T>(), *x = in[1].as<T>();
  if (wants_bias && !bias)
    nn::bias_gradient(ctx, w, dy, out[2].as<T>(), std::max(1, of_weight.output));
  float* parts = nullptr;
  bool direct = false;
  if constexpr (std::is_same_v<T, float>)
    if (pieces == 1 && ctx.wants(1)) parts = out[1].as<T>(), direct = true;
  if (weights && !direct) parts = ctx.scratch_of<float>(pieces * size);
  float* bias_parts = bias ? ctx.scratch_of<float>(pieces * w.filters) : nullptr;
  const bool together = weights && split.parts == 1;
  const int64_t grain = grain_of(w);
  onednn::guarded("Convolution", [&] {
    onednn::one_thread();
    const auto data_key = [&](int64_t images) { return key_of(w, of_data, images, false); };
    const T* weight = nullptr;
    Desc layout;
    if (ctx.wants(0)) {
      const BackwardData& b = onednn::cached(data_key(grain), make_backward_data);
      layout = b.weight;
      weight = packed(ctx, data_key(grain), b, Direction::kBackward, in[2].as<T>());
    }
    if (ctx.wants(0) || together)
      ctx.parallel_for(w.batch, grain, [&](int64_t from, int64_t to) {
        onednn::one_thread();
        if (ctx.wants(0)) {
          const BackwardData& b = onednn::cached(data_key(to - from), make_backward_data);
          const bool ready = b.weight == layout;
          data_piece(b, dy + from * out_image, ready ? weight : in[2].as<T>(), ready,
                     out[0].as<T>() + from * in_image);
        }
        if (together)
          weight_piece(w, of_weight, dy + from * out_image, x + from * in_image,
                       parts + from / grain * size,
                       bias ? bias_parts + from / grain * w.filters : nullptr, to - from);
      });
    if (weights && !together) weight_parts<T>(ctx, w, of_weight, split, {dy, x, parts, bias_parts});
  });
  if (ctx.wants(1) && !direct) add_parts(ctx, parts, pieces, size, out[1].as<T>());
  if (bias) add_parts(ctx, bias_parts, pieces, w.filters, out[2].as<T>());
}
// in: dy, data, weight. out: gradients of data, weight and (with a bias) bias.
void backward(const ConvolutionParam& p, OpContext& ctx, Inputs in, Outputs out) {
  if (in_copies(in[0].dtype))
    return in_float(ctx, in, out, [&](Inputs x, Outputs y) { backward_of<float>(p, ctx, x, y); });
  if (in[0].dtype == Dtype::kBfloat16) backward_of<bfloat16>(p, ctx, in, out);
  else backward_of<float>(p, ctx, in, out);
}

// --- layouts ------------------------------------------------------------------------------------
// Channels per block, where output (and data, unless it has a picture's few channels) fill blocks.
int block_of(const Window& w, Dtype dtype) {
  if (in_copies(dtype)) return 0;
  const int b = onednn::block();
  const int64_t channels = w.channels / w.groups, filters = w.filters / w.groups;
  if (w.filters % b != 0) return 0;
  if (w.groups > 1 && channels == 1 && filters == 1) return b;
  if (filters % b != 0) return 0;
  return channels % b == 0 || (w.groups == 1 && channels <= 3) ? b : 0;
}
Lies lies_in(const Window& w, Dtype dtype, int block) {
  return {dtype, w.channels % block == 0 ? block : 0, block};
}

void wants_with(const ConvolutionParam& p, const Rest& rest, const Situation& s, StoredAs& as) {
  const Window w = nn::window_of(p, s.in[0].shape, s.out[0].shape);
  const int b = block_of(w, s.in[0].dtype);
  if (b == 0) return;
  const Lies lies = lies_in(w, s.in[0].dtype, b);
  onednn::guarded("Convolution", [&] {
    int64_t first;
    const Parts parts(w, lies);
    const Advice& advice =
        onednn::cached(key_of(parts(0, first), lies, grain_of(w), !p.no_bias, rest), make_forward)
            .advice;
    if (advice.reference) return;
    as.in[0].layout = Geometry::layout(lies.data), as.out[0].layout = Layout::channels(b);
    if (advice.weight && (parts.count == 1 || advice.weight->last != 0))
      as.in[1].layout = *advice.weight;
  });
}
void wants(const ConvolutionParam& p, const Situation& s, StoredAs& as) {
  wants_with(p, {}, s, as);
}
void wants_fused(const FusedConvolutionParam& p, const Situation& s, StoredAs& as) {
  wants_with(p, rest_of(p), s, as);
  if (p.sum) as.in[size_t(p.addend())].layout = as.out[0].layout;
}

// Nobody asks for the gradient of a picture, and weights are read for that only.
void wants_backward(const ConvolutionParam& p, const Situation& s, StoredAs& as) {
  const Window w = nn::window_of(p, s.in[1].shape, s.in[0].shape);
  const int b = block_of(w, s.in[0].dtype);
  if (b == 0) return;
  const Lies lies = lies_in(w, s.in[0].dtype, b);
  onednn::guarded("Convolution", [&] {
    const WeightParts parts(w, lies);
    const Advice weight = onednn::cached(key_of(parts.window(w, 0), lies, parts.grain, !p.no_bias),
                                         make_backward_weight)
                              .advice;
    std::optional<Advice> data;
    if (lies.data)
      data = onednn::cached(key_of(w, lies, grain_of(w), false), make_backward_data).advice;
    if (weight.reference || (data && data->reference)) return;
    as.in[0].layout = Layout::channels(b);
    as.in[1].layout = as.out[0].layout = Geometry::layout(lies.data);
    if (data && data->weight) as.in[2].layout = *data->weight;
    if (weight.weight) as.out[1].layout = *weight.weight;
  });
}

// In volumes oneDNN takes a window of one cell that lies in the padding for one inside the data.
bool misplaced(const ConvolutionParam& p) {
  if (p.kernel.rank() != 3) return false;
  for (int i = 0; i < 3; ++i)
    if (p.kernel[i] == 1 && nn::axis_of(p.pad, i, 0) > 0) return true;
  return false;
}
bool accepts(const ConvolutionParam& p, const Situation& s) {
  const Dtype d = s.in[0].dtype;
  return (d == Dtype::kFloat32 || is_half(d)) && s.in[0].size() > 0 && !misplaced(p);
}
bool accepts_fused(const FusedConvolutionParam& p, const Situation& s) { return accepts(p, s); }

void define(OpTable& ops) {
  ops.kernel("Convolution", Device::kCpu, "onednn", forward, accepts, wants);
  ops.scratch("Convolution", scratch);
  ops.kernel("_fused_convolution", Device::kCpu, "onednn", forward_fused, accepts_fused,
             wants_fused);
  ops.scratch("_fused_convolution", scratch_fused);
  ops.kernel("_backward_Convolution", Device::kCpu, "onednn", backward, accepts, wants_backward);
  ops.scratch("_backward_Convolution", scratch_backward);
}

}  // namespace heddle::ops::convolution_onednn
