// Picking rows by number: take, batch_take, Embedding, one_hot.
#include <algorithm>

#include "operator/tensor/rows.h"
#include "operator/tensor/view.h"

namespace heddle::ops::take {

using rows::Layout;

// Gradients reach the first input only; the indices get zeros.
void no_gradient(OpContext& ctx, Outputs out, int i) {
  if (ctx.wants(i)) view::zero(ctx, out[size_t(i)]);
}

// --- take --------------------------------------------------------------------------------------
enum class Mode { kRaise, kWrap, kClip };
struct TakeParam {
  int axis = 0;
  Mode mode = Mode::kClip;
  void fields(auto&& f) {
    f("axis", axis, "The axis that indices count along.");
    f("mode", mode, "What an index out of range does.").names({"raise", "wrap", "clip"});
  }
};
void infer_take(const TakeParam& p, InferContext& c) {
  const Shape &a = c.in(0), &at = c.in(1);
  if (!a.known() || !at.known()) return;
  const int axis = normalize_axis("take", p.axis, a.rank());
  Shape y = Shape::unknown(0);
  for (int d = 0; d < axis; ++d) y.append(a[d]);
  for (int64_t n : at) y.append(n);
  for (int d = axis + 1; d < a.rank(); ++d) y.append(a[d]);
  c.set_out(0, y);
}
// Indices may have any dtype; the result has that of the first input.
void infer_first_dtype(InferContext& c) {
  c.set_out_dtype(0, c.in_dtype(0));
  c.set_in_dtype(0, c.out_dtype(0));
}
void bring_in_range(std::string_view op, int64_t* at, int64_t n, int64_t rows, Mode mode) {
  check(n == 0 || rows > 0, "[{}] there is nothing to take from an empty axis", op);
  for (int64_t i = 0; i < n; ++i) {
    if (at[i] >= 0 && at[i] < rows) continue;
    check(mode != Mode::kRaise, "IndexError: [{}] indices holds {}, expected 0 to {}", op, at[i],
          rows - 1);
    if (mode == Mode::kClip) at[i] = std::clamp<int64_t>(at[i], 0, rows - 1);
    else at[i] = (at[i] % rows + rows) % rows;
  }
}
void take(const TakeParam& p, OpContext& ctx, Inputs in, Outputs out) {
  const Layout l(in[0].shape, normalize_axis("take", p.axis, in[0].shape.rank()));
  int64_t* at = rows::read_indices(ctx, in[1]);
  bring_in_range("take", at, in[1].size(), l.rows, p.mode);
  rows::gather(ctx, l, in[0], at, in[1].size(), out[0]);
}
void take_backward(const TakeParam& p, OpContext& ctx, Inputs in, Outputs out) {  // dy, indices
  if (ctx.wants(0)) {
    const Layout l(out[0].shape, normalize_axis("take", p.axis, out[0].shape.rank()));
    int64_t* at = rows::read_indices(ctx, in[1]);
    bring_in_range("take", at, in[1].size(), l.rows, p.mode);
    rows::scatter_add(ctx, l, in[0], at, in[1].size(), out[0]);
  }
  no_gradient(ctx, out, 1);
}

// --- batch_take --------------------------------------------------------------------------------
void infer_batch(InferContext& c) {
  if (c.in(0).has_rank())
    check(c.in(0).rank() == 2, "[batch_take] a has shape {}, expected two axes", c.in(0));
  if (c.in(0).has_rank()) c.set_in(1, {c.in(0)[0]});
  c.set_out(0, c.in(1));
  c.set_in(1, c.out(0));
}
int64_t* batch_places(OpContext& ctx, const Blob& indices, const Shape& a) {
  int64_t* at = rows::read_indices(ctx, indices);
  bring_in_range("batch_take", at, indices.size(), a[1], Mode::kClip);
  for (int64_t i = 0; i < indices.size(); ++i) at[i] += i * a[1];
  return at;
}
void batch_take(OpContext& ctx, Inputs in, Outputs out) {
  Layout flat;
  flat.rows = in[0].size();
  rows::gather(ctx, flat, in[0], batch_places(ctx, in[1], in[0].shape), in[1].size(), out[0]);
}
void batch_take_backward(OpContext& ctx, Inputs in, Outputs out) {  // dy, indices
  if (ctx.wants(0)) {
    Layout flat;
    flat.rows = out[0].size();
    const int64_t* at = batch_places(ctx, in[1], out[0].shape);
    rows::scatter_add(ctx, flat, in[0], at, in[1].size(), out[0]);
  }
  no_gradient(ctx, out, 1);
}

// --- Embedding ---------------------------------------------------------------------------------
struct EmbeddingParam {
  int64_t input_dim = 0, output_dim = 0;
  Dtype dtype = Dtype::kFloat32;
  bool sparse_grad = false;
  void fields(auto&& f) {
    f("input_dim", input_dim, "Number of rows of the weight.").required().at_least(1);
    f("output_dim", output_dim, "Length of a row.").required().at_least(1);
    f("dtype", dtype, "Of the weight, where nothing else says it.");
    f("sparse_grad", sparse_grad, "Give a row-sparse gradient; ignored, gradients are dense.")
        .ignored();
  }
};
void infer_embedding(const EmbeddingParam& p, InferContext& c) {
  c.set_in(1, {p.input_dim, p.output_dim});
  if (c.in(0).has_rank()) {
    Shape y = c.in(0);
    y.append(p.output_dim);
    c.set_out(0, y);
  } else if (c.out(0).rank() > 0) {
    c.set_in(0, Shape::of(c.out(0).begin(), c.out(0).end() - 1));
  }
}
void infer_embedding_dtype(const EmbeddingParam& p, InferContext& c) {
  if (c.in_dtype(1) == Dtype::kUnknown && c.out_dtype(0) == Dtype::kUnknown)
    c.set_in_dtype(1, p.dtype);
  c.set_out_dtype(0, c.in_dtype(1));
  c.set_in_dtype(1, c.out_dtype(0));
}
void embedding(const EmbeddingParam& p, OpContext& ctx, Inputs in, Outputs out) {
  int64_t* at = rows::read_indices(ctx, in[0]);
  bring_in_range("Embedding", at, in[0].size(), p.input_dim, Mode::kClip);
  rows::gather(ctx, Layout(in[1].shape, 0), in[1], at, in[0].size(), out[0]);
}
void embedding_backward(const EmbeddingParam& p, OpContext& ctx, Inputs in, Outputs out) {
  no_gradient(ctx, out, 0);
  if (!ctx.wants(1)) return;
  int64_t* at = rows::read_indices(ctx, in[1]);
  bring_in_range("Embedding", at, in[1].size(), p.input_dim, Mode::kClip);
  rows::scatter_add(ctx, Layout(out[1].shape, 0), in[0], at, in[1].size(), out[1]);
}

// --- one_hot -----------------------------------------------------------------------------------
struct OneHotParam {
  int64_t depth = 0;
  double on_value = 1, off_value = 0;
  Dtype dtype = Dtype::kFloat32;
  void fields(auto&& f) {
    f("depth", depth, "Length of the new last axis.").required().at_least(0);
    f("on_value", on_value, "At the index.");
    f("off_value", off_value, "Elsewhere; everywhere for an index out of range.");
    f("dtype", dtype, "Of the result.");
  }
};
void infer_one_hot(const OneHotParam& p, InferContext& c) {
  if (!c.in(0).has_rank()) return;
  Shape y = c.in(0);
  y.append(p.depth);
  c.set_out(0, y);
}
void infer_one_hot_dtype(const OneHotParam& p, InferContext& c) { c.set_out_dtype(0, p.dtype); }
void one_hot(const OneHotParam& p, OpContext& ctx, Inputs in, Outputs out) {
  const int64_t* at = rows::read_indices(ctx, in[0]);
  with_dtype(out[0].dtype, "one_hot", [&](auto t) {
    using T = decltype(t);
    T* y = static_cast<T*>(out[0].data);
    const T on = static_cast<T>(p.on_value), off = static_cast<T>(p.off_value);
    ctx.parallel_for(in[0].size(), 1024, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        std::fill_n(y + i * p.depth, p.depth, off);
        if (at[i] >= 0 && at[i] < p.depth) y[i * p.depth + at[i]] = on;
      }
    });
  });
}

