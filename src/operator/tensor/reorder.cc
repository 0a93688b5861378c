// _reorder: the same values in another order in memory, put in by passes over graphs.
#include <algorithm>
#include <array>

#include "heddle/layout.h"
#include "operator/tensor/view.h"

namespace heddle::ops::reorder {

using view::View;

struct ReorderParam {
  std::vector<int64_t> blocks;
  int last = -1;
  void fields(auto&& f) {
    f("blocks", blocks, "Pairs of an axis and the extent of its blocks: (1, 16) is nChw16c.");
    f("last", last, "The axis that comes after all others, before the blocks; -1: none.")
        .range(-1, Shape::kMaxRank - 1);
  }
  Layout layout() const {
    Layout l;
    l.last = int8_t(last);
    for (size_t i = 0; i + 1 < blocks.size(); i += 2)
      l.blocks[i / 2] = {int8_t(blocks[i]), int8_t(blocks[i + 1])};
    return l;
  }
};

void infer(const ReorderParam& p, InferContext& c) {
  Layout l;
  check(p.blocks.size() % 2 == 0 && p.blocks.size() <= 2 * l.blocks.size(),
        "[_reorder] blocks is {}, expected up to {} pairs of an axis and an extent",
        param::print(p.blocks), l.blocks.size());
  for (size_t i = 0; i < p.blocks.size(); i += 2)
    check(p.blocks[i] >= 0 && p.blocks[i] < Shape::kMaxRank && p.blocks[i + 1] >= 1 &&
              p.blocks[i + 1] <= 127,
          "[_reorder] blocks is {}, expected axes from 0 and extents from 1 to 127",
          param::print(p.blocks));
  infer_same(c);
}

// An axis cut where either layout cuts it; false where blocks of 6 and 4 leave no common pieces.
struct Cuts {
  std::array<int64_t, 4 * LayoutLoops::kMost> at = {};  // steps, ascending, the extent last
  size_t count = 0;
};
bool common_cuts(const LayoutLoops& a, const LayoutLoops& b, int axis, Cuts& cuts) {
  for (const LayoutLoops* loops : {&a, &b})
    for (const LayoutLoop& l : *loops)
      if (l.axis == axis) cuts.at[cuts.count++] = l.step, cuts.at[cuts.count++] = l.step * l.extent;
  auto* const begin = cuts.at.data();
  std::sort(begin, begin + cuts.count);
  cuts.count = size_t(std::unique(begin, begin + cuts.count) - begin);
  for (size_t i = 1; i < cuts.count; ++i)
    if (cuts.at[i] % cuts.at[i - 1] != 0) return false;
  return true;
}

// How far a step of `step` along `axis` goes in memory.
int64_t stride_of(const LayoutLoops& loops, int axis, int64_t step) {
  for (const LayoutLoop& l : loops)
    if (l.axis == axis && l.step <= step && step < l.step * l.extent)
      return l.stride * (step / l.step);
  return 0;
}

// Both tensors as loops over common pieces, in the order of `to`.
bool common_views(const Blob& from, const Blob& to, View& x, View& y) {
  const auto a = loops_of(from.shape, from.stored.layout), b = loops_of(to.shape, to.stored.layout);
  for (const LayoutLoop& l : b) {
    Cuts cuts;
    if (!common_cuts(a, b, l.axis, cuts)) return false;
    for (size_t i = cuts.count; i-- > 1;) {
      const int64_t from_step = cuts.at[i - 1], to_step = cuts.at[i];
      if (from_step < l.step || to_step > l.step * l.extent) continue;
      x.push(to_step / from_step, stride_of(a, l.axis, from_step));
      y.push(to_step / from_step, l.stride * (from_step / l.step));
    }
  }
  return true;
}

void copy(OpContext& ctx, const Blob& from, const Blob& to) {
  if (same_bytes(to.shape, from.stored.layout, to.stored.layout))
    return view::copy_all(ctx, from, to);
  View x, y;
  if (common_views(from, to, x, y)) return view::copy(ctx, from, x, to, y);
  Blob plain = to;
  plain.stored = {}, plain.data = ctx.scratch(size_t(plain.bytes()));
  copy(ctx, from, plain);
  copy(ctx, plain, to);
}

void run(const ReorderParam&, OpContext& ctx, Inputs in, Outputs out) { copy(ctx, in[0], out[0]); }

void wants(const ReorderParam& p, const Situation& s, StoredAs& as) {
  as.in[0].layout = s.in[0].stored.layout;
  if (fits(s.out[0].shape, p.layout())) as.out[0].layout = p.layout();
}

std::vector<GradContext::Value> pass(GradContext& g) { return {g.dy()}; }

// What has no pieces in common with how it lay goes through C order.
ScratchNeed scratch(const Situation& s) {
  ScratchNeed need;
  View x, y;
  const Blob &from = s.in[0], &to = s.out[0];
  if (!same_bytes(to.shape, from.stored.layout, to.stored.layout) && !common_views(from, to, x, y))
    need.take(to.bytes());
  return need;
}

void define(OpTable& ops) {
  ops.define({.name = "_reorder",
              .doc = "A copy that a bound graph stores in another order: cut into blocks, which "
                     "oneDNN's kernels take. The gradient passes.",
              .params = schema<ReorderParam>(),
              .infer = infer,
              .cpu = run,
              .wants = wants,
              .scratch = scratch,
              .backward = {.reads = {dy()}, .run = run, .wants = wants_same, .build = pass},
              .meaning = Meaning::kReorder});
}

}  // namespace heddle::ops::reorder

namespace heddle {

OpCallRef make_reorder(const Layout& to) {
  std::vector<int64_t> blocks;
  for (const Layout::Block& b : to.blocks)
    if (b.axis >= 0) blocks.push_back(b.axis), blocks.push_back(b.size);
  return make_call(OpTable::get().of(Meaning::kReorder),
                   {{"blocks", param::print(blocks)}, {"last", param::print(int(to.last))}});
}

}  // namespace heddle
