// The driver of reductions: see reduction.h.
#include "operator/elemwise/reduction.h"

#include <algorithm>
#include <type_traits>

#include "operator/simd/level.h"

namespace heddle::ops::ew {

constexpr int64_t kBlock = 1024;     // neighbours that accumulate in the element's own type
constexpr int64_t kBlockRows = 64;   // the same across rows
constexpr int64_t kColumns = kTile;  // columns taken together
constexpr int64_t kEnoughTasks = 64;

// Long axes are cut into segments when there is little else to share out.
int64_t segment_of(int64_t outer, int64_t axis, int64_t inner) {
  const int64_t width = std::min(inner, kColumns), tiles = (inner + width - 1) / width;
  if (outer * tiles >= kEnoughTasks && inner > 1) return std::max<int64_t>(axis, 1);
  return std::max(kBlock, kGrain / width);
}

// x as (outer, axis, inner), reduced over the middle.
template <class C>
struct Fold {
  using A = std::conditional_t<std::is_floating_point_v<C>, double, int64_t>;
  int64_t outer, axis, inner;
  const char* x;
  int64_t size;  // bytes of one element of x
  Load<C> load;  // null: x holds C
  ReduceLoops<C> loops;
  Merge<A> merge;

  const C* read(int64_t at, int64_t n, C* buffer) const {
    if (!load) return reinterpret_cast<const C*>(x) + at;
    load(x + at * size, buffer, n);
    return buffer;
  }

  // Elements [begin, end) of row o, when inner is 1.
  A row(int64_t o, int64_t begin, int64_t end) const {
    C buffer[kBlock];
    A acc = merge.init;
    for (int64_t at = begin; at < end; at += kBlock) {
      const int64_t n = std::min(kBlock, end - at);
      acc = merge.merge(acc, A(loops.row(read(o * axis + at, n, buffer), n)));
    }
    return acc;
  }

  // Columns [column, column + n) over rows [begin, end) of slab o, into acc.
  void columns(int64_t o, int64_t column, int64_t n, int64_t begin, int64_t end, A* acc) const {
    C part[kColumns], buffer[kColumns];
    if (begin >= end) std::fill_n(acc, n, merge.init);
    for (int64_t r = begin; r < end; r += kBlockRows) {
      const int64_t rows = std::min(kBlockRows, end - r);
      std::fill_n(part, n, loops.init);
      const int64_t at = (o * axis + r) * inner + column;
      if (!load) {
        loops.columns(read(at, n, buffer), rows, inner, part, n);
      } else {
        for (int64_t k = 0; k < rows; ++k)
          loops.columns(read(at + k * inner, n, buffer), 1, inner, part, n);
      }
      if (r == begin) std::copy_n(part, n, acc);  // merging with nothing leaves it as it is
      else
        for (int64_t i = 0; i < n; ++i) acc[i] = merge.merge(acc[i], A(part[i]));
    }
  }

  // Reduces everything into acc[outer * inner].
  void run(OpContext& ctx, A* acc) const {
    const int64_t width = std::min(inner, kColumns), tiles = (inner + width - 1) / width;
    const int64_t segment = segment_of(outer, axis, inner);
    const int64_t segments = std::max<int64_t>(1, (axis + segment - 1) / segment);
    const int64_t results = outer * inner;
    A* parts = segments == 1 ? acc : ctx.scratch_of<A>(results * segments);
    const int64_t cost = std::min(axis, segment) * width;
    ctx.parallel_for(
        outer * tiles * segments, std::max<int64_t>(1, kGrain / std::max<int64_t>(cost, 1)),
        [&](int64_t first, int64_t last) {
          for (int64_t t = first; t < last; ++t) {
            const int64_t s = t % segments, tile = t / segments % tiles, o = t / segments / tiles;
            const int64_t begin = s * segment, end = std::min(axis, begin + segment);
            A* to = parts + s * results + o * inner + tile * width;
            if (inner == 1) *to = row(o, begin, end);
            else columns(o, tile * width, std::min(width, inner - tile * width), begin, end, to);
          }
        });
    if (segments == 1) return;
    std::copy_n(parts, results, acc);
    for (int64_t s = 1; s < segments; ++s)
      for (int64_t i = 0; i < results; ++i) acc[i] = merge.merge(acc[i], parts[s * results + i]);
  }
};

// Neighbouring axes that are all kept or all reduced, as one; outermost first.
struct Groups {
  int count = 0;
  int64_t extent[Shape::kMaxRank] = {};
  bool reduced[Shape::kMaxRank] = {};

