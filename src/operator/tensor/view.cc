// Strided looks at dense tensors, and copying from one to another.
#include "operator/tensor/view.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace heddle::ops::view {

constexpr int64_t kGrain = 32768;       // words of four bytes per piece of a parallel loop
constexpr int64_t kTile = 512;          // sums taken together
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

template <class T>
constexpr int64_t grain_of() {
  return kGrain * 4 / int64_t(sizeof(T));
}

// One run of `bytes` elements' bytes, at least sizeof(Word) of them: whole words, the last of which
// may overlap the one before.
template <class Word>
inline void copy_words(const char* x, char* y, int64_t bytes) {
  const int64_t last = bytes - int64_t(sizeof(Word));
  for (int64_t i = 0; i < last; i += int64_t(sizeof(Word))) std::memcpy(y + i, x + i, sizeof(Word));
  std::memcpy(y + last, x + last, sizeof(Word));
}
struct alignas(16) SixteenBytes {
  char at[16];
};

// `rows` runs of n elements that lie side by side in both; the runs are `ra` and `rb` apart.
template <class T>
void copy_contiguous(const T* x, T* y, int64_t rows, int64_t n, int64_t ra, int64_t rb) {
  const int64_t bytes = n * int64_t(sizeof(T));
  const auto each = [&](auto&& copy_one) {
    for (int64_t r = 0; r < rows; ++r)
      copy_one(reinterpret_cast<const char*>(x + r * ra), reinterpret_cast<char*>(y + r * rb));
  };
  constexpr int64_t kLong = 256;  // bytes from which on memcpy knows better
  if (rows == 1 || bytes >= kLong)
    each([=](const char* a, char* b) { std::memcpy(b, a, size_t(bytes)); });
  else if (bytes >= 16)
    each([=](const char* a, char* b) { copy_words<SixteenBytes>(a, b, bytes); });
  else if (bytes >= 8) each([=](const char* a, char* b) { copy_words<uint64_t>(a, b, bytes); });
  else if (bytes >= 4) each([=](const char* a, char* b) { copy_words<uint32_t>(a, b, bytes); });
  else each([=](const char* a, char* b) { copy_words<uint8_t>(a, b, bytes); });
}

// n elements, `sa` and `sb` apart. The usual distances are constants, of which compilers make
// shuffles.
template <class T>
void copy_strided(const T* x, T* y, int64_t n, int64_t sa, int64_t sb) {
  const auto apart = [&](auto a, auto b) {
    for (int64_t k = 0; k < n; ++k) y[k * b] = x[k * a];
  };
  using One = std::integral_constant<int64_t, 1>;
  using Two = std::integral_constant<int64_t, 2>;
  if (sb == 1 && sa == 0) std::fill_n(y, n, *x);
  else if (sb == 1 && sa == -1) apart(std::integral_constant<int64_t, -1>(), One());
  else if (sb == 1 && sa == 2) apart(Two(), One());
  else if (sa == 1 && sb == 2) apart(One(), Two());
  else apart(sa, sb);
}