void define(OpTable& ops) {
  ops.define({.name = "take",
              .doc = "Layers of a along an axis, picked by indices.",
              .params = schema<TakeParam>(),
              .inputs = {{"a"}, {"indices"}},
              .infer = infer_take,
              .infer_dtype = infer_first_dtype,
              .cpu = take,
              .scratch = rows::indices_scratch<1>,
              .backward = {.reads = {dy(), x(1)},
                           .run = take_backward,
                           .scratch = rows::adding_scratch<1>,
                           .linear = Linear::kYes}});
  ops.define({.name = "batch_take",
              .doc = "One element of each row: a[i, indices[i]]; indices out of range are clipped.",
              .inputs = {{"a"}, {"indices"}},
              .infer = infer_batch,
              .infer_dtype = infer_first_dtype,
              .cpu = batch_take,
              .scratch = rows::indices_scratch<1>,
              .backward = {.reads = {dy(), x(1)},
                           .run = batch_take_backward,
                           .scratch = rows::adding_scratch<1>,
                           .linear = Linear::kYes}});
  ops.define({.name = "Embedding",
              .doc = "Rows of the weight, picked by data; indices out of range are clipped.",
              .params = schema<EmbeddingParam>(),
              .inputs = {{"data"}, {"weight"}},
              .infer = infer_embedding,
              .infer_dtype = infer_embedding_dtype,
              .cpu = embedding,
              .scratch = rows::indices_scratch<0>,
              .backward = {.reads = {dy(), x(0)},
                           .run = embedding_backward,
                           .scratch = rows::adding_scratch<1, 1>,
                           .linear = Linear::kYes}});
  ops.define({.name = "one_hot",
              .doc = "For each index a row that is on_value there and off_value elsewhere.",
              .params = schema<OneHotParam>(),
              .inputs = {{"indices"}},
              .infer = infer_one_hot,
              .infer_dtype = infer_one_hot_dtype,
              .cpu = one_hot,
              .scratch = rows::indices_scratch<0>,
              .backward = {.zero = true}});
}

}  // namespace heddle::ops::take
