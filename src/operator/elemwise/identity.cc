// Operators that hand their input on: copies, casts, gradient stops and loss heads.
#include <algorithm>
#include <cstring>

#include "operator/elemwise/loops.h"

namespace heddle::ops::ew {

struct Identity {
  static constexpr bool exact = true;
  HEDDLE_HD static auto f(auto x) { return x; }
};

// Converts x to y, as large: in one pass where one of them is of type C, else in tiles of it.
template <class C>
void convert(const OpContext& ctx, const Blob& x, const Blob& y) {
  const Load<C> load = x.dtype == dtype_of<C> ? nullptr : load_of<C>(x.dtype);
  const Store<C> store = y.dtype == dtype_of<C> ? nullptr : store_of<C>(y.dtype);
  const int64_t step = load && store ? kTile : kGrain;
  const char* from = static_cast<const char*>(x.data);
  char* to = static_cast<char*>(y.data);
  ctx.parallel_for(x.size(), kGrain, [&](int64_t begin, int64_t end) {
    C tile[kTile];
    for (int64_t at = begin; at < end; at += step) {
      const int64_t n = std::min(step, end - at);
      const char* a = from + at * dtype_size(x.dtype);
      char* b = to + at * dtype_size(y.dtype);
      if (!store) load(a, reinterpret_cast<C*>(b), n);
      else if (!load) store(reinterpret_cast<const C*>(a), b, n);
      else load(a, tile, n), store(tile, b, n);
    }
  });
}
// Floats become narrow integers at once, not by way of int64: what int32 does not hold is its
// smallest number then, as in NumPy, and not the low bits of another one.
void convert_like(const OpContext& ctx, const Blob& x, const Blob& y) {
  const bool from_float = is_float(x.dtype) && y.dtype != Dtype::kInt64;
  if (y.dtype == Dtype::kFloat64) return convert<double>(ctx, x, y);
  if (is_float(y.dtype)) return convert<float>(ctx, x, y);
  if (!from_float) return convert<int64_t>(ctx, x, y);
  return x.dtype == Dtype::kFloat64 ? convert<double>(ctx, x, y) : convert<float>(ctx, x, y);
}

void copy_broadcast(const OpContext& ctx, const Blob& x, const Blob& y) {
  if (x.dtype == y.dtype && x.shape.size() == y.shape.size()) {
    if (x.data == y.data) return;
    const char* from = static_cast<const char*>(x.data);
    char* to = static_cast<char*>(y.data);
    const int64_t size = dtype_size(x.dtype);
    return ctx.parallel_for(x.size(), 8 * kGrain, [&](int64_t begin, int64_t end) {
      std::memcpy(to + begin * size, from + begin * size, size_t((end - begin) * size));
    });
  }
  if (y.dtype != Dtype::kBool && x.shape == y.shape) return convert_like(ctx, x, y);
  map(ctx, kLoops<Identity>, {y.dtype == Dtype::kBool ? Operand::truth(x) : Operand(x)}, y);
}

}  // namespace heddle::ops::ew

namespace heddle::ops::identity {
using namespace ew;

void run(OpContext& ctx, Inputs in, Outputs out) { copy_broadcast(ctx, in[0], out[0]); }

std::vector<GradContext::Value> pass(GradContext& g) { return {g.dy()}; }

struct CastParam {
  Dtype dtype = Dtype::kUnknown;
  void fields(auto&& f) { f("dtype", dtype, "The dtype of the result.").required(); }
};
void infer_cast_dtype(const CastParam& p, InferContext& c) { c.set_out_dtype(0, p.dtype); }
// Mixed precision concerns floating numbers: others stay as they are.
void infer_amp_cast(const CastParam& p, InferContext& c) {
  const Dtype x = c.in_dtype(0);
  if (x != Dtype::kUnknown) c.set_out_dtype(0, is_float(x) ? p.dtype : x);
}
void cast(const CastParam&, OpContext& ctx, Inputs in, Outputs out) {
  copy_broadcast(ctx, in[0], out[0]);
}
// The second input gives only its type; only the first is read.
void copy_first(OpContext& ctx, Inputs in, Outputs out) {
  if (ctx.wants(0)) copy_broadcast(ctx, in[0], out[0]);
  if (out.size() > 1 && ctx.wants(1)) std::memset(out[1].data, 0, size_t(out[1].bytes()));
}
void ones(OpContext& ctx, Inputs, Outputs out) { map(ctx, kLoops<Identity>, {1.0}, out[0]); }

std::vector<Builder::Value> ones_like(GradContext& g) { return {g.call("ones_like", {g.x(0)})}; }

void define(OpTable& ops) {
  ops.define({.name = "_copy",
              .aliases = {"identity"},
              .doc = "A copy; the gradient passes.",
              .inplace = {{0, 0}},
              .cpu = run,
              .wants = wants_same,
              .backward = {.reads = {dy()}, .run = run, .build = pass, .inplace = {{0, 0}}},
              .meaning = Meaning::kIdentity});
  ops.define({.name = "BlockGrad",
              .aliases = {"stop_gradient"},
              .doc = "A copy through which no gradient passes.",
              .inplace = {{0, 0}},
              .cpu = run,
              .wants = wants_same,
              .backward = {.zero = true}});
  ops.define({.name = "make_loss",
              .doc = "A copy that is a loss: its gradient is 1, whatever comes from above.",
              .precision = Precision::kFull,
              .outputs = {{"loss"}},
              .inplace = {{0, 0}},
              .cpu = run,
              .wants = wants_same,
              .backward = {.run = ones, .build = ones_like, .ignores_head = true}});
  ops.define({.name = "_identity_with_attr_like_rhs",
              .doc = "A copy of lhs, which has the shape and dtype of rhs.",
              .inputs = {{"lhs"}, {.name = "rhs", .shape_only = true}},
              .inplace = {{0, 0}},
              .cpu = copy_first,
              .wants = wants_same,
              .backward = {.reads = {dy()}, .run = copy_first, .linear = Linear::kYes}});
  ops.define({.name = "Cast",
              .aliases = {"cast"},
              .doc = "Converts to another dtype. Toward integers it rounds toward zero; to bool, "
                     "anything but zero is true.",
              .params = schema<CastParam>(),
              .infer_dtype = infer_cast_dtype,
              .cpu = cast,
              .wants = wants_same,
              .backward = {.reads = {dy()}, .run = cast, .linear = Linear::kYes}});
  ops.define({.name = "amp_cast",
              .doc = "Cast, as put in by automatic mixed precision. Integers stay as they are.",
              .params = schema<CastParam>(),
              .infer_dtype = infer_amp_cast,
              .cpu = cast,
              .wants = wants_same,
              .backward = {.reads = {dy()}, .run = cast, .linear = Linear::kYes},
              .meaning = Meaning::kToPrecision});
}

}  // namespace heddle::ops::identity
