// Where the elements of a dense tensor lie: see layout.h.
#include "heddle/layout.h"

namespace heddle {

bool fits(const Shape& s, const Layout& l) {
  int64_t cut[Shape::kMaxRank] = {1, 1, 1, 1, 1, 1, 1, 1};
  for (const Layout::Block& b : l.blocks) {
    if (b.axis < 0) continue;
    if (b.axis >= s.rank()) return false;
    cut[b.axis] *= b.size;
  }
  for (int d = 0; d < s.rank(); ++d)
    if (s[d] % cut[d] != 0) return false;
  return l.last < s.rank();
}

LayoutLoops loops_of(const Shape& s, const Layout& l) {
  LayoutLoops loops;
  int64_t cut[Shape::kMaxRank] = {1, 1, 1, 1, 1, 1, 1, 1};  // the blocks of each axis, multiplied
  for (const Layout::Block& b : l.blocks)
    if (b.axis >= 0) cut[b.axis] *= b.size;
  const auto axis = [&](int d) { loops.push_back({d, s[d] / cut[d], cut[d], 1}); };
  for (int d = 0; d < s.rank(); ++d)
    if (d != l.last) axis(d);
  if (l.last >= 0) axis(l.last);
  for (const Layout::Block& b : l.blocks)
    if (b.axis >= 0) loops.push_back({b.axis, b.size, cut[b.axis] /= b.size, 1});
  for (size_t i = loops.size(); i-- > 1;) loops[i - 1].stride = loops[i].stride * loops[i].extent;
  return loops;
}

int64_t offset_of(const Shape& s, const Layout& l, const Shape& index) {
  int64_t at = 0;
  for (const LayoutLoop& loop : loops_of(s, l))
    at += index[loop.axis] / loop.step % loop.extent * loop.stride;
  return at;
}

namespace layout {

// Without loops of extent 1, and with neighbours along one axis joined.
LayoutLoops joined(const Shape& s, const Layout& l) {
  LayoutLoops loops;
  for (const LayoutLoop& loop : loops_of(s, l)) {
    if (loop.extent == 1) continue;
    LayoutLoop* const last = loops.size() > 0 ? &loops[loops.size() - 1] : nullptr;
    if (last && last->axis == loop.axis && last->step == loop.step * loop.extent)
      *last = {loop.axis, loop.extent * last->extent, loop.step, loop.stride};
    else loops.push_back(loop);
  }
  return loops;
}

}  // namespace layout

bool same_bytes(const Shape& s, const Layout& a, const Layout& b) {
  if (a == b || s.size() == 0) return true;
  const auto x = layout::joined(s, a), y = layout::joined(s, b);
  if (x.size() != y.size()) return false;
  for (size_t i = 0; i < x.size(); ++i)
    if (x[i].axis != y[i].axis || x[i].extent != y[i].extent || x[i].step != y[i].step)
      return false;
  return true;
}

}  // namespace heddle