  Groups(const Shape& x, const Shape& kept) {
    for (int d = 0; d < x.rank(); ++d) {
      if (x[d] == 1) continue;
      const bool r = kept[d] == 1;
      if (count == 0 || reduced[count - 1] != r) extent[count] = 1, reduced[count++] = r;
      extent[count - 1] *= x[d];
    }
  }
  // The innermost reduced group, or -1.
  int last_reduced() const {
    for (int g = count - 1; g >= 0; --g)
      if (reduced[g]) return g;
    return -1;
  }
  int64_t product(int from, int to) const {
    int64_t n = 1;
    for (int g = from; g < to; ++g) n *= extent[g];
    return n;
  }
  void drop(int g) {  // its neighbours, both kept or absent, are joined by product() anyway
    std::copy(extent + g + 1, extent + count, extent + g);
    std::copy(reduced + g + 1, reduced + count, reduced + g);
    --count;
  }
};

template <class A, class C>
const ReduceLoops<C>& loops_of(const Reduction& r) {
  const int at = simd::level() - 2;
  if constexpr (std::is_same_v<C, float>) return r.f32[at];
  else if constexpr (std::is_same_v<C, double>) return r.f64[at];
  else return r.i64[at];
}

template <class C>
void reduce_in(OpContext& ctx, const Reduction& r, const Blob& x, const Shape& kept,
               const Blob& y) {
  using A = typename Fold<C>::A;
  const Merge<A>& merge = [&]() -> const Merge<A>& {
    if constexpr (std::is_same_v<A, double>) return r.real;
    else return r.whole;
  }();
  Groups groups(x.shape, kept);
  const int64_t results = y.size(), reduced = results ? x.size() / results : 0;
  int g = groups.last_reduced();
  const bool empty = x.size() == 0;
  // Nothing is left to reduce: still one pass, over groups of one.
  const int64_t outer = g < 0 ? results : groups.product(0, g);
  const int64_t inner = g < 0 ? 1 : groups.product(g + 1, groups.count);
  ScratchScope scope;
  A* acc = ctx.scratch_of<A>(std::max(outer * inner, results));
  if (empty) {
    std::fill_n(acc, results, merge.init);
  } else {
    Fold<C>{outer,
            g < 0 ? 1 : groups.extent[g],
            inner,
            static_cast<const char*>(x.data),
            dtype_size(x.dtype),
            x.dtype == dtype_of<C> ? nullptr : load_of<C>(x.dtype),
            loops_of<A, C>(r),
            merge}
        .run(ctx, acc);
    // Further groups are reduced over the partial results.
    const Reduction& again = r.again ? *r.again : r;
    if (g >= 0) groups.drop(g);
    for (g = groups.last_reduced(); g >= 0; g = groups.last_reduced()) {
      const Fold<A> f{groups.product(0, g),
                      groups.extent[g],
                      groups.product(g + 1, groups.count),
                      reinterpret_cast<const char*>(acc),
                      int64_t(sizeof(A)),
                      nullptr,
                      loops_of<A, A>(again),
                      merge};
      A* next = ctx.scratch_of<A>(f.outer * f.inner);
      f.run(ctx, next);
      acc = next;
      groups.drop(g);
    }
  }
  if (merge.finish)
    for (int64_t i = 0; i < results; ++i) acc[i] = merge.finish(acc[i], reduced);
  store_of<A>(y.dtype)(acc, y.data, results);
}

void reduce(OpContext& ctx, const Reduction& r, const Blob& x, const Shape& kept, const Blob& y) {
  if (x.dtype == Dtype::kFloat64) reduce_in<double>(ctx, r, x, kept, y);
  else if (is_float(x.dtype)) reduce_in<float>(ctx, r, x, kept, y);
  else reduce_in<int64_t>(ctx, r, x, kept, y);
}

// As reduce_in() goes about it.
ScratchNeed reduce_scratch(const Shape& x, const Shape& kept) {
  ScratchNeed need;
  Groups groups(x, kept);
  int g = groups.last_reduced();
  const int64_t results = kept.size();
  const auto fold = [&](int64_t outer, int64_t axis, int64_t inner) {
    const int64_t segment = segment_of(outer, axis, std::max<int64_t>(inner, 1));
    if (const int64_t segments = (axis + segment - 1) / segment; segments > 1)
      need.take(8 * outer * inner * segments);
  };
  const int64_t outer = g < 0 ? results : groups.product(0, g);
  const int64_t inner = g < 0 ? 1 : groups.product(g + 1, groups.count);
  need.take(8 * std::max(outer * inner, results));
  if (x.size() == 0 || g < 0) return need;
  fold(outer, groups.extent[g], inner);
  groups.drop(g);
  for (g = groups.last_reduced(); g >= 0; g = groups.last_reduced()) {
    const int64_t before = groups.product(0, g), after = groups.product(g + 1, groups.count);
    need.take(8 * before * after);
    fold(before, groups.extent[g], after);
    groups.drop(g);
  }
  return need;
}

void reduce_wide(OpContext& ctx, const Reduction& r, const Blob& x, const Shape& kept,
                 const Blob& y) {
  reduce_in<double>(ctx, r, x, kept, y);
}

Shape kept_shape(std::string_view op, const Shape& x, const Shape& axis, bool exclude) {
  Shape kept = x;
  if (axis.rank() <= 0) {
    for (int d = 0; d < x.rank(); ++d) kept[d] = 1;
    return kept;
  }
  bool named[Shape::kMaxRank] = {};
  for (int64_t a : axis) {
    const int d = normalize_axis(op, a, x.rank());
    check(!named[d], "[{}] axis {} is given twice in {}", op, a, axis);
    named[d] = true;
  }
  for (int d = 0; d < x.rank(); ++d)
    if (named[d] != exclude) kept[d] = 1;
  return kept;
}

Shape reduced_shape(std::string_view op, const Shape& x, const Shape& axis, bool exclude,
                    bool keepdims) {
  if (!x.has_rank()) return {};
  // Mark reduced axes by comparing with a shape that has no 1 of its own.
  Shape marks = Shape::unknown(x.rank());
  for (int d = 0; d < x.rank(); ++d) marks[d] = 2;
  marks = kept_shape(op, marks, axis, exclude);
  Shape y = Shape::unknown(0);
  for (int d = 0; d < x.rank(); ++d) {
    if (marks[d] != 1) y.append(x[d]);
    else if (keepdims) y.append(1);
  }
  return y.rank() ? y : Shape{1};
}

}  // namespace heddle::ops::ew
