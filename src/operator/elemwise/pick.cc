// pick: one element along an axis for each index.
#include <algorithm>
#include <cstring>

#include "heddle/op.h"
#include "operator/elemwise/convert.h"
#include "operator/width.h"

namespace heddle::ops::pick {
using namespace ew;

enum class Mode { kWrap, kClip };

struct Param {
  std::optional<int64_t> axis = -1;
  bool keepdims = false;
  Mode mode = Mode::kClip;
  void fields(auto&& f) {
    f("axis", axis, "The axis to pick from.");
    f("keepdims", keepdims, "Leave the axis in the result with size 1.");
    f("mode", mode, "What an index outside does: wrap around, or stop at the ends.")
        .names({"wrap", "clip"});
  }
};

void infer(const Param& p, InferContext& c) {
  const Shape& x = c.in(0);
  if (!x.has_rank()) return;
  check(p.axis.has_value(), "[pick] axis is None, expected a number");
  const int axis = normalize_axis("pick", *p.axis, x.rank());
  Shape kept = x, dropped = Shape::unknown(0);
  kept[axis] = 1;
  for (int d = 0; d < x.rank(); ++d)
    if (d != axis) dropped.append(x[d]);
  if (dropped.rank() == 0) dropped = {1};
  c.set_out(0, p.keepdims ? kept : dropped);
  if (!c.in(1).has_rank()) c.set_in(1, p.keepdims ? kept : dropped);
  else c.set_in(1, c.in(1).rank() == x.rank() ? kept : dropped);
}

void infer_dtype(InferContext& c) {  // the index may have any
  c.set_out_dtype(0, c.in_dtype(0));
  c.set_in_dtype(0, c.out_dtype(0));
}

// Calls each(element of data, element of the result) for every index.
template <class Each>
void for_each(const Param& p, const OpContext& ctx, const Shape& x, const Blob& index,
              Each&& each) {
  const int axis = normalize_axis("pick", *p.axis, x.rank());
  const int64_t n = x[axis], inner = x.size(axis + 1);
  check(n > 0, "[pick] data has shape {}, expected at least one element to pick from", x);
  const Load<int64_t> load = load_of<int64_t>(index.dtype);
  const int64_t size = dtype_size(index.dtype);
  ctx.parallel_for(index.size(), kGrain, [&](int64_t begin, int64_t end) {
    int64_t buffer[kTile];
    for (int64_t at = begin; at < end; at += kTile) {
      const int64_t m = std::min(kTile, end - at);
      load(static_cast<const char*>(index.data) + at * size, buffer, m);
      for (int64_t i = 0; i < m; ++i) {
        int64_t k = buffer[i];
        if (p.mode == Mode::kWrap) k = k % n + (k % n < 0 ? n : 0);
        else k = std::clamp<int64_t>(k, 0, n - 1);
        const int64_t o = (at + i) / inner, column = (at + i) % inner;
        each((o * n + k) * inner + column, at + i);
      }
    }
  });
}

void run(const Param& p, OpContext& ctx, Inputs in, Outputs out) {
  with_width(in[0].dtype, [&]<class T>(T) {
    const T* x = static_cast<const T*>(in[0].data);
    T* y = static_cast<T*>(out[0].data);
    for_each(p, ctx, in[0].shape, in[1], [&](int64_t from, int64_t to) { y[to] = x[from]; });
  });
}

// in: dy, index; out: the gradients of data and (zero) of the index
void gradient(const Param& p, OpContext& ctx, Inputs in, Outputs out) {
  for (int i : {0, 1})
    if (ctx.wants(i)) std::memset(out[size_t(i)].data, 0, size_t(out[size_t(i)].bytes()));
  if (!ctx.wants(0)) return;
  with_width(in[0].dtype, [&]<class T>(T) {
    const T* g = static_cast<const T*>(in[0].data);
    T* dx = static_cast<T*>(out[0].data);
    for_each(p, ctx, out[0].shape, in[1], [&](int64_t to, int64_t from) { dx[to] = g[from]; });
  });
}

void define(OpTable& ops) {
  ops.define({.name = "pick",
              .aliases = {"choose_element_0index"},
              .doc = "For each index, the element of data that it names along the axis.",
              .params = schema<Param>(),
              .inputs = {{"data"}, {"index"}},
              .infer = infer,
              .infer_dtype = infer_dtype,
              .cpu = run,
              .backward = {.reads = {dy(), x(1)}, .run = gradient, .linear = Linear::kYes}});
}

}  // namespace heddle::ops::pick
