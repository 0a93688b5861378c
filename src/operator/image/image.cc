// Pictures of other sizes, for all operators on images.
#include "operator/image/image.h"

#include <algorithm>
#include <cmath>

namespace heddle::ops::image {

template <class T>
void resize_as(OpContext& ctx, const Blob& from, const Blob& to, heddle::image::Interpolation how) {
  const Shape &s = from.shape, &o = to.shape;
  const int64_t rows = o[-3], length = o[-2] * o[-1];
  if (to.size() == 0) return;
  const heddle::image::Resize plan({s[-3], s[-2], s[-1]}, {rows, o[-2], o[-1]}, how);
  const int64_t pieces = (rows + 15) / 16;  // of an image: their neighbours share lines
  ctx.parallel_for(o.size(0, o.rank() - 3) * pieces, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t n = i / pieces, first = i % pieces * 16;
      plan.rows(from.as<T>() + n * s[-3] * s[-2] * s[-1], to.as<T>() + n * rows * length, first,
                std::min(rows, first + 16));
    }
  });
}

void resize(OpContext& ctx, const Blob& from, const Blob& to, heddle::image::Interpolation how) {
  if (from.dtype == Dtype::kUint8) return resize_as<uint8_t>(ctx, from, to, how);
  if (from.dtype == Dtype::kFloat32) return resize_as<float>(ctx, from, to, how);
  if (from.dtype == Dtype::kFloat64) return resize_as<double>(ctx, from, to, how);
  // Others go through float32.
  Blob x = from, y = to;
  x.dtype = y.dtype = Dtype::kFloat32;
  x.data = ctx.scratch(size_t(x.bytes())), y.data = ctx.scratch(size_t(y.bytes()));
  with_number(from.dtype, "resize", [&](auto type) {
    using T = decltype(type);
    for (int64_t i = 0; i < x.size(); ++i) x.as<float>()[i] = float(from.as<T>()[i]);
    resize_as<float>(ctx, x, y, how);
    for (int64_t i = 0; i < y.size(); ++i)
      to.as<T>()[i] =
          saturate<T>(std::is_integral_v<T> ? std::nearbyint(y.as<float>()[i]) : y.as<float>()[i]);
  });
}

}  // namespace heddle::ops::image
