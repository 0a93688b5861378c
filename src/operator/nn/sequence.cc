// SequenceMask, SequenceLast, SequenceReverse: batches of sequences of different lengths.
#include <algorithm>
#include <cstring>

#include "heddle/op.h"
#include "operator/tensor/view.h"
#include "operator/width.h"

namespace heddle::ops::sequence {

struct SequenceParam {
  bool use_sequence_length = false;
  int64_t axis = 0;
  void fields(auto&& f) {
    fields(f, [] {});
  }
  void fields(auto&& f, auto&& before_axis) {  // programs give parameters by position too
    f("use_sequence_length", use_sequence_length,
      "Take a second input: the length of each sequence.");
    before_axis();
    f("axis", axis, "The axis of time: 0 or 1; the batch is the other one.").range(0, 1);
  }
};
struct MaskParam : SequenceParam {
  float value = 0;
  void fields(auto&& f) {
    SequenceParam::fields(f,
                          [&] { f("value", value, "What stands beyond the end of a sequence."); });
  }
};

// data as (time, batch, rest) or (batch, time, rest).
struct Steps {
  int64_t time, batch, rest, time_step, batch_step;
  Steps(const SequenceParam& p, const Shape& s) {
    time = s[int(p.axis)], batch = s[int(1 - p.axis)], rest = s.size(2);
    time_step = p.axis == 0 ? batch * rest : rest, batch_step = p.axis == 0 ? rest : time * rest;
  }
};

void infer_rank(const SequenceParam& p, InferContext& c) {
  const Shape& x = c.in(0);
  if (!x.has_rank()) return;
  check(x.rank() >= 2, "[{}] data has shape {}, expected two axes or more", c.op().name, x);
  if (p.use_sequence_length) c.set_in(1, {x[int(1 - p.axis)]});
}
void infer_like(const SequenceParam& p, InferContext& c) {
  c.set_out(0, c.in(0));
  c.set_in(0, c.out(0));
  infer_rank(p, c);
}
void infer_last(const SequenceParam& p, InferContext& c) {
  infer_rank(p, c);
  const Shape& x = c.in(0);
  if (!x.has_rank()) return;
  Shape y{x[int(1 - p.axis)]};
  for (int i = 2; i < x.rank(); ++i) y.append(x[i]);
  c.set_out(0, y);
  check(x[int(p.axis)] != 0 || (y.known() && y.size() == 0),
        "[SequenceLast] data has shape {}, expected one step or more along axis {}", x, p.axis);
}
// Lengths may have a dtype of their own.
void infer_dtype(const SequenceParam& p, InferContext& c) {
  c.set_out_dtype(0, c.in_dtype(0));
  c.set_in_dtype(0, c.out_dtype(0));
  if (p.use_sequence_length && c.in_dtype(1) == Dtype::kUnknown) c.set_in_dtype(1, c.in_dtype(0));
}

// A length within [0, time]: NaN is 0, and what no integer can hold is cut before it becomes one.
int64_t within(double length, int64_t time) {
  return length > 0 ? int64_t(std::min(length, double(time))) : 0;
}

// The length of each sequence, within [0, time].
const int64_t* lengths_of(const SequenceParam& p, OpContext& ctx, const Blob* lengths,
                          const Steps& s) {
  int64_t* n = ctx.scratch_of<int64_t>(s.batch);
  std::fill_n(n, s.batch, s.time);
  if (p.use_sequence_length)
    with_dtype(lengths->dtype, "Sequence", [&](auto type) {
      const auto* from = lengths->as<decltype(type)>();
      for (int64_t i = 0; i < s.batch; ++i) n[i] = within(double(from[i]), s.time);
    });
  return n;
}

void clear(OpContext& ctx, Outputs out, int i) {
  if (int(out.size()) > i && ctx.wants(i))
    std::memset(out[size_t(i)].data, 0, size_t(out[size_t(i)].bytes()));
}

std::vector<Ref> reads(const SequenceParam& p) {
  if (p.use_sequence_length) return {dy(), x(1)};
  return {dy()};
}

// --- SequenceMask -------------------------------------------------------------------------------
void mask(const MaskParam& p, OpContext& ctx, const Blob& x, const Blob* lengths, const Blob& y,
          float value) {
  const Steps s(p, x.shape);
  if (!lengths) return view::copy_all(ctx, x, y);
  if (s.rest == 0) return;
  const int64_t* n = lengths_of(p, ctx, lengths, s);
  with_dtype(x.dtype, "SequenceMask", [&](auto type) {
    using T = decltype(type);
    // In the order of memory: step k is (time, batch) or (batch, time).
    const int64_t inner = s.time_step < s.batch_step ? s.time : s.batch;
    const int64_t grain = std::max<int64_t>(1, 16384 / s.rest);
    ctx.parallel_for(s.time * s.batch, grain, [&](int64_t begin, int64_t end) {
      for (int64_t k = begin; k < end; ++k) {
        const bool by_time = s.time_step < s.batch_step;
        const int64_t t = by_time ? k % inner : k / inner, b = by_time ? k / inner : k % inner;
        const int64_t at = k * s.rest;
        if (t >= n[b]) std::fill_n(y.as<T>() + at, s.rest, T(value));
        else if (x.data != y.data) std::copy_n(x.as<T>() + at, s.rest, y.as<T>() + at);
      }
    });
  });
}
void run_mask(const MaskParam& p, OpContext& ctx, Inputs in, Outputs out) {
  mask(p, ctx, in[0], in.count() > 1 ? &in[1] : nullptr, out[0], p.value);
}
void run_mask_backward(const MaskParam& p, OpContext& ctx, Inputs in, Outputs out) {
  if (ctx.wants(0)) mask(p, ctx, in[0], in.count() > 1 ? &in[1] : nullptr, out[0], 0);
  clear(ctx, out, 1);
}
std::vector<Ref> mask_reads(const MaskParam& p) { return reads(p); }

// --- SequenceLast -------------------------------------------------------------------------------
void run_last(const SequenceParam& p, OpContext& ctx, Inputs in, Outputs out) {
  const Steps s(p, in[0].shape);
  const int64_t* n = lengths_of(p, ctx, in.count() > 1 ? &in[1] : nullptr, s);
  const int64_t bytes = s.rest * dtype_size(in[0].dtype), size = dtype_size(in[0].dtype);
  for (int64_t b = 0; b < s.batch; ++b) {
    const int64_t at = b * s.batch_step + std::max<int64_t>(n[b] - 1, 0) * s.time_step;
    std::memcpy(static_cast<char*>(out[0].data) + b * bytes,
                static_cast<const char*>(in[0].data) + at * size, size_t(bytes));
  }
}
void run_last_backward(const SequenceParam& p, OpContext& ctx, Inputs in, Outputs out) {
  clear(ctx, out, 1);
  if (!ctx.wants(0)) return;
  clear(ctx, out, 0);
  const Steps s(p, out[0].shape);
  const int64_t* n = lengths_of(p, ctx, in.count() > 1 ? &in[1] : nullptr, s);
  const int64_t bytes = s.rest * dtype_size(in[0].dtype), size = dtype_size(in[0].dtype);
  for (int64_t b = 0; b < s.batch; ++b) {
    const int64_t at = b * s.batch_step + std::max<int64_t>(n[b] - 1, 0) * s.time_step;
    std::memcpy(static_cast<char*>(out[0].data) + at * size,
                static_cast<const char*>(in[0].data) + b * bytes, size_t(bytes));
  }
}

// --- SequenceReverse ----------------------------------------------------------------------------
// Its own inverse, hence its own gradient.
void reverse(const SequenceParam& p, OpContext& ctx, const Blob& x, const Blob* lengths,
             const Blob& y) {
  const Steps s(p, x.shape);
  if (s.rest == 0) return;
  if (!lengths) {
    view::View turned(x.shape);
    if (s.time > 0) turned.slice(int(p.axis), s.time - 1, s.time, -1);
    return view::copy(ctx, x, turned, y, view::View(y.shape));
  }
  const int64_t* n = lengths_of(p, ctx, lengths, s);
  with_width(x.dtype, [&](auto type) {
    using T = decltype(type);
    const T* from = static_cast<const T*>(x.data);
    T* to = static_cast<T*>(y.data);
    // In the order of y's memory, whose rows are (time, batch) or (batch, time).
    const bool by_time = s.time_step < s.batch_step;
    const int64_t grain = std::max<int64_t>(1, 16384 / s.rest);
    ctx.parallel_for(s.time * s.batch, grain, [&](int64_t begin, int64_t end) {
      for (int64_t k = begin; k < end; ++k) {
        const int64_t t = by_time ? k % s.time : k / s.batch,
                      b = by_time ? k / s.time : k % s.batch;
        const int64_t source = t < n[b] ? n[b] - 1 - t : t;
        std::copy_n(from + b * s.batch_step + source * s.time_step, s.rest, to + k * s.rest);
      }
    });
  });
}
void run_reverse(const SequenceParam& p, OpContext& ctx, Inputs in, Outputs out) {
  reverse(p, ctx, in[0], in.count() > 1 ? &in[1] : nullptr, out[0]);
}
void run_reverse_backward(const SequenceParam& p, OpContext& ctx, Inputs in, Outputs out) {
  if (ctx.wants(0)) reverse(p, ctx, in[0], in.count() > 1 ? &in[1] : nullptr, out[0]);
  clear(ctx, out, 1);
}

ScratchNeed scratch(const Situation& s) {
  ScratchNeed need;
  need.take(8 * std::max(s.in[0].shape[0], s.in[0].shape.rank() > 1 ? s.in[0].shape[1] : 1));
  return need;
}

void define(OpTable& ops) {
  OpDef record{.params = schema<SequenceParam>(),
               .inputs = {{"data"},
                          {.name = "sequence_length",
                           .doc = "(batch)",
                           .when = when("use_sequence_length", true)}},
               .infer = infer_like,
               .infer_dtype = infer_dtype};
  OpDef mask = record;
  mask.name = "SequenceMask", mask.aliases = {"_npx_sequence_mask"};
  mask.doc = "Replaces what lies beyond the end of each sequence by `value`.";
  mask.params = schema<MaskParam>();
  mask.inplace = {{0, 0}};
  mask.cpu = run_mask;
  mask.backward = {.reads = mask_reads,
                   .run = run_mask_backward,
                   .linear = Linear::kYes,
                   .linear_part = {{"value", "0"}}};
  ops.define(std::move(mask));
  OpDef last = record;
  last.name = "SequenceLast", last.infer = infer_last;
  last.doc = "The last step of each sequence.";
  last.cpu = run_last;
  last.backward = {.reads = reads, .run = run_last_backward, .linear = Linear::kYes};
  ops.define(std::move(last));
  record.name = "SequenceReverse";
  record.doc = "Each sequence in reverse order; what lies beyond its end stays.";
  record.cpu = run_reverse;
  record.backward = {.reads = reads, .run = run_reverse_backward, .linear = Linear::kYes};
  ops.define(std::move(record));
}

}  // namespace heddle::ops::sequence
