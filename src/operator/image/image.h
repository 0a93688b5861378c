// Images as operators see them: (height, width, channels), or several of them.
#pragma once
#include <algorithm>
#include <cmath>
#include <limits>

#include "heddle/op.h"
#include "image/resize.h"

namespace heddle::ops::image {

// As a number of T: cut off towards zero, and at the ends of its range.
template <class T>
T saturate(float v) {
  if constexpr (!std::is_integral_v<T>) return T(v);
  else if (!(v > float(std::numeric_limits<T>::min()))) return std::numeric_limits<T>::min();
  else if (v >= float(std::numeric_limits<T>::max())) return std::numeric_limits<T>::max();
  else return T(v);
}

// Calls fn(T{}) for every dtype but bool.
template <class Fn>
void with_number(Dtype d, std::string_view who, Fn&& fn) {
  check(d != Dtype::kBool, "[{}] dtype {} is not supported, expected numbers", who, d);
  with_dtype(d, who, [&](auto type) {
    if constexpr (!std::is_same_v<decltype(type), bool>) fn(type);
  });
}

// data is (height, width, channels).
inline void check_image(InferContext& c, bool colours = false) {
  const Shape& x = c.in(0);
  check(x.rank() == 3, "[{}] data has shape {}, expected (height, width, channels)", c.op().name,
        x);
  check(!colours || x[2] == 1 || x[2] == 3, "[{}] data has {} channels, expected 1 or 3",
        c.op().name, x[2]);
}

constexpr int64_t kGrain = 4096;

// One image or several, (height, width, channels), of any dtype but bool.
void resize(OpContext& ctx, const Blob& from, const Blob& to, heddle::image::Interpolation how);

}  // namespace heddle::ops::image
