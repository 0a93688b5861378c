// Loops that convert between dtypes, once per instruction-set level.
#include "operator/simd/halves.inl.h"

namespace heddle::ops::HEDDLE_ISA {

// What a whole number cannot hold, NaN among it, becomes the least one, on every machine: that is
// what x86 makes of it, and C++ leaves open.
template <class To, class From>
HEDDLE_HD To truncated(From v) {
  constexpr From kLeast = From(std::numeric_limits<To>::min());
  return v >= kLeast && v < -kLeast ? To(v) : std::numeric_limits<To>::min();
}

template <class From, class To>
HEDDLE_HD To converted(From v) {
  if constexpr (std::is_same_v<To, bool>) {
    return v != From(0);
  } else if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To> && sizeof(To) < 4) {
    // Through int32, whose overflow is the same in vector and scalar code; then the low bits.
    return To(truncated<int32_t>(v));
  } else if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To> &&
                       std::is_signed_v<To>) {
    return truncated<To>(v);
  } else {
    return To(v);
  }
}

template <class C, class T>
void load_all(const void* from, C* to, int64_t n) {
  simd::ran(HEDDLE_LEVEL);
  const T* x = static_cast<const T*>(from);
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) {
    if constexpr (std::is_same_v<T, float16>) to[i] = C(half::from_f16(x[i].bits));
    else if constexpr (std::is_same_v<T, bfloat16>) to[i] = C(half::from_bf16(x[i].bits));
    else to[i] = converted<T, C>(x[i]);
  }
}

template <class C, class T>
void truth(const void* from, C* to, int64_t n) {
  simd::ran(HEDDLE_LEVEL);
  const T* x = static_cast<const T*>(from);
  for (int64_t i = 0; i < n; ++i) {
    if constexpr (std::is_same_v<T, float16> || std::is_same_v<T, bfloat16>)
      to[i] = C((x[i].bits & 0x7fff) != 0);
    else to[i] = C(x[i] != T(0));
  }
}

template <class C, class T>
void store_all(const C* from, void* to, int64_t n) {
  simd::ran(HEDDLE_LEVEL);
  T* y = static_cast<T*>(to);
  int64_t done = 0;
  if constexpr (std::is_same_v<T, float16> && std::is_same_v<C, float>)
    done = to_halves(from, &y->bits, n);
#pragma omp simd
  for (int64_t i = done; i < n; ++i) {
    if constexpr (std::is_same_v<T, float16>) y[i].bits = half::to_f16(float(from[i]));
    else if constexpr (std::is_same_v<T, bfloat16>) y[i].bits = half::to_bf16(float(from[i]));
    else y[i] = converted<C, T>(from[i]);
  }
}

}  // namespace heddle::ops::HEDDLE_ISA
