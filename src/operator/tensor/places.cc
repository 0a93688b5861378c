// Numbers of elements: coordinates and places in memory, indices as tensors, counting into bins.
#include <algorithm>
#include <cmath>
#include <optional>

#include "operator/elemwise/convert.h"
#include "operator/scratch_needs.h"
#include "operator/tensor/rows.h"
#include "operator/tensor/view.h"

namespace heddle::ops::places {

using rows::Layout;
using Value = Builder::Value;

// Calls fn(T{}) with the type of the elements, numbers of any kind.
template <class Fn>
void with_number(const Blob& b, std::string_view op, Fn&& fn) {
  with_dtype(b.dtype, op, fn);
}

// --- _ravel_multi_index, _unravel_index ---------------------------------------------------------
struct RavelParam {
  std::vector<int64_t> shape;
  void fields(auto&& f) {
    f("shape", shape,
      "The shape that is counted in; its first extent does not matter and may be -1.")
        .required();
  }
  int64_t rank() const { return int64_t(shape.size()); }
};
void infer_ravel(const RavelParam& p, InferContext& c) {
  const Shape& x = c.in(0);
  if (!x.known()) return;
  check(x.rank() >= 1 && x[0] == p.rank(),
        "[_ravel_multi_index] data has shape {}, expected a first axis of {}", x, p.rank());
  Shape y = Shape::of(x.begin() + 1, x.end());
  if (y.rank() == 0) y.append(1);
  c.set_out(0, y);
}
void infer_unravel(const RavelParam& p, InferContext& c) {
  if (!c.in(0).known()) return;
  check(p.rank() >= 1, "[_unravel_index] shape is (), expected an axis");
  Shape y{p.rank()};
  for (int64_t d : c.in(0)) y.append(d);
  c.set_out(0, y);
}
void ravel(const RavelParam& p, OpContext& ctx, Inputs in, Outputs out) {
  with_number(in[0], "_ravel_multi_index", [&](auto type) {
    using T = decltype(type);
    const int64_t n = out[0].size();
    ctx.parallel_for(n, ew::kGrain, [&](int64_t from, int64_t to) {
      for (int64_t i = from; i < to; ++i) {
        int64_t at = 0;
        for (int64_t d = 0; d < p.rank(); ++d)
          at = at * p.shape[size_t(d)] + int64_t(in[0].as<T>()[d * n + i]);
        out[0].as<T>()[i] = T(at);
      }
    });
  });
}
void unravel(const RavelParam& p, OpContext& ctx, Inputs in, Outputs out) {
  for (int64_t d = 1; d < p.rank(); ++d)
    check(p.shape[size_t(d)] > 0 || in[0].size() == 0,
          "[_unravel_index] shape has an extent of {}, expected a positive one",
          p.shape[size_t(d)]);
  with_number(in[0], "_unravel_index", [&](auto type) {
    using T = decltype(type);
    const int64_t n = in[0].size();
    ctx.parallel_for(n, ew::kGrain, [&](int64_t from, int64_t to) {
      for (int64_t i = from; i < to; ++i) {
        int64_t at = int64_t(in[0].as<T>()[i]);
        for (int64_t d = p.rank() - 1; d > 0; at /= p.shape[size_t(d--)])
          out[0].as<T>()[d * n + i] = T(at % p.shape[size_t(d)]);
        out[0].as<T>()[i] = T(at);
      }
    });
  });
}

// --- arange_like, index_array -------------------------------------------------------------------
struct ArangeParam {
  double start = 0, step = 1;
  int repeat = 1;
  std::string ctx;
  std::optional<int> axis;
  void fields(auto&& f) {
    f("start", start, "The first number.");
    f("step", step, "From one number to the next.");
    f("repeat", repeat, "How often each number stands.").at_least(1);
    f("ctx", ctx, "The device; that of data.").ignored();
    f("axis", axis, "Count along this axis only, for a vector; all elements when None.");
  }
};
void infer_arange(const ArangeParam& p, InferContext& c) {
  const Shape& x = c.in(0);
  if (!x.known()) return;
  if (!p.axis) return c.set_out(0, x);
  c.set_out(0, {x[normalize_axis("_contrib_arange_like", *p.axis, x.rank())]});
}
void arange(const ArangeParam& p, OpContext& ctx, Inputs, Outputs out) {
  const bool whole = !is_float(out[0].dtype);  // then start and step are, too, as in _arange
  const double start = whole ? std::trunc(p.start) : p.start;
  const double step = whole ? std::trunc(p.step) : p.step;
  const auto store = ew::store_of<double>(out[0].dtype);
  const int64_t size = dtype_size(out[0].dtype);
  ctx.parallel_for(out[0].size(), ew::kGrain, [&](int64_t from, int64_t to) {
    for (int64_t i = from; i < to; ++i) {
      const double v = start + step * double(i / p.repeat);
      store(&v, static_cast<char*>(out[0].data) + i * size, 1);
    }
  });
}

struct IndexParam {
  std::optional<std::vector<int64_t>> axes;
  void fields(auto&& f) { f("axes", axes, "Which coordinates, in this order; all when None."); }
};
void infer_index(const IndexParam& p, InferContext& c) {
  if (!c.in(0).known()) return;
  Shape y = c.in(0);
  for (int64_t a : p.axes.value_or(std::vector<int64_t>{}))
    normalize_axis("_contrib_index_array", int(a), y.rank());
  y.append(p.axes ? int64_t(p.axes->size()) : y.rank());
  c.set_out(0, y);
}
void index(const IndexParam& p, OpContext& ctx, Inputs in, Outputs out) {
  const Shape& x = in[0].shape;
  const int count = int(out[0].shape[-1]);
  int64_t extent[Shape::kMaxRank], below[Shape::kMaxRank];
  for (int k = 0; k < count; ++k) {
    const int axis =
        p.axes ? normalize_axis("_contrib_index_array", int((*p.axes)[size_t(k)]), x.rank()) : k;
    extent[k] = x[axis], below[k] = x.size(axis + 1);
  }
  int64_t* y = out[0].as<int64_t>();
  ctx.parallel_for(x.size(), ew::kGrain, [&](int64_t from, int64_t to) {
    for (int64_t i = from; i < to; ++i)
      for (int k = 0; k < count; ++k) y[i * count + k] = i / below[k] % extent[k];
  });
}

// --- index_copy ---------------------------------------------------------------------------------
void infer_copy(InferContext& c) {
  c.set_out(0, c.in(0)), c.set_in(0, c.out(0));
  if (!c.in(0).known() || !c.in(1).known()) return;
  check(c.in(0).rank() >= 1 && c.in(1).rank() == 1,
        "[_contrib_index_copy] index_vector has shape {}, expected a vector of rows of {}", c.in(1),
        c.in(0));
  Shape rows = c.in(0);
  rows[0] = c.in(1)[0];
  c.set_in(2, rows);
}
void infer_copy_dtype(InferContext& c) {
  for (Dtype d : {c.in_dtype(0), c.in_dtype(2), c.out_dtype(0)})
    c.set_in_dtype(0, d), c.set_in_dtype(2, d), c.set_out_dtype(0, d);
}
void index_copy(OpContext& ctx, Inputs in, Outputs out) {
  const int64_t n = in[1].size(), extent = in[0].shape[0];
  const int64_t* at = rows::read_indices(ctx, in[1]);
  for (int64_t i = 0; i < n; ++i)
    check(at[i] >= 0 && at[i] < extent,
          "IndexError: [_contrib_index_copy] index_vector holds {}, expected 0 to {}", at[i],
          extent - 1);
  view::copy_all(ctx, in[0], out[0]);
  rows::scatter_write(ctx, Layout(in[0].shape, 0), in[2], at, n, out[0]);
}
std::vector<Value> build_index_copy(GradContext& g) {
  const Value none = g.call("zeros_like", {g.x(2)});
  return {
      g.call("_contrib_index_copy", {g.dy(), g.x(1), none}), {}, g.call("take", {g.dy(), g.x(1)})};
}

// --- khatri_rao ---------------------------------------------------------------------------------
struct CountParam {
  int64_t num_args = 0;
  void fields(auto&& f) { f("num_args", num_args, "How many matrices.").required().at_least(1); }
};
std::vector<Input> matrices(const CountParam& p) {
  std::vector<Input> in;
  for (int64_t i = 0; i < p.num_args; ++i) in.push_back({"arg" + std::to_string(i)});
  return in;
}
void infer_khatri_rao(InferContext& c) {
  int64_t rows = 1, columns = -1;
  for (int i = 0; i < c.inputs(); ++i) {
    const Shape& x = c.in(i);
    if (!x.known()) return;
    check(
        x.rank() == 2 && (columns < 0 || x[1] == columns),
        "[khatri_rao] argument {} has shape {}, expected a matrix of as many columns as the others",
        i, x);
    rows *= x[0], columns = x[1];
  }
  c.set_out(0, {rows, columns});
}
std::vector<Value> compose_khatri_rao(Builder& b) {
  Value y = b.x(0);
  for (int i = 1; i < b.inputs(); ++i) {
    const Value all = b.call("broadcast_mul", {b.call("expand_dims", {y}, {{"axis", "1"}}),
                                               b.call("expand_dims", {b.x(i)}, {{"axis", "0"}})});
    y = b.call("Reshape", {all}, {{"shape", "(-3, -2)"}});
  }
  return {b.inputs() == 1 ? b.call("_copy", {y}) : y};
}

// --- _histogram ---------------------------------------------------------------------------------
struct HistogramParam {
  std::optional<int64_t> bin_cnt;
  std::optional<std::vector<double>> range;
  void fields(auto&& f) {
    f("bin_cnt", bin_cnt, "How many bins of one width; without it, their edges are an input.");
    f("range", range, "From where to where these bins go.");
  }
};
void infer_histogram(const HistogramParam& p, InferContext& c) {
  check(bool(p.bin_cnt) == bool(p.range),
        "[_histogram] found one of bin_cnt and range, expected both "
        "or neither");
  if (p.bin_cnt) {
    check(*p.bin_cnt > 0 && p.range->size() == 2 && (*p.range)[0] < (*p.range)[1],
          "[_histogram] bin_cnt is {} and range {}, expected a positive number and a rising pair",
          *p.bin_cnt, param::print(*p.range));
    return c.set_out(0, {*p.bin_cnt}), c.set_out(1, {*p.bin_cnt + 1});
  }
  if (!c.in(1).known()) return;
  check(c.in(1).rank() == 1 && c.in(1)[0] >= 2,
        "[_histogram] bins has shape {}, expected two edges or "
        "more",
        c.in(1));
  c.set_out(0, {c.in(1)[0] - 1}), c.set_out(1, c.in(1));
}
void infer_histogram_dtype(InferContext& c) {
  c.set_out_dtype(0, Dtype::kInt64), c.set_out_dtype(1, c.in_dtype(0));
  if (c.inputs() > 1) c.set_in_dtype(1, c.in_dtype(0)), c.set_in_dtype(0, c.in_dtype(1));
}
// The bin of each x: the last whose lower edge is not above it. Where bins have one width it is
// guessed, and put right by the edges; elsewhere it is searched for.
void find_bins(const double* x, int64_t n, const double* edges, int64_t bins, bool one_width,
               int64_t* found) {
  if (!one_width) {
    for (int64_t i = 0; i < n; ++i)
      found[i] = std::upper_bound(edges, edges + bins, x[i]) - edges - 1;
    return;
  }
  const double low = edges[0], per_width = double(bins) / (edges[bins] - low);
  const double last = double(bins - 1);
  for (int64_t i = 0; i < n; ++i) {
    const double guess = (x[i] - low) * per_width;
    found[i] = int64_t(guess > 0 ? (guess < last ? guess : last) : 0);
  }
  for (int64_t i = 0; i < n; ++i) {
    int64_t b = found[i];
    while (b > 0 && x[i] < edges[b]) --b;
    while (b + 1 < bins && x[i] >= edges[b + 1]) ++b;
    found[i] = b;
  }
}
// Each bin holds its lower edge, the last one its upper edge too. NaN is in none.
void histogram(const HistogramParam& p, OpContext& ctx, Inputs in, Outputs out) {
  const int64_t bins = out[0].size(), size = dtype_size(in[0].dtype);
  double* edges = ctx.scratch_of<double>(bins + 1);
  if (p.bin_cnt)
    for (int64_t i = 0; i <= bins; ++i)
      edges[i] = (*p.range)[0] + double(i) * ((*p.range)[1] - (*p.range)[0]) / double(bins);
  else ew::load_of<double>(in[1].dtype)(in[1].data, edges, bins + 1);
  if (ctx.wants(1)) ew::store_of<double>(out[1].dtype)(edges, out[1].data, bins + 1);
  if (!ctx.wants(0)) return;
  const int64_t n = in[0].size(), pieces = std::clamp<int64_t>(n / 65536, 1, 16);
  const int64_t each = (n + pieces - 1) / pieces;
  int64_t* counts = ctx.scratch_of<int64_t>(pieces * bins);
  std::fill_n(counts, pieces * bins, int64_t(0));
  const auto load = ew::load_of<double>(in[0].dtype);
  ctx.parallel_for(pieces, 1, [&](int64_t from, int64_t to) {
    double x[ew::kTile];
    int64_t bin[ew::kTile];
    for (int64_t piece = from; piece < to; ++piece)
      for (int64_t at = piece * each; at < std::min(n, (piece + 1) * each);) {
        const int64_t some = std::min<int64_t>(ew::kTile, std::min(n, (piece + 1) * each) - at);
        load(static_cast<const char*>(in[0].data) + at * size, x, some);
        find_bins(x, some, edges, bins, bool(p.bin_cnt), bin);
        for (int64_t i = 0; i < some; ++i)
          if (x[i] >= edges[0] && x[i] <= edges[bins]) ++counts[piece * bins + bin[i]];
        at += some;
      }
  });
  int64_t* y = out[0].as<int64_t>();
  for (int64_t b = 0; b < bins; ++b) {
    y[b] = 0;
    for (int64_t piece = 0; piece < pieces; ++piece) y[b] += counts[piece * bins + b];
  }
}

ScratchNeed histogram_scratch(const Situation& s) {
  ScratchNeed need;
  need.take(8 * (s.out[0].size() + 1));
  need.take(8 * s.out[0].size() * std::clamp<int64_t>(s.in[0].size() / 65536, 1, 16));
  return need;
}

void define(OpTable& ops) {
  ops.define(
      {.name = "_ravel_multi_index",
       .aliases = {"ravel_multi_index"},
       .doc = "Numbers of elements, by rows, from their coordinates: row d counts along axis d.",
       .params = schema<RavelParam>(),
       .infer = infer_ravel,
       .cpu = ravel,
       .backward = {.zero = true}});
  ops.define({.name = "_unravel_index",
              .aliases = {"unravel_index"},
              .doc = "Coordinates of elements, a row for each axis, from their numbers.",
              .params = schema<RavelParam>(),
              .infer = infer_unravel,
              .cpu = unravel,
              .backward = {.zero = true}});
  ops.define(
      {.name = "_contrib_arange_like",
       .aliases = {"_npx_arange_like"},
       .doc = "Numbers at one distance from each other, as many as data has elements or an axis.",
       .params = schema<ArangeParam>(),
       .inputs = {{.name = "data", .shape_only = true}},
       .infer = infer_arange,
       .cpu = arange,
       .backward = {.zero = true}});
  ops.define({.name = "_contrib_index_array",
              .doc = "The coordinates of every element, in a new last axis.",
              .params = schema<IndexParam>(),
              .inputs = {{.name = "data", .shape_only = true}},
              .infer = infer_index,
              .infer_dtype = infer_out_dtype<Dtype::kInt64>,
              .cpu = index,
              .backward = {.zero = true}});
  ops.define(
      {.name = "_contrib_index_copy",
       .doc = "old_tensor with some of its rows replaced; of two for one row, the later stays.",
       .inputs = {{"old_tensor"}, {"index_vector"}, {"new_tensor"}},
       .infer = infer_copy,
       .infer_dtype = infer_copy_dtype,
       .inplace = {{0, 0}},
       .cpu = index_copy,
       .backward = {.reads = {dy(), x(1), shape_of(x(2))}, .build = build_index_copy}});
  ops.define({.name = "khatri_rao",
              .doc = "The products of rows, one of each matrix, column by column.",
              .precision = Precision::kFull,
              .params = schema<CountParam>(),
              .inputs = matrices,
              .variadic = "num_args",
              .infer = infer_khatri_rao,
              .compose = compose_khatri_rao});
  ops.define({.name = "_histogram",
              .aliases = {"_npi_histogram"},
              .doc = "How many elements lie in each bin, and the edges of the bins.",
              .params = schema<HistogramParam>(),
              .inputs = {{"data"}, {.name = "bins", .when = when("bin_cnt", "None")}},
              .outputs = {{"count"}, {"edges"}},
              .infer = infer_histogram,
              .infer_dtype = infer_histogram_dtype,
              .cpu = histogram});
  ops.scratch("_contrib_index_copy", copies_scratch<8>);
  ops.scratch("_histogram", histogram_scratch);
}

}  // namespace heddle::ops::places
