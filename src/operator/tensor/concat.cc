// Joining tensors along an axis, old or new, and cutting them apart again.
#include <algorithm>

#include "heddle/layout.h"
#include "operator/tensor/view.h"

namespace heddle::ops::concat {

using view::View;

// The part of `whole` from `begin` on along `axis`, with the extents of `part` (which may lack the
// axis: one layer then).
void copy_part(OpContext& ctx, const Blob& whole, const Blob& part, int axis, int64_t begin,
               int64_t count, bool into_part) {
  Shape layer = whole.shape;
  layer[axis] = count;
  const View w = View(whole.shape).slice(axis, begin, count), p(layer);
  if (into_part) view::copy(ctx, whole, w, part, p);
  else view::copy(ctx, part, p, whole, w);
}

// --- Concat, stack -----------------------------------------------------------------------------
struct ConcatParam {
  int64_t num_args = 0;
  int dim = 1;
  void fields(auto&& f) {
    f("num_args", num_args, "Number of inputs.").required().at_least(1);
    f("dim", dim, "The axis to join along.");
  }
};
struct StackParam {
  int axis = 0;
  int64_t num_args = 0;
  void fields(auto&& f) {
    f("axis", axis, "Where the new axis goes in the result.");
    f("num_args", num_args, "Number of inputs.").required().at_least(1);
  }
};
template <class P>
std::vector<Input> inputs(const P& p) {
  std::vector<Input> in;
  for (int64_t i = 0; i < p.num_args; ++i) in.push_back({format("arg{}", i)});
  return in;
}

void infer_concat(const ConcatParam& p, InferContext& c) {
  int rank = c.out(0).rank();
  for (int i = 0; i < c.inputs(); ++i) rank = std::max(rank, c.in(i).rank());
  if (rank < 0) return;
  check(rank > 0, "[{}] inputs have no axes, expected at least one", c.op().name);
  const int axis = normalize_axis(c.op().name, p.dim, rank);
  Shape y = Shape::unknown(rank);
  int64_t sum = 0;
  int open = -1, count = 0;  // the input whose extent along the axis is not known
  for (int i = 0; i < c.inputs(); ++i) {
    const Shape& x = c.in(i);
    const bool known = x.rank() == rank && x[axis] >= 0;
    if (known) sum += x[axis];
    else open = i, ++count;
  }
  if (count == 0) y[axis] = sum;
  for (int i = 0; i < c.inputs(); ++i) {
    Shape same = y;  // all but the axis
    same[axis] = -1;
    c.set_in(i, same);
    for (int d = 0; d < rank; ++d)
      if (d != axis && c.in(i)[d] >= 0) y[d] = c.in(i)[d];
  }
  c.set_out(0, y);
  Shape back = c.out(0);
  const int64_t total = back[axis];
  back[axis] = -1;
  for (int i = 0; i < c.inputs(); ++i) c.set_in(i, back);
  if (count != 1 || total < 0) return;
  check(total >= sum, "[{}] output has shape {}, less than its inputs fill", c.op().name, c.out(0));
  back[axis] = total - sum;
  c.set_in(open, back);
}
void infer_stack(const StackParam& p, InferContext& c) {
  Shape x;
  for (int i = 0; i < c.inputs(); ++i) {
    if (x.has_rank()) c.set_in(i, x);
    x = c.in(i);
  }
  if (c.out(0).has_rank()) {
    const int axis = normalize_axis("stack", p.axis, c.out(0).rank());
    Shape less = Shape::unknown(0);
    for (int d = 0; d < c.out(0).rank(); ++d)
      if (d != axis) less.append(c.out(0)[d]);
    for (int i = 0; i < c.inputs(); ++i) c.set_in(i, less);
    x = c.in(0);
  }
  if (!x.has_rank()) return;
  for (int i = 0; i < c.inputs(); ++i) c.set_in(i, x);
  const int axis = normalize_axis("stack", p.axis, x.rank() + 1);
  Shape y = Shape::unknown(0);
  for (int d = 0; d <= x.rank(); ++d)
    y.append(d == axis ? int64_t(c.inputs()) : c.in(0)[d - (d > axis)]);
  c.set_out(0, y);
}

int axis_of(const ConcatParam& p, const Shape& y) {
  return normalize_axis("Concat", p.dim, y.rank());
}
int axis_of(const StackParam& p, const Shape& y) {
  return normalize_axis("stack", p.axis, y.rank());
}
int64_t extent_of(const ConcatParam&, const Blob& part, int axis) { return part.shape[axis]; }
int64_t extent_of(const StackParam&, const Blob&, int) { return 1; }

// A tensor in blocks of channels as a plain one whose axis 1 counts blocks.
Blob by_blocks(const Blob& b) {
  const int size = channel_block(b.stored.layout);
  if (size == 0) return b;
  Blob plain = b;
  plain.stored = {}, plain.shape = {b.shape[0], b.shape[1] / size, b.shape.size(2) * size};
  return plain;
}

template <class P>
void join(const P& p, OpContext& ctx, Inputs in, Outputs out) {
  const int axis = axis_of(p, out[0].shape);
  const Blob whole = by_blocks(out[0]);
  int64_t at = 0;
  for (const Blob& blob : in) {
    const Blob part = by_blocks(blob);
    const int64_t n = extent_of(p, part, axis);
    copy_part(ctx, whole, part, axis, at, n, false);
    at += n;
  }
}
template <class P>
void join_backward(const P& p, OpContext& ctx, Inputs in, Outputs out) {
  const int axis = axis_of(p, in[0].shape);
  const Blob whole = by_blocks(in[0]);
  int64_t at = 0;
  for (size_t i = 0; i < out.size(); ++i) {
    const Blob part = by_blocks(out[i]);
    const int64_t n = extent_of(p, part, axis);
    if (ctx.wants(int(i))) copy_part(ctx, whole, part, axis, at, n, true);
    at += n;
  }
}

template <class P>
Views join_views_of(const P& p, const Blob& joined, std::span<const Blob> parts, Views::Of of) {
  const int axis = axis_of(p, joined.shape);
  const Blob whole = by_blocks(joined);
  std::vector<int64_t> begins;
  int64_t at = 0;
  for (const Blob& blob : parts) {
    const Blob part = by_blocks(blob);
    if (!part.stored.plain() ||
        channel_block(blob.stored.layout) != channel_block(joined.stored.layout))
      return {};
    begins.push_back(at);
    at += extent_of(p, part, axis);
  }
  return view::parts_along(of, whole, axis, std::move(begins));
}
template <class P>
Views join_views(const P& p, const Situation& s) {
  return join_views_of(p, s.out[0], s.in, Views::kOutput);
}
template <class P>
Views join_backward_views(const P& p, const Situation& s) {
  return join_views_of(p, s.in[0], s.out, Views::kInput);
}

// All in blocks of channels, where one is and the channels of all divide by them.
void wants_blocks(const ConcatParam& p, const Situation& s, StoredAs& as) {
  const int axis = axis_of(p, s.out[0].shape);
  int size = 0;
  for (const Blob& b : s.in) size = std::max(size, channel_block(b.stored.layout));
  if (size == 0 || axis != 1) return;
  for (const auto& blobs : {s.in, s.out})
    for (const Blob& b : blobs)
      if (b.shape[1] % size != 0) return;
  std::fill(as.in.begin(), as.in.end(), Stored{.layout = Layout::channels(size)});
  std::fill(as.out.begin(), as.out.end(), Stored{.layout = Layout::channels(size)});
}

// --- SliceChannel, _split_v2 -------------------------------------------------------------------
// No more outputs are made than a graph can have.
int64_t at_most_parts(std::string_view op, int64_t parts) {
  constexpr int64_t kMost = 1 << 16;
  check(parts <= kMost, "[{}] cuts into {} parts, expected at most {}", op, parts, kMost);
  return parts;
}

struct SplitParam {
  int64_t num_outputs = 0;
  int axis = 1;
  bool squeeze_axis = false;
  void fields(auto&& f) {
    f("num_outputs", num_outputs, "Number of equal parts.").required().at_least(1);
    f("axis", axis, "The axis to cut.");
    f("squeeze_axis", squeeze_axis, "Drop the axis; parts must be one layer thick.");
  }
  int64_t parts() const { return at_most_parts("SliceChannel", num_outputs); }
  void check_cuts(int64_t extent) const {
    check(extent % num_outputs == 0,
          "[SliceChannel] an axis of extent {} cannot be cut into {} parts", extent, num_outputs);
  }
  // Where part i begins, and the one before it ends.
  int64_t cut(int64_t i, int64_t extent) const { return i * (extent / num_outputs); }
};
struct SplitV2Param {
  std::vector<int64_t> indices;
  int axis = 1;
  bool squeeze_axis = false;
  int64_t sections = 0;
  void fields(auto&& f) {
    f("indices", indices, "Where parts begin, the first at 0.").required();
    f("axis", axis, "The axis to cut.");
    f("squeeze_axis", squeeze_axis, "Drop the axis; parts must be one layer thick.");
    f("sections", sections, "Or: the number of parts, the first ones larger by one.").at_least(0);
  }
  int64_t parts() const {
    return at_most_parts("_split_v2", sections > 0 ? sections : int64_t(indices.size()));
  }
  void check_cuts(int64_t extent) const {
    for (int64_t i = 0; i < parts(); ++i)
      check(cut(i, extent) >= 0 && cut(i, extent) <= cut(i + 1, extent),
            "[_split_v2] indices {} do not cut an axis of extent {}", param::print(indices),
            extent);
  }
  int64_t cut(int64_t i, int64_t extent) const {
    if (i == parts()) return extent;
    if (sections == 0) return indices[size_t(i)];
    return i * (extent / sections) + std::min(i, extent % sections);
  }
};
template <class P>
std::vector<Output> split_outputs(const P& p) {
  check(p.parts() >= 1, "expected at least one part");
  return std::vector<Output>(size_t(p.parts()));
}
template <class P>
std::vector<Ref> split_reads(const P& p) {
  std::vector<Ref> r;
  for (int64_t i = 0; i < p.parts(); ++i) r.push_back(dy(int(i)));
  return r;
}
template <class P>
void infer_split(const P& p, InferContext& c) {
  const Shape& x = c.in(0);
  if (!x.has_rank()) return;
  const int axis = normalize_axis(c.op().name, p.axis, x.rank());
  const int64_t extent = x[axis];
  if (extent >= 0) p.check_cuts(extent);
  for (int i = 0; i < c.outputs(); ++i) {
    const int64_t n = extent < 0 ? -1 : p.cut(i + 1, extent) - p.cut(i, extent);
    check(!p.squeeze_axis || n == 1 || n < 0, "[{}] parts are {} thick, cannot drop the axis",
          c.op().name, n);
    Shape y = Shape::unknown(0);
    for (int d = 0; d < x.rank(); ++d)
      if (d != axis) y.append(x[d]);
      else if (!p.squeeze_axis) y.append(n);
    c.set_out(i, y);
  }
}
template <class P, bool kForward>
void split_copy(const P& p, OpContext& ctx, const Blob& whole, auto&& parts, size_t count) {
  const int axis = normalize_axis("split", p.axis, whole.shape.rank());
  const int64_t extent = whole.shape[axis];
  for (int i = 0; i < int(count); ++i)
    if (!kForward || ctx.wants(i))
      copy_part(ctx, whole, parts[i], axis, p.cut(i, extent),
                p.cut(i + 1, extent) - p.cut(i, extent), kForward);
}
template <class P>
void split(const P& p, OpContext& ctx, Inputs in, Outputs out) {
  split_copy<P, true>(p, ctx, in[0], out, out.size());
}
template <class P>
void split_backward(const P& p, OpContext& ctx, Inputs in, Outputs out) {
  split_copy<P, false>(p, ctx, out[0], in, size_t(in.count()));
}

template <class P>
Views split_views_of(const P& p, const Blob& whole, std::span<const Blob> parts, Views::Of of) {
  const int axis = normalize_axis("split", p.axis, whole.shape.rank());
  std::vector<int64_t> begins;
  for (size_t i = 0; i < parts.size(); ++i) {
    if (!parts[i].stored.plain()) return {};
    begins.push_back(p.cut(int64_t(i), whole.shape[axis]));
  }
  return view::parts_along(of, whole, axis, std::move(begins));
}
template <class P>
Views split_views(const P& p, const Situation& s) {
  return split_views_of(p, s.in[0], s.out, Views::kInput);
}
template <class P>
Views split_backward_views(const P& p, const Situation& s) {
  return split_views_of(p, s.out[0], s.in, Views::kOutput);
}

void define(OpTable& ops) {
  OpDef concat{.name = "Concat",
               .aliases = {"concat"},
               .doc = "Joins tensors along an axis that they have.",
               .precision = Precision::kWidest,
               .params = schema<ConcatParam>(),
               .inputs = inputs<ConcatParam>,
               .variadic = "num_args",
               .infer = infer_concat,
               .cpu = join<ConcatParam>,
               .wants = wants_blocks,
               .views = join_views<ConcatParam>,
               .backward = {.reads = {dy()},
                            .run = join_backward<ConcatParam>,
                            .views = join_backward_views<ConcatParam>,
                            .linear = Linear::kYes}};
  OpDef parameters = concat;
  parameters.name = "_rnn_param_concat", parameters.aliases = {"_npi_rnn_param_concat"};
  parameters.doc =
      "Concat, by which RNN's parameters are joined; the extent of one may be unknown.";
  ops.define(std::move(concat));
  ops.define(std::move(parameters));
  ops.define({.name = "stack",
              .doc = "Joins tensors of one shape along a new axis.",
              .precision = Precision::kWidest,
              .params = schema<StackParam>(),
              .inputs = inputs<StackParam>,
              .variadic = "num_args",
              .infer = infer_stack,
              .cpu = join<StackParam>,
              .views = join_views<StackParam>,
              .backward = {.reads = {dy()},
                           .run = join_backward<StackParam>,
                           .views = join_backward_views<StackParam>,
                           .linear = Linear::kYes}});
  ops.define({.name = "SliceChannel",
              .aliases = {"split"},
              .doc = "Cuts a tensor into equal parts along an axis.",
              .params = schema<SplitParam>(),
              .outputs = split_outputs<SplitParam>,
              .infer = infer_split<SplitParam>,
              .cpu = split<SplitParam>,
              .views = split_views<SplitParam>,
              .backward = {.reads = split_reads<SplitParam>,
                           .run = split_backward<SplitParam>,
                           .views = split_backward_views<SplitParam>,
                           .linear = Linear::kYes}});
  ops.define({.name = "_split_v2",
              .doc = "Cuts a tensor along an axis, at given places or into nearly equal parts.",
              .params = schema<SplitV2Param>(),
              .outputs = split_outputs<SplitV2Param>,
              .infer = infer_split<SplitV2Param>,
              .cpu = split<SplitV2Param>,
              .views = split_views<SplitV2Param>,
              .backward = {.reads = split_reads<SplitV2Param>,
                           .run = split_backward<SplitV2Param>,
                           .views = split_backward_views<SplitV2Param>,
                           .linear = Linear::kYes}});
}

}  // namespace heddle::ops::concat
