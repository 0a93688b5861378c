// Strided looks at dense tensors, and copying from one to another.
#include "operator/tensor/view.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace heddle::ops::view {

constexpr int64_t kGrain = 32768;       // elements per piece of a parallel loop
constexpr int64_t kBlock = 32;          // side of the squares that transpositions work in
constexpr int64_t kShort = 16;          // axes of fewer elements are not worth a loop of their own
constexpr int64_t kMostPlaces = 512;    // that a table of places holds
constexpr int64_t kFarthest = 1 << 30;  // that a place of a table lies

View::View(const Shape& dense) {
  rank = dense.rank();
  int64_t step = 1;
  for (int d = rank - 1; d >= 0; --d) extent[d] = dense[d], stride[d] = step, step *= dense[d];
}

View& View::push(int64_t axis_extent, int64_t axis_stride) {
  extent[rank] = axis_extent, stride[rank] = axis_stride, ++rank;
  return *this;
}

View& View::slice(int axis, int64_t begin, int64_t count, int64_t step) {
  offset += begin * stride[axis];
  extent[axis] = count, stride[axis] *= step;
  return *this;
}

View& View::swap(int a, int b) {
  std::swap(extent[a], extent[b]);
  std::swap(stride[a], stride[b]);
  return *this;
}

View View::permuted(const int* order) const {
  View v;
  v.offset = offset;
  for (int d = 0; d < rank; ++d) v.push(extent[order[d]], stride[order[d]]);
  return v;
}

int64_t View::size() const {
  int64_t n = 1;
  for (int d = 0; d < rank; ++d) n *= extent[d];
  return n;
}

// Two views walked together, innermost axis last; neighbours that are one axis in both are merged.
struct Pair {
  View a, b;
  Pair(const View& x, const View& y) {
    a.offset = x.offset, b.offset = y.offset;
    for (int d = 0; d < x.rank; ++d) {
      if (x.extent[d] == 1) continue;
      const int last = a.rank - 1;
      if (a.rank > 0 && a.stride[last] == x.stride[d] * x.extent[d] &&
          b.stride[last] == y.stride[d] * y.extent[d]) {
        a.extent[last] *= x.extent[d], b.extent[last] *= x.extent[d];
        a.stride[last] = x.stride[d], b.stride[last] = y.stride[d];
      } else {
        a.push(x.extent[d], x.stride[d]), b.push(y.extent[d], y.stride[d]);
      }
    }
    if (a.rank == 0) a.push(1, 1), b.push(1, 1);
  }
  void swap(int i, int j) { a.swap(i, j), b.swap(i, j); }
};

// Where the elements of the first `axes` axes lie, counted in both views at once.
struct Place {
  int64_t at[View::kMaxAxes] = {};
  int64_t a, b;
  Place(const Pair& p, int axes, int64_t index) : a(p.a.offset), b(p.b.offset) {
    for (int d = axes - 1; d >= 0; --d) {
      at[d] = index % p.a.extent[d], index /= p.a.extent[d];
      a += at[d] * p.a.stride[d], b += at[d] * p.b.stride[d];
    }
  }
  void next(const Pair& p, int axes) {
    for (int d = axes - 1; d >= 0; --d) {
      a += p.a.stride[d], b += p.b.stride[d];
      if (++at[d] < p.a.extent[d]) return;
      a -= at[d] * p.a.stride[d], b -= at[d] * p.b.stride[d];
      at[d] = 0;
    }
  }
};

// Runs along the last axis.
template <class T>
void copy_runs(const OpContext& ctx, const Pair& p, const T* from, T* to) {
  const int outer = p.a.rank - 1;
  const int64_t length = p.a.extent[outer], sa = p.a.stride[outer], sb = p.b.stride[outer];
  ctx.parallel_for(p.a.size(), kGrain, [&](int64_t begin, int64_t end) {
    Place place(p, outer, begin / length);
    for (int64_t i = begin; i < end;) {
      const int64_t skip = i % length, n = std::min(length - skip, end - i);
      const T* x = from + place.a + skip * sa;
      T* y = to + place.b + skip * sb;
      if (sa == 1 && sb == 1) std::memcpy(y, x, size_t(n) * sizeof(T));
      else if (sa == 0)
        for (int64_t k = 0; k < n; ++k) y[k * sb] = *x;
      else
        for (int64_t k = 0; k < n; ++k) y[k * sb] = x[k * sa];
      i += n;
      place.next(p, outer);
    }
  });
}

// The last two axes in squares: one of them is contiguous in `from`, the other in `to`.
template <class T>
void copy_squares(const OpContext& ctx, const Pair& p, const T* from, T* to) {
  const int outer = p.a.rank - 2;
  const int64_t rows = p.a.extent[outer], columns = p.a.extent[outer + 1];
  const int64_t sa = p.a.stride[outer + 1], sb = p.b.stride[outer];
  const int64_t bands = (rows + kBlock - 1) / kBlock;
  const int64_t all = p.a.size() / (rows * columns) * bands;
  const int64_t grain = std::max<int64_t>(1, kGrain / (kBlock * columns));
  ctx.parallel_for(all, grain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const Place place(p, outer, i / bands);
      const int64_t r0 = i % bands * kBlock, r1 = std::min(rows, r0 + kBlock);
      for (int64_t c0 = 0; c0 < columns; c0 += kBlock) {
        const int64_t c1 = std::min(columns, c0 + kBlock);
        for (int64_t r = r0; r < r1; ++r) {
          const T* x = from + place.a + r;
          T* y = to + place.b + r * sb;
          for (int64_t c = c0; c < c1; ++c) y[c] = x[c * sa];
        }
      }
    }
  });
}

