// softmax, log_softmax, softmin, SoftmaxActivation: the records over one pair of loops.
#include "operator/nn/softmax.h"

#include <algorithm>
#include <optional>

#include "operator/elemwise/scalar.h"
#include "operator/scratch_needs.h"

#define HEDDLE_LOOPS "operator/nn/softmax.inl.h"
#include "operator/simd/each_target.h"

namespace heddle::ops::softmax {

template <class T>
using Wide = std::conditional_t<(sizeof(T) < 4), float, T>;

// Calls rows(offset, count, length) for rows whose elements lie side by side, one after the other
// where all have one length, and columns(offset, lanes, length) for groups of interleaved rows.
template <class Rows, class Columns>
void each_group(const OpContext& ctx, Extents e, const int64_t* lengths, Rows&& rows,
                Columns&& columns) {
  constexpr int64_t kLanes = 16, kPiece = 8192;
  if (e.inner == 0) return;
  const auto length = [&](int64_t row, int64_t lane) {
    return lengths ? std::clamp<int64_t>(lengths[row * e.inner + lane], 0, e.axis) : e.axis;
  };
  const int64_t lanes = lengths ? 1 : std::min(kLanes, e.inner);
  const int64_t groups = (e.inner + lanes - 1) / lanes;
  const int64_t grain = std::max<int64_t>(1, kPiece / std::max<int64_t>(1, e.axis * lanes));
  ctx.parallel_for(e.outer * groups, grain, [&](int64_t from, int64_t to) {
    if (e.inner == 1 && !lengths) return rows(from * e.axis, to - from, e.axis);
    for (int64_t i = from; i < to; ++i) {
      const int64_t row = i / groups, lane = i % groups * lanes;
      const int64_t at = row * e.axis * e.inner + lane;
      if (e.inner == 1) rows(at, 1, length(row, lane));
      else columns(at, int(std::min(lanes, e.inner - lane)), length(row, lane));
    }
  });
}

template <class T>
void zero_tail(T* y, Extents e, int64_t n) {
  for (int64_t i = n; i < e.axis; ++i) y[i * e.inner] = T(0);
}

template <class T>
void forward(const OpContext& ctx, const T* x, T* y, Extents e, double scale, bool log,
             const int64_t* lengths) {
  using A = Wide<T>;
  const auto rows = HEDDLE_PICK(softmax_rows<T, A>);
  const auto columns = HEDDLE_PICK(softmax_columns<T, A>);
  each_group(
      ctx, e, lengths,
      [&](int64_t at, int64_t count, int64_t n) {
        ScratchScope scope;
        A* terms = nullptr;
        if constexpr (!std::is_same_v<A, T>)
          terms = static_cast<A*>(thread_scratch(size_t(n) * sizeof(A)));
        if (n > 0) rows(x + at, y + at, terms, count, n, A(scale), log);
        if (lengths) zero_tail(y + at, e, n);
      },
      [&](int64_t at, int lanes, int64_t n) {
        if (n > 0) columns(x + at, y + at, n, e.inner, lanes, A(scale), log);
        if (lengths) zero_tail(y + at, e, n);
      });
}

template <class T>
void backward(const OpContext& ctx, const T* dy, const T* y, T* dx, Extents e, double scale,
              bool log, const int64_t* lengths) {
  using A = Wide<T>;
  const auto rows = HEDDLE_PICK(softmax_rows_backward<T, A>);
  const auto columns = HEDDLE_PICK(softmax_columns_backward<T, A>);
  each_group(
      ctx, e, lengths,
      [&](int64_t at, int64_t count, int64_t n) {
        if (n > 0) rows(dy + at, y + at, dx + at, count, n, A(scale), log);
        if (lengths) zero_tail(dx + at, e, n);
      },
      [&](int64_t at, int lanes, int64_t n) {
        if (n > 0) columns(dy + at, y + at, dx + at, n, e.inner, lanes, A(scale), log);
        if (lengths) zero_tail(dx + at, e, n);
      });
}

template <class T>
void log_sums(const OpContext& ctx, const T* x, int64_t rows, int64_t n, double* shifts) {
  const auto shift = HEDDLE_PICK(softmax_shift<T, Wide<T>>);
  ctx.parallel_for(rows, std::max<int64_t>(1, 8192 / std::max<int64_t>(1, n)),
                   [&](int64_t begin, int64_t end) {
                     for (int64_t i = begin; i < end; ++i)
                       shifts[i] = double(shift(x + i * n, n, Wide<T>(1)));
                   });
}

#define HEDDLE_SOFTMAX(T)                                                                       \
  template void forward(const OpContext&, const T*, T*, Extents, double, bool, const int64_t*); \
  template void backward(const OpContext&, const T*, const T*, T*, Extents, double, bool,       \
                         const int64_t*);                                                       \
  template void log_sums(const OpContext&, const T*, int64_t, int64_t, double*);
HEDDLE_SOFTMAX(float)
HEDDLE_SOFTMAX(double)
HEDDLE_SOFTMAX(float16)
HEDDLE_SOFTMAX(bfloat16)
#undef HEDDLE_SOFTMAX

// --- the operators ------------------------------------------------------------------------------
struct SoftmaxParam {
  int64_t axis = -1;
  std::optional<double> temperature;
  Dtype dtype = Dtype::kUnknown;
  std::optional<bool> use_length = false;
  void fields(auto&& f) {
    f("axis", axis, "The axis whose elements sum to one.");
    f("temperature", temperature, "Divides data first; None means 1.");
    f("dtype", dtype, "Of the output; None means that of data.");
    f("use_length", use_length, "Take a second input: how many elements of each row count.");
  }
};

enum class Kind { kSoftmax, kLog, kMin };

void infer(const SoftmaxParam& p, InferContext& c) {
  c.set_out(0, c.in(0));
  c.set_in(0, c.out(0));
  const Shape& x = c.in(0);
  if (!x.has_rank()) return;
  const int axis = normalize_axis(c.op().name, p.axis, x.rank());
  if (c.inputs() < 2) return;
  Shape length = Shape::unknown(0);
  for (int i = 0; i < x.rank(); ++i)
    if (i != axis) length.append(x[i]);
  c.set_in(1, length);
}

void infer_dtype(const SoftmaxParam& p, InferContext& c) {
  if (p.dtype != Dtype::kUnknown) return c.set_out_dtype(0, p.dtype);
  c.set_out_dtype(0, c.in_dtype(0));
  c.set_in_dtype(0, c.out_dtype(0));
}

double scale_of(const SoftmaxParam& p, Kind kind) {
  return (kind == Kind::kMin ? -1.0 : 1.0) / p.temperature.value_or(1.0);
}

const int64_t* lengths_of(OpContext& ctx, const Blob& b) {
  int64_t* lengths = ctx.scratch_of<int64_t>(b.size());
  with_dtype(b.dtype, "softmax", [&](auto type) {
    const auto* from = b.as<decltype(type)>();
    for (int64_t i = 0; i < b.size(); ++i) lengths[i] = int64_t(from[i]);
  });
  return lengths;
}

// x as an array of T: itself, or a copy.
template <class T>
const T* as_type(OpContext& ctx, const Blob& x) {
  if (x.dtype == dtype_of<T>) return x.as<T>();
  T* y = ctx.scratch_of<T>(x.size());
  with_dtype(x.dtype, "softmax", [&](auto type) {
    const auto* from = x.as<decltype(type)>();
    for (int64_t i = 0; i < x.size(); ++i) y[i] = T(Wide<T>(from[i]));
  });
  return y;
}

template <Kind K>
void run(const SoftmaxParam& p, OpContext& ctx, Inputs in, Outputs out) {
  with_float(out[0].dtype, "softmax", [&](auto type) {
    using T = decltype(type);
    const Shape& s = in[0].shape;
    forward(ctx, as_type<T>(ctx, in[0]), out[0].as<T>(),
            extents_of(s, normalize_axis("softmax", p.axis, s.rank())), scale_of(p, K),
            K == Kind::kLog, in.count() > 1 ? lengths_of(ctx, in[1]) : nullptr);
  });
}

// Rows of halves are computed in float32.
int64_t row_bytes(const Extents& e, Dtype d) { return dtype_size(d) < 4 ? 4 * e.axis : 0; }
Extents extents_of(const SoftmaxParam& p, const Shape& s) {
  return extents_of(s, normalize_axis("softmax", p.axis, s.rank()));
}

ScratchNeed scratch(const SoftmaxParam& p, const Situation& s) {
  ScratchNeed need{.piece = row_bytes(extents_of(p, s.in[0].shape), s.out[0].dtype)};
  if (s.in[0].dtype != s.out[0].dtype) need.take(s.out[0].bytes());
  if (s.in.size() > 1) need.take(8 * s.in[1].size());
  return need;
}
ScratchNeed scratch_backward(const SoftmaxParam&, const Situation& s) {
  ScratchNeed need;
  if (s.wants(0) && s.out[0].dtype != s.in[0].dtype) need.take(s.in[0].bytes());
  if (s.in.size() > 2) need.take(8 * s.in[2].size());
  return need;
}

std::vector<Ref> reads(const SoftmaxParam& p) {
  if (p.use_length.value_or(false)) return {dy(), y(0), x(1)};
  return {dy(), y(0)};
}

// in: dy, output, length (use_length). out: gradients of data and of length, which is zero.
template <Kind K>
void run_backward(const SoftmaxParam& p, OpContext& ctx, Inputs in, Outputs out) {
  with_float(in[0].dtype, "softmax", [&](auto type) {
    using T = decltype(type);
    const Shape& s = in[1].shape;
    const bool same = out[0].dtype == dtype_of<T>;
    if (ctx.wants(0)) {
      T* dx = same ? out[0].as<T>() : ctx.scratch_of<T>(out[0].size());
      backward(ctx, in[0].as<T>(), in[1].as<T>(), dx,
               extents_of(s, normalize_axis("softmax", p.axis, s.rank())), scale_of(p, K),
               K == Kind::kLog, in.count() > 2 ? lengths_of(ctx, in[2]) : nullptr);
      if (!same)
        with_dtype(out[0].dtype, "softmax", [&](auto to) {
          for (int64_t i = 0; i < out[0].size(); ++i)
            out[0].as<decltype(to)>()[i] = decltype(to)(Wide<T>(dx[i]));
        });
    }
  });
  if (out.size() > 1 && ctx.wants(1))
    std::fill_n(static_cast<char*>(out[1].data), out[1].bytes(), char(0));
}

// softmax: scale * (dy - sum(dy * y)) * y. log_softmax: scale * (dy - sum(dy) * exp(y)). Not with
// lengths, beyond which nothing flows, nor where y has another dtype.
template <Kind K>
std::vector<GradContext::Value> build(const SoftmaxParam& p, GradContext& g) {
  if (p.use_length.value_or(false) || p.dtype != Dtype::kUnknown) return {};
  const Kwargs along = {{"axis", param::print(p.axis)}, {"keepdims", "True"}};
  const auto dy = g.dy(), y = g.y();
  GradContext::Value dx;
  if constexpr (K == Kind::kLog) {
    const auto sum = g.call("sum", {dy}, along);
    dx = g.call("elemwise_sub", {dy, g.call("broadcast_mul", {g.call("exp", {y}), sum})});
  } else {
    const auto sum = g.call("sum", {g.call("elemwise_mul", {dy, y})}, along);
    dx = g.call("elemwise_mul", {g.call("broadcast_sub", {dy, sum}), y});
  }
  return {g.call("_mul_scalar", {dx}, {{"scalar", param::print(scale_of(p, K))}})};
}

template <Kind K>
OpDef record(const char* name, const char* doc) {
  return {
      .name = name,
      .doc = doc,
      .dtypes = Dtypes::kFloating,
      .precision = Precision::kFull,
      .params = schema<SoftmaxParam>(),
      .inputs = {{"data"},
                 {.name = "length",
                  .doc = "data's shape without the axis",
                  .when = when("use_length", true)}},
      .infer = infer,
      .infer_dtype = infer_dtype,
      .inplace = {{0, 0}},
      .cpu = run<K>,
      .scratch = scratch,
      .backward = {.reads = reads,
                   .run = run_backward<K>,
                   .scratch = scratch_backward,
                   .build = build<K>,
                   .inplace = {{0, 0}, {1, 0}}},
  };
}

// --- SoftmaxActivation --------------------------------------------------------------------------
enum class Mode { kInstance, kChannel };
struct SoftmaxActivationParam {
  Mode mode = Mode::kInstance;
  void fields(auto&& f) {
    f("mode", mode, "Over the last axis, or over the channels of each position.")
        .names({"instance", "channel"});
  }
  Extents extents(const Shape& s) const {
    if (mode == Mode::kInstance) return extents_of(s, s.rank() - 1);
    return {s[0], s[1], s.size(2)};
  }
};

void infer_activation(InferContext& c) {
  infer_same(c);
  const Shape& x = c.in(0);
  check(!x.has_rank() || x.rank() >= 2,
        "[SoftmaxActivation] data has shape {}, expected two axes or more", x);
}

void run_activation(const SoftmaxActivationParam& p, OpContext& ctx, Inputs in, Outputs out) {
  with_float(in[0].dtype, "SoftmaxActivation", [&](auto type) {
    using T = decltype(type);
    forward(ctx, in[0].as<T>(), out[0].as<T>(), p.extents(in[0].shape), 1.0, false);
  });
}

ScratchNeed activation_scratch(const SoftmaxActivationParam& p, const Situation& s) {
  return {.piece = row_bytes(p.extents(s.in[0].shape), s.in[0].dtype)};
}

void run_activation_backward(const SoftmaxActivationParam& p, OpContext& ctx, Inputs in,
                             Outputs out) {
  with_float(in[0].dtype, "SoftmaxActivation", [&](auto type) {
    using T = decltype(type);
    backward(ctx, in[0].as<T>(), in[1].as<T>(), out[0].as<T>(), p.extents(in[1].shape), 1.0, false);
  });
}

void define(OpTable& ops) {
  OpDef softmax = record<Kind::kSoftmax>("softmax", "exp(x) / sum(exp(x)) along an axis.");
  softmax.aliases = {"_npx_softmax"};
  ops.define(std::move(softmax));
  OpDef log = record<Kind::kLog>("log_softmax", "The logarithm of softmax.");
  log.aliases = {"_npx_log_softmax"};
  ops.define(std::move(log));
  ops.define(record<Kind::kMin>("softmin", "softmax of -x."));
  ops.define({
      .name = "SoftmaxActivation",
      .doc = "Softmax over the last axis, or over the channels of each position.",
      .dtypes = Dtypes::kFloating,
      .precision = Precision::kFull,
      .params = schema<SoftmaxActivationParam>(),
      .infer = infer_activation,
      .inplace = {{0, 0}},
      .cpu = run_activation,
      .scratch = activation_scratch,
      .backward = {.reads = {dy(), y(0)},
                   .run = run_activation_backward,
                   .inplace = {{0, 0}, {1, 0}}},
  });
}

}  // namespace heddle::ops::softmax
