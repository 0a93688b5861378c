// Rows picked by number: reading indices of any dtype, gathering rows, adding to rows.
#include "operator/tensor/rows.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "operator/tensor/view.h"

namespace heddle::ops::rows {

constexpr int64_t kGrain = 32768;  // elements per piece of a parallel loop

int64_t* read_indices(OpContext& ctx, const Blob& indices) {
  auto* at = ctx.scratch_of<int64_t>(std::max<int64_t>(1, indices.size()));
  with_dtype(indices.dtype, "indices", [&](auto t) {
    using T = decltype(t);
    const T* from = static_cast<const T*>(indices.data);
    ctx.parallel_for(indices.size(), kGrain, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        if constexpr (std::is_integral_v<T>) {
          at[i] = static_cast<int64_t>(from[i]);
        } else {
          constexpr double kFar = 9e18;
          const double v = static_cast<double>(from[i]);
          at[i] = std::isnan(v) ? 0 : static_cast<int64_t>(std::clamp(v, -kFar, kFar));
        }
      }
    });
  });
  return at;
}

void check_holds(std::string_view op, Dtype d, int64_t extent) {
  if (d == Dtype::kUnknown || extent < 1) return;
  double most = 0;  // up to which every whole number has a value of its own
  with_dtype(d, op, [&](auto t) {
    using T = decltype(t);
    if constexpr (std::is_integral_v<T>) most = double(std::numeric_limits<T>::max());
    else if constexpr (std::is_same_v<T, bfloat16>) most = 0x1p8;
    else if constexpr (std::is_same_v<T, float16>) most = 0x1p11;
    else most = std::is_same_v<T, float> ? 0x1p24 : 0x1p53;
  });
  check(double(extent - 1) <= most,
        "[{}] {} does not hold every index of {} elements exactly, expected a wider dtype", op, d,
        extent);
}

void gather(const OpContext& ctx, const Layout& l, const Blob& from, const int64_t* at, int64_t n,
            const Blob& to) {
  const int64_t bytes = l.length * dtype_size(to.dtype);
  const int64_t grain = std::max<int64_t>(1, 4 * kGrain / std::max<int64_t>(bytes, 1));
  const char* source = static_cast<const char*>(from.data);
  char* target = static_cast<char*>(to.data);
  ctx.parallel_for(l.before * n, grain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t row = at[i % n];
      if (row < 0) std::memset(target + i * bytes, 0, size_t(bytes));
      else std::memcpy(target + i * bytes, source + (i / n * l.rows + row) * bytes, size_t(bytes));
    }
  });
}

// Calls each(target row, source row, first element, last element) in order of the source rows.
// Threads share the work by elements of rows, never by rows: each row is visited in one order.
template <class Each>
void scatter(const OpContext& ctx, const Layout& l, const int64_t* at, int64_t n, Each&& each) {
  constexpr int64_t kSlice = 64;
  const int64_t slices = (l.length + kSlice - 1) / kSlice;
  const int64_t grain = std::max<int64_t>(1, kGrain / std::max<int64_t>(1, n * kSlice));
  ctx.parallel_for(l.before * slices, grain, [&](int64_t begin, int64_t end) {
    for (int64_t part = begin; part < end; ++part) {
      const int64_t b = part / slices, first = part % slices * kSlice;
      const int64_t last = std::min(l.length, first + kSlice);
      for (int64_t i = 0; i < n; ++i)
        if (at[i] >= 0) each(b * l.rows + at[i], b * n + i, first, last);
    }
  });
}

template <class T>
void add_rows(const OpContext& ctx, const Layout& l, const T* from, const int64_t* at, int64_t n,
              T* to) {
  scatter(ctx, l, at, n, [=](int64_t row, int64_t source, int64_t first, int64_t last) {
    const T* x = from + source * l.length;
    T* y = to + row * l.length;
    for (int64_t k = first; k < last; ++k) y[k] = static_cast<T>(y[k] + x[k]);
  });
}

// Halves are summed in float, so that many small contributions do not vanish.
template <class T>
void add_half_rows(OpContext& ctx, const Layout& l, const T* from, const int64_t* at, int64_t n,
                   T* to, int64_t size) {
  float* sums = ctx.scratch_of<float>(size);
  std::fill_n(sums, size, 0.f);
  scatter(ctx, l, at, n, [=](int64_t row, int64_t source, int64_t first, int64_t last) {
    for (int64_t k = first; k < last; ++k)
      sums[row * l.length + k] += static_cast<float>(from[source * l.length + k]);
  });
  ctx.parallel_for(size, kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) to[i] = static_cast<T>(sums[i]);
  });
}

void scatter_add(OpContext& ctx, const Layout& l, const Blob& from, const int64_t* at, int64_t n,
                 const Blob& to) {
  with_dtype(to.dtype, "scatter", [&](auto t) {
    using T = decltype(t);
    const T* x = static_cast<const T*>(from.data);
    T* y = static_cast<T*>(to.data);
    if constexpr (std::is_same_v<T, float16> || std::is_same_v<T, bfloat16>) {
      add_half_rows(ctx, l, x, at, n, y, to.size());
    } else {
      view::zero(ctx, to);
      add_rows(ctx, l, x, at, n, y);
    }
  });
}

void scatter_write(const OpContext& ctx, const Layout& l, const Blob& from, const int64_t* at,
                   int64_t n, const Blob& to) {
  const int64_t size = dtype_size(to.dtype);
  const char* x = static_cast<const char*>(from.data);
  char* y = static_cast<char*>(to.data);
  scatter(ctx, l, at, n, [=](int64_t row, int64_t source, int64_t first, int64_t last) {
    std::memcpy(y + (row * l.length + first) * size, x + (source * l.length + first) * size,
                size_t((last - first) * size));
  });
}

}  // namespace heddle::ops::rows