// Blocks of the last `axes` axes, each element from a place that a table tells: for axes too short
// to be loops.
template <class T>
void copy_blocks(const OpContext& ctx, const Pair& p, int axes, const T* from, T* to) {
  const int outer = p.a.rank - axes;
  int32_t a[kMostPlaces], b[kMostPlaces];
  int64_t size = 1;
  a[0] = b[0] = 0;
  for (int d = p.a.rank - 1; d >= outer; --d) {
    for (int64_t i = 1; i < p.a.extent[d]; ++i)
      for (int64_t k = 0; k < size; ++k) {
        a[i * size + k] = int32_t(a[k] + i * p.a.stride[d]);
        b[i * size + k] = int32_t(b[k] + i * p.b.stride[d]);
      }
    size *= p.a.extent[d];
  }
  ctx.parallel_for(p.a.size() / size, std::max<int64_t>(1, kGrain / size),
                   [&](int64_t begin, int64_t end) {
                     Place place(p, outer, begin);
                     for (int64_t i = begin; i < end; ++i, place.next(p, outer)) {
                       const T* x = from + place.a;
                       T* y = to + place.b;
                       for (int64_t k = 0; k < size; ++k) y[b[k]] = x[a[k]];
                     }
                   });
}

// How many of the last axes a table takes in: 0 where runs along the last one are long enough, or
// where there is no more than one.
int short_axes(const Pair& p) {
  const int last = p.a.rank - 1;
  if (p.a.extent[last] >= kShort) return 0;
  int64_t places = 1, span = 0;
  int axes = 0;
  for (int d = last; d >= 0 && places * p.a.extent[d] <= kMostPlaces; --d, ++axes) {
    places *= p.a.extent[d];
    span += (p.a.extent[d] - 1) * std::max(std::abs(p.a.stride[d]), std::abs(p.b.stride[d]));
    if (span > kFarthest) break;
  }
  return axes > 1 ? axes : 0;
}

template <class T>
void copy_as(const OpContext& ctx, Pair p, const void* from, void* to) {
  const int last = p.a.rank - 1;
  const T* x = static_cast<const T*>(from);
  T* y = static_cast<T*>(to);
  if (const int axes = short_axes(p)) return copy_blocks(ctx, p, axes, x, y);
  if (p.b.stride[last] == 1 && p.a.stride[last] != 1) {
    for (int d = 0; d < last; ++d) {
      if (p.a.stride[d] != 1) continue;
      p.swap(d, last - 1);
      return copy_squares(ctx, p, x, y);
    }
  }
  copy_runs(ctx, p, x, y);
}

void copy(const OpContext& ctx, const Blob& from, const View& a, const Blob& to, const View& b) {
  if (a.size() == 0) return;
  const Pair p(a, b);
  switch (dtype_size(to.dtype)) {
    case 1:
      return copy_as<uint8_t>(ctx, p, from.data, to.data);
    case 2:
      return copy_as<uint16_t>(ctx, p, from.data, to.data);
    case 4:
      return copy_as<uint32_t>(ctx, p, from.data, to.data);
    default:
      return copy_as<uint64_t>(ctx, p, from.data, to.data);
  }
}

void copy_all(const OpContext& ctx, const Blob& from, const Blob& to) {
  if (from.data == to.data) return;
  const View flat = View({to.size()});
  copy(ctx, from, flat, to, flat);
}

void zero(const OpContext& ctx, const Blob& to) {
  ctx.parallel_for(to.bytes(), 8 * kGrain, [&](int64_t begin, int64_t end) {
    std::memset(static_cast<char*>(to.data) + begin, 0, size_t(end - begin));
  });
}

// What numbers of type T are summed in.
template <class T>
struct SumOf {
  using Type = float;
};
template <>
struct SumOf<double> {
  using Type = double;
};
template <class T>
requires std::is_integral_v<T>
struct SumOf<T> {
  using Type = int64_t;
};

template <class T>
void sum_as(const OpContext& ctx, const T* from, const View& kept, const View& summed, T* to) {
  using Sum = typename SumOf<T>::Type;
  const Pair k(kept, kept), s(summed, summed);
  const int64_t terms = summed.size(),
                grain = std::max<int64_t>(1, kGrain / std::max<int64_t>(terms, 1));
  ctx.parallel_for(kept.size(), grain, [&](int64_t begin, int64_t end) {
    Place at(k, k.a.rank, begin);
    for (int64_t i = begin; i < end; ++i, at.next(k, k.a.rank)) {
      Sum total = 0;
      Place term(s, s.a.rank, 0);
      for (int64_t j = 0; j < terms; ++j, term.next(s, s.a.rank))
        total += static_cast<Sum>(from[at.a + term.a]);
      to[i] = static_cast<T>(total);
    }
  });
}

void sum(const OpContext& ctx, const Blob& from, const View& kept, const View& summed,
         const Blob& to) {
  if (summed.size() == 0) return zero(ctx, to);
  with_dtype(to.dtype, "sum", [&](auto t) {
    using T = decltype(t);
    sum_as(ctx, static_cast<const T*>(from.data), kept, summed, static_cast<T*>(to.data));
  });
}

}  // namespace heddle::ops::view