// Runs along the last axis, those of the axis before it in one loop.
template <class T>
void copy_runs(const OpContext& ctx, Pair p, const T* from, T* to) {
  if (p.a.rank == 1) {  // the axis before it
    const int64_t n = p.a.extent[0], sa = p.a.stride[0], sb = p.b.stride[0];
    p.a.extent[0] = p.b.extent[0] = 1, p.a.stride[0] = p.b.stride[0] = 0;
    p.a.push(n, sa), p.b.push(n, sb);
  }
  const int last = p.a.rank - 1, outer = last - 1;
  const int64_t length = p.a.extent[last], sa = p.a.stride[last], sb = p.b.stride[last];
  const int64_t rows = p.a.extent[outer], ra = p.a.stride[outer], rb = p.b.stride[outer];
  ctx.parallel_for(p.a.size(), grain_of<T>(), [&](int64_t begin, int64_t end) {
    Place place(p, outer, begin / (length * rows));
    for (int64_t i = begin; i < end; place.next(p, outer)) {
      for (int64_t row = i / length % rows; row < rows && i < end;) {
        const int64_t skip = i % length, whole = std::min(rows - row, (end - i) / length);
        const T* x = from + place.a + row * ra + skip * sa;
        T* y = to + place.b + row * rb + skip * sb;
        // Whole runs together; what a piece begins or ends with may be a part of one.
        const int64_t n = skip ? std::min(length - skip, end - i) : whole ? length : end - i;
        const int64_t count = skip || !whole ? 1 : whole;
        if (sa == 1 && sb == 1) copy_contiguous(x, y, count, n, ra, rb);
        else
          for (int64_t r = 0; r < count; ++r) copy_strided(x + r * ra, y + r * rb, n, sa, sb);
        row += count, i += n * count;
      }
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
  const int64_t grain = std::max<int64_t>(1, grain_of<T>() / (kBlock * columns));
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
  ctx.parallel_for(p.a.size() / size, std::max<int64_t>(1, grain_of<T>() / size),
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

#ifdef __OPTIMIZE_SIZE__
// The same elements as two of half their size.
View in_halves(View v) {
  v.offset *= 2;
  for (int d = 0; d < v.rank; ++d) v.stride[d] *= 2;
  return v.push(2, 1);
}
#endif

void copy(const OpContext& ctx, const Blob& from, const View& a, const Blob& to, const View& b) {
  if (a.size() == 0) return;
#ifdef __OPTIMIZE_SIZE__  // pairs, with half of the loops
  const int64_t size = dtype_size(to.dtype);
  const Pair p = size == 2 || size == 8 ? Pair(in_halves(a), in_halves(b)) : Pair(a, b);
  if (size > 2) copy_as<uint32_t>(ctx, p, from.data, to.data);
  else copy_as<uint8_t>(ctx, p, from.data, to.data);
#else
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
#endif
}

void copy_all(const OpContext& ctx, const Blob& from, const Blob& to) {
  if (from.data == to.data) return;
  const View flat = View({to.size()});
  copy(ctx, from, flat, to, flat);
}

Views parts_along(Views::Of of, const Blob& whole, int axis, std::vector<int64_t> begins) {
  if (!whole.stored.plain() || whole.shape.size(0, axis) != 1) return {};
  const int64_t step = whole.shape.size(axis + 1) * dtype_size(whole.dtype);
  for (int64_t& at : begins) at *= step;
  return {of, std::move(begins)};
}

Views same_elements(const Situation& s) {
  if (s.out.size() > 1 || !s.in[0].stored.plain() || !s.out[0].stored.plain()) return {};
  return {Views::kInput, {0}};
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

// acc[k] += x[k * step] for k in [0, n).
template <class T, class Sum>
void add_run(const T* x, int64_t step, Sum* acc, int64_t n) {
  if (step == 1)
    for (int64_t k = 0; k < n; ++k) acc[k] += static_cast<Sum>(x[k]);
  else if (step == 2)
    for (int64_t k = 0; k < n; ++k) acc[k] += static_cast<Sum>(x[2 * k]);
  else
    for (int64_t k = 0; k < n; ++k) acc[k] += static_cast<Sum>(x[k * step]);
}

// Sums along the last kept axis are taken together, term by term in order: so they are vectors, and
// still every sum has its terms in the order of `summed`.
template <class T>
void sum_as(const OpContext& ctx, const T* from, const View& kept, const View& summed, T* to) {
  using Sum = typename SumOf<T>::Type;
  const Pair k(kept, kept), s(summed, summed);
  const int outer = k.a.rank - 1, outer_terms = s.a.rank - 1;
  const int64_t length = k.a.extent[outer], step = k.a.stride[outer];
  const int64_t count = s.a.extent[outer_terms], apart = s.a.stride[outer_terms];
  const int64_t terms = summed.size();
  const int64_t grain = std::max<int64_t>(1, kGrain / terms);
  ctx.parallel_for(kept.size(), grain, [&](int64_t begin, int64_t end) {
    Place at(k, outer, begin / length);
    for (int64_t i = begin; i < end;) {
      const int64_t skip = i % length, n = std::min({length - skip, end - i, kTile});
      const T* x = from + at.a + skip * step;
      Sum acc[kTile];
      std::fill_n(acc, n, Sum(0));
      Place term(s, outer_terms, 0);
      for (int64_t t = 0; t < terms; t += count, term.next(s, outer_terms)) {
        const T* first = x + term.a;
        if (n < kShort)
          for (int64_t j = 0; j < n; ++j)
            for (int64_t c = 0; c < count; ++c)
              acc[j] += static_cast<Sum>(first[j * step + c * apart]);
        else
          for (int64_t c = 0; c < count; ++c) add_run(first + c * apart, step, acc, n);
      }
      for (int64_t j = 0; j < n; ++j) to[i + j] = static_cast<T>(acc[j]);
      i += n;
      if (skip + n == length) at.next(k, outer);
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
