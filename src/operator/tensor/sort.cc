// Ordering along an axis: sort, argsort, topk. Equal elements keep their order; NaN counts as the
// largest number.
#include <algorithm>
#include <array>
#include <bit>
#include <utility>
#include <vector>

#include "operator/scratch_needs.h"
#include "operator/tensor/rows.h"
#include "operator/tensor/view.h"

namespace heddle::ops::sort {

// A tensor as lines along one axis; without an axis, one line of everything.
struct Lines {
  int64_t before = 1, length = 1, after = 1;
  Lines(std::string_view op, const std::optional<int>& axis, const Shape& x) {
    if (!axis) {
      length = x.size();
      return;
    }
    const int a = normalize_axis(op, *axis, x.rank());
    before = x.size(0, a), length = x[a], after = x.size(a + 1);
  }
  int64_t count() const { return before * after; }
  // Of line i in a tensor whose axis has `extent`: where it begins. Its elements are `after` apart.
  int64_t begin(int64_t i, int64_t extent) const { return i / after * extent * after + i % after; }
};

// Elements are compared as whole numbers without sign that lie in the same order: all NaN are one
// number above infinity, and both zeros are one.
template <class T>
using Key = std::conditional_t<(sizeof(T) < 8), uint32_t, uint64_t>;

template <class T>
Key<T> key_of(T x, bool ascending) {
  using K = Key<T>;
  constexpr K kSign = K(1) << (8 * sizeof(K) - 1);
  K key;
  if constexpr (std::is_integral_v<T>) {
    key = K(x) ^ (std::is_signed_v<T> ? kSign : K(0));
  } else {
    using Float = std::conditional_t<sizeof(T) == 8, double, float>;
    const Float v = Float(x);
    const K bits = std::bit_cast<K>(v);
    key = v != v ? ~K(0) : v == 0 ? kSign : bits & kSign ? ~bits : bits | kSign;
  }
  return ascending ? key : ~key;
}

// A key and where its element is, in one number that is ordered by both.
struct Wide {
  uint64_t key;
  int64_t place;
  friend bool operator<(const Wide& a, const Wide& b) {
    return a.key < b.key || (a.key == b.key && a.place < b.place);
  }
};
inline uint64_t entry(uint32_t key, int64_t place) { return uint64_t(key) << 32 | uint64_t(place); }
inline Wide entry(uint64_t key, int64_t place) { return {key, place}; }
inline int64_t place_of(uint64_t e) { return int64_t(e & 0xffffffff); }
inline int64_t place_of(const Wide& e) { return e.place; }

// By the bytes of the key, the last one first; each pass leaves equal ones in their order. `room`
// has n numbers too.
void sort_by_bytes(uint64_t* e, uint64_t* room, int64_t n) {
  constexpr int kBytes = 4, kValues = 256;
  std::array<std::array<int64_t, kValues>, kBytes> count{};
  for (int64_t i = 0; i < n; ++i)
    for (size_t b = 0; b < kBytes; ++b) ++count[b][e[i] >> (32 + 8 * b) & 255];
  uint64_t *from = e, *to = room;
  for (size_t b = 0; b < kBytes; ++b) {
    if (count[b][from[0] >> (32 + 8 * b) & 255] == n) continue;  // all have the same byte
    int64_t at = 0;
    for (int64_t& c : count[b]) at += std::exchange(c, at);
    for (int64_t i = 0; i < n; ++i) to[count[b][from[i] >> (32 + 8 * b) & 255]++] = from[i];
    std::swap(from, to);
  }
  if (from != e) std::copy_n(from, n, e);
}

template <class E>
void sort_entries(std::vector<E>& e, std::vector<E>& room, int64_t k) {
  const auto n = int64_t(e.size());
  if (k < n) return std::partial_sort(e.begin(), e.begin() + k, e.end());
  if constexpr (std::is_same_v<E, uint64_t>) {
    constexpr int64_t kFew = 128;
    if (n > kFew) {
      room.resize(e.size());
      return sort_by_bytes(e.data(), room.data(), n);
    }
  }
  std::sort(e.begin(), e.end());
}

// Calls each(line, order, elements): order(i) is the place of element i < k in order.
template <class T, class K, class Each>
void each_line_by(const OpContext& ctx, const Blob& x, const Lines& l, int64_t k, bool ascending,
                  Each&& each) {
  using Entry = decltype(entry(K(), 0));
  const T* data = static_cast<const T*>(x.data);
  const int64_t grain = std::max<int64_t>(1, 8192 / std::max<int64_t>(1, l.length));
  ctx.parallel_for(l.count(), grain, [&](int64_t begin, int64_t end) {
    std::vector<Entry> entries(static_cast<size_t>(l.length)), room;
    for (int64_t line = begin; line < end; ++line) {
      const T* from = data + l.begin(line, l.length);
      for (int64_t i = 0; i < l.length; ++i)
        entries[size_t(i)] = entry(K(key_of(from[i * l.after], ascending)), i);
      sort_entries(entries, room, k);
      each(
          line, [&](int64_t i) { return place_of(entries[size_t(i)]); }, from);
    }
  });
}
template <class T, class Each>
void each_line(const OpContext& ctx, const Blob& x, const Lines& l, int64_t k, bool ascending,
               Each&& each) {
  // Places that 32 bits do not hold stand beside keys of 64.
  if (l.length > int64_t(0xffffffff))
    each_line_by<T, uint64_t>(ctx, x, l, k, ascending, std::forward<Each>(each));
  else each_line_by<T, Key<T>>(ctx, x, l, k, ascending, std::forward<Each>(each));
}

// Index tensors may have any dtype.
void store_index(const Blob& to, int64_t at, int64_t index) {
  with_dtype(to.dtype, "topk", [&](auto t) {
    static_cast<decltype(t)*>(to.data)[at] = static_cast<decltype(t)>(index);
  });
}

// --- parameters --------------------------------------------------------------------------------
struct SortParam {
  std::optional<int> axis = -1;
  bool is_ascend = true;
  void fields(auto&& f) {
    f("axis", axis, "The axis to order along; None takes data as one axis.");
    f("is_ascend", is_ascend, "Smallest first.");
  }
};
struct ArgsortParam : SortParam {
  Dtype dtype = Dtype::kFloat32;
  void fields(auto&& f) {
    SortParam::fields(f);
    f("dtype", dtype, "Of the indices.");
  }
};
enum class Return { kValue, kIndices, kMask, kBoth };
struct TopkParam {
  std::optional<int> axis = -1;
  int64_t k = 1;
  Return ret_typ = Return::kIndices;
  bool is_ascend = false;
  Dtype dtype = Dtype::kFloat32;
  void fields(auto&& f) {
    f("axis", axis, "The axis to choose along; None takes data as one axis.");
    f("k", k, "How many; less than 1 means all.");
    f("ret_typ", ret_typ, "What to return; mask is 1 at what was chosen.")
        .names({"value", "indices", "mask", "both"});
    f("is_ascend", is_ascend, "The smallest instead of the largest.");
    f("dtype", dtype, "Of the indices.");
  }
};

// --- sort, argsort -----------------------------------------------------------------------------
Shape sorted_shape(std::string_view op, const SortParam& p, const Shape& x) {
  if (!p.axis) return {x.size()};
  normalize_axis(op, *p.axis, x.rank());
  return x;
}
void infer_sort(const SortParam& p, InferContext& c) {
  if (!c.in(0).known()) return;
  for (int i = 0; i < c.outputs(); ++i) c.set_out(i, sorted_shape(c.op().name, p, c.in(0)));
}
void infer_sort_dtype(InferContext& c) {
  c.set_out_dtype(0, c.in_dtype(0));
  c.set_in_dtype(0, c.out_dtype(0));
  c.set_out_dtype(1, Dtype::kInt64);
}
void sort(const SortParam& p, OpContext& ctx, Inputs in, Outputs out) {
  const Lines l("sort", p.axis, in[0].shape);
  with_dtype(in[0].dtype, "sort", [&](auto t) {
    using T = decltype(t);
    T* values = static_cast<T*>(ctx.output(out, 0).data);
    int64_t* places = ctx.wants(1) ? static_cast<int64_t*>(out[1].data) : nullptr;
    each_line<T>(ctx, in[0], l, l.length, p.is_ascend, [&](int64_t line, auto order, const T* x) {
      const int64_t at = l.begin(line, l.length);
      for (int64_t i = 0; i < l.length; ++i) {
        values[at + i * l.after] = x[order(i) * l.after];
        if (places) places[at + i * l.after] = order(i);
      }
    });
  });
}
void infer_argsort(const ArgsortParam& p, InferContext& c) {
  if (!c.in(0).known()) return;
  c.set_out(0, sorted_shape("argsort", p, c.in(0)));
  rows::check_holds("argsort", p.dtype, Lines("argsort", p.axis, c.in(0)).length);
}
void infer_argsort_dtype(const ArgsortParam& p, InferContext& c) { c.set_out_dtype(0, p.dtype); }
void argsort(const ArgsortParam& p, OpContext& ctx, Inputs in, Outputs out) {
  const Lines l("argsort", p.axis, in[0].shape);
  with_dtype(in[0].dtype, "argsort", [&](auto t) {
    using T = decltype(t);
    each_line<T>(ctx, in[0], l, l.length, p.is_ascend, [&](int64_t line, auto order, const T*) {
      const int64_t at = l.begin(line, l.length);
      with_dtype(out[0].dtype, "argsort", [&](auto index) {
        auto* to = static_cast<decltype(index)*>(out[0].data) + at;
        for (int64_t i = 0; i < l.length; ++i)
          to[i * l.after] = static_cast<decltype(index)>(order(i));
      });
    });
  });
}

// --- topk --------------------------------------------------------------------------------------
std::vector<Ref> topk_reads(const TopkParam& p) {
  const bool values = p.ret_typ == Return::kValue || p.ret_typ == Return::kBoth;
  return values ? std::vector<Ref>{dy(), y(1)} : std::vector<Ref>{};
}
int64_t chosen(const TopkParam& p, const Lines& l) {
  check(p.k <= l.length, "[topk] k is {}, the axis has extent {}", p.k, l.length);
  return p.k < 1 ? l.length : p.k;
}
void infer_topk(const TopkParam& p, InferContext& c) {
  const Shape& x = c.in(0);
  if (!x.known()) return;
  const Lines l("topk", p.axis, x);
  const int64_t k = chosen(p, l);
  if (p.ret_typ == Return::kIndices || p.ret_typ == Return::kBoth)
    rows::check_holds("topk", p.dtype, l.length);
  Shape y = x;
  if (p.ret_typ != Return::kMask) {
    if (p.axis) y[normalize_axis("topk", *p.axis, x.rank())] = k;
    else y = {k};
  }
  for (int i = 0; i < c.outputs(); ++i) c.set_out(i, y);
}
void infer_topk_dtype(const TopkParam& p, InferContext& c) {
  switch (p.ret_typ) {
    case Return::kIndices:
      return c.set_out_dtype(0, p.dtype);
    case Return::kMask:
      return infer_same_dtype(c);
    // Nobody sees the places that the gradient needs, so they are exact.
    case Return::kValue:
      c.set_out_dtype(1, Dtype::kInt64);
      break;
    case Return::kBoth:
      c.set_out_dtype(1, p.dtype);
      break;
  }
  c.set_out_dtype(0, c.in_dtype(0));
  c.set_in_dtype(0, c.out_dtype(0));
}
void topk(const TopkParam& p, OpContext& ctx, Inputs in, Outputs out) {
  const Lines l("topk", p.axis, in[0].shape);
  const int64_t k = chosen(p, l);
  if (p.ret_typ == Return::kMask) view::zero(ctx, out[0]);
  with_dtype(in[0].dtype, "topk", [&](auto t) {
    using T = decltype(t);
    T* values = static_cast<T*>(ctx.output(out, 0).data);
    each_line<T>(ctx, in[0], l, k, p.is_ascend, [&](int64_t line, auto order, const T* x) {
      const int64_t at = l.begin(line, k);
      for (int64_t i = 0; i < k; ++i) {
        const int64_t to = at + i * l.after;
        if (p.ret_typ == Return::kMask)
          values[l.begin(line, l.length) + order(i) * l.after] = static_cast<T>(1);
        else if (p.ret_typ == Return::kIndices) store_index(out[0], to, order(i));
        else values[to] = x[order(i) * l.after];
        if (out.size() > 1 && ctx.wants(1)) store_index(out[1], to, order(i));
      }
    });
  });
}

// dy goes back to where the elements came from. in: dy, places.
void put_back(OpContext& ctx, const std::optional<int>& axis, Inputs in, Outputs out) {
  const Lines l("sort", axis, out[0].shape);
  const int64_t k = l.count() ? in[0].size() / l.count() : 0;
  const int64_t* places = rows::read_indices(ctx, in[1]);
  view::zero(ctx, out[0]);
  with_dtype(out[0].dtype, "sort", [&](auto t) {
    using T = decltype(t);
    const T* dy = static_cast<const T*>(in[0].data);
    T* dx = static_cast<T*>(out[0].data);
    const int64_t grain = std::max<int64_t>(1, 8192 / std::max<int64_t>(1, k));
    ctx.parallel_for(l.count(), grain, [&](int64_t begin, int64_t end) {
      for (int64_t line = begin; line < end; ++line) {
        const int64_t from = l.begin(line, k), to = l.begin(line, l.length);
        for (int64_t i = 0; i < k; ++i)
          dx[to + places[from + i * l.after] * l.after] = dy[from + i * l.after];
      }
    });
  });
}
void sort_backward(const SortParam& p, OpContext& ctx, Inputs in, Outputs out) {
  put_back(ctx, p.axis, in, out);
}
void topk_backward(const TopkParam& p, OpContext& ctx, Inputs in, Outputs out) {
  if (in.count() == 0) view::zero(ctx, out[0]);  // indices and masks have no gradient
  else put_back(ctx, p.axis, in, out);
}
// Only what puts values back reads where they came from.
ScratchNeed topk_backward_scratch(const Situation& s) {
  return s.in.empty() ? ScratchNeed{} : rows::indices_scratch<1>(s);
}
// What is zero can be differentiated again.
std::vector<Builder::Value> topk_build(const TopkParam& p, GradContext& g) {
  if (p.ret_typ != Return::kIndices && p.ret_typ != Return::kMask) return {};
  return {g.call("zeros_like", {g.x(0)})};
}

void define(OpTable& ops) {
  ops.define({.name = "sort",
              .doc = "The elements in order along an axis.",
              .params = schema<SortParam>(),
              .outputs = {{}, {.hidden = true}},
              .infer = infer_sort,
              .infer_dtype = infer_sort_dtype,
              .cpu = sort,
              .backward = {.reads = {dy(), y(1)}, .run = sort_backward}});
  ops.define({.name = "argsort",
              .doc = "Where the elements, in order along an axis, are in data.",
              .precision = Precision::kFull,
              .params = schema<ArgsortParam>(),
              .infer = infer_argsort,
              .infer_dtype = infer_argsort_dtype,
              .cpu = argsort,
              .backward = {.zero = true}});
  ops.define({.name = "topk",
              .doc = "The k largest elements along an axis, in order; or where they are.",
              .precision = Precision::kFull,
              .params = schema<TopkParam>(),
              .outputs = {{},
                          {.hidden = true, .when = when("ret_typ", "value")},
                          {.when = when("ret_typ", "both")}},
              .infer = infer_topk,
              .infer_dtype = infer_topk_dtype,
              .cpu = topk,
              .backward = {.reads = topk_reads, .run = topk_backward, .build = topk_build}});
  ops.scratch("sort", unwanted);
  ops.scratch("topk", unwanted);
  ops.scratch("_backward_sort", rows::indices_scratch<1>);
  ops.scratch("_backward_topk", topk_backward_scratch);
}

}  // namespace heddle::ops::sort
