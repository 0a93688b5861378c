// Elements from one dtype to another, in host memory.
#include "ndarray/convert.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "heddle/parallel.h"

namespace heddle {
namespace conversion {

constexpr int64_t kGrain = 1 << 16;

template <class T>
inline constexpr bool is_half = std::is_same_v<T, float16> || std::is_same_v<T, bfloat16>;

template <class To, class From>
To one(From v) {
  if constexpr (is_half<From>) return one<To>(float(v));
  else if constexpr (std::is_same_v<To, bool>) return v != From(0);
  else if constexpr (is_half<To>) return To(float(v));
  else if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To> && sizeof(To) == 1)
    return static_cast<To>(static_cast<int32_t>(v));  // wraps, where a direct cast is undefined
  else return static_cast<To>(v);
}

template <class To, class From>
void loop(To* dst, const From* src, int64_t n) {
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) dst[i] = one<To>(src[i]);
}

// bool is read as bytes: memory from elsewhere may hold values other than 0 and 1.
template <class T>
using Stored = std::conditional_t<std::is_same_v<T, bool>, uint8_t, T>;

}  // namespace conversion

void convert(void* dst, Dtype to, const void* src, Dtype from, int64_t n) {
  if (n == 0) return;
  if (to == from) {
    std::memmove(dst, src, size_t(n * dtype_size(to)));
    return;
  }
  with_dtype(to, "copy", [&]<class To>(To) {
    with_dtype(from, "copy", [&]<class From>(From) {
      parallel_for(n, conversion::kGrain, [&](int64_t begin, int64_t end) {
        conversion::loop(static_cast<To*>(dst) + begin,
                         static_cast<const conversion::Stored<From>*>(src) + begin, end - begin);
      });
    });
  });
}

void fill_failed(void* dst, Dtype dtype, int64_t n) {
  if (n == 0) return;
  if (!is_float(dtype)) {
    std::memset(dst, 0, size_t(n * dtype_size(dtype)));
    return;
  }
  with_float(dtype, "NDArray", [&]<class T>(T) {
    std::fill_n(static_cast<T*>(dst), n, T(std::numeric_limits<float>::quiet_NaN()));
  });
}

}  // namespace heddle
