// Copies that programs ask for by name, and functions of MXNet's first NDArray.
#include "operator/scratch_needs.h"
#include "operator/tensor/rows.h"
#include "operator/tensor/view.h"

namespace heddle::ops::copies {

// Across devices the executor copies the bytes itself; this is the copy within one.
void copy(OpContext& ctx, Inputs in, Outputs out) { view::copy_all(ctx, in[0], out[0]); }
std::vector<GradContext::Value> pass(GradContext& g) { return {g.dy()}; }

// --- fill_element_0index -----------------------------------------------------------------------
void infer_fill(InferContext& c) {
  if (c.in(0).has_rank())
    check(c.in(0).rank() == 2, "[fill_element_0index] lhs has shape {}, expected two axes",
          c.in(0));
  c.set_out(0, c.in(0));
  c.set_in(0, c.out(0));
  for (int i = 1; c.in(0).has_rank() && i < 3; ++i) c.set_in(i, {c.in(0)[0]});
}
void infer_fill_dtype(InferContext& c) {
  c.set_in_dtype(1, c.in_dtype(0));
  c.set_out_dtype(0, c.in_dtype(0));
  c.set_in_dtype(0, c.out_dtype(0));
}
void fill(OpContext& ctx, Inputs in, Outputs out) {
  const int64_t rows = out[0].shape[0], columns = out[0].shape[1];
  int64_t* at = rows::read_indices(ctx, in[2]);
  for (int64_t i = 0; i < rows; ++i) {
    check(at[i] >= 0 && at[i] < columns, "[fill_element_0index] rhs holds {}, expected 0 to {}",
          at[i], columns - 1);
    at[i] += i * columns;
  }
  rows::Layout flat;
  flat.rows = out[0].size();
  view::copy_all(ctx, in[0], out[0]);
  rows::scatter_write(ctx, flat, in[1], at, rows, out[0]);
}

// --- _onehot_encode ----------------------------------------------------------------------------
void infer_onehot(InferContext& c) {
  c.set_out(0, c.in(1));
  c.set_in(1, c.out(0));
  const Shape& y = c.out(0);
  if (!y.has_rank()) return;
  check(y.rank() == 2, "[_onehot_encode] out has shape {}, expected two axes", y);
  c.set_in(0, {y[0]});
}
void infer_onehot_dtype(InferContext& c) {
  c.set_out_dtype(0, c.in_dtype(1));
  c.set_in_dtype(1, c.out_dtype(0));
}
void onehot(OpContext& ctx, Inputs in, Outputs out) {
  const int64_t columns = out[0].shape[1];
  const int64_t* at = rows::read_indices(ctx, in[0]);
  view::zero(ctx, out[0]);
  with_dtype(out[0].dtype, "_onehot_encode", [&](auto t) {
    auto* y = static_cast<decltype(t)*>(out[0].data);
    for (int64_t i = 0; i < in[0].size(); ++i)
      if (at[i] >= 0 && at[i] < columns) y[i * columns + at[i]] = static_cast<decltype(t)>(1);
  });
}

void define(OpTable& ops) {
  ops.define({.name = "_CrossDeviceCopy",
              .doc = "The same tensor on the device of its reader.",
              .cpu = copy,
              .backward = {.build = pass},
              .meaning = Meaning::kTransfer});
  ops.define({.name = "_copyto",
              .doc = "A copy into another array.",
              .cpu = copy,
              .backward = {.build = pass},
              .meaning = Meaning::kTransfer});
  ops.define({.name = "fill_element_0index",
              .doc = "lhs with lhs[i, rhs[i]] = mhs[i].",
              .inputs = {{"lhs"}, {"mhs"}, {"rhs"}},
              .infer = infer_fill,
              .infer_dtype = infer_fill_dtype,
              .inplace = {{0, 0}},
              .cpu = fill});
  ops.define({.name = "_onehot_encode",
              .doc = "For each index a row like those of `out` that is 1 there and 0 elsewhere.",
              .inputs = {{"indices"}, {"out"}},
              .infer = infer_onehot,
              .infer_dtype = infer_onehot_dtype,
              .inplace = {{1, 0}},
              .cpu = onehot,
              .backward = {.zero = true}});
  ops.scratch("fill_element_0index", rows::indices_scratch<2>);
  ops.scratch("_onehot_encode", rows::indices_scratch<0>);
}

}  // namespace heddle::ops::copies
