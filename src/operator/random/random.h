// What the files of random operators share: filling a tensor, each element from its own position.
#pragma once
#include <algorithm>
#include <string>

#include "heddle/op.h"
#include "operator/elemwise/convert.h"
#include "operator/random/distributions.h"

namespace heddle::ops::random {

// Writes draw(sequence, i) to every element i.
template <class Draw>
void fill(const OpContext& ctx, const Blob& y, Draw&& draw) {
  const auto store = ew::store_of<double>(y.dtype);
  const int64_t size = dtype_size(y.dtype);
  ctx.parallel_for(y.size(), ew::kGrain / 16, [&](int64_t begin, int64_t end) {
    double buffer[ew::kTile];
    for (int64_t at = begin; at < end; at += ew::kTile) {
      const int64_t n = std::min(ew::kTile, end - at);
      for (int64_t i = 0; i < n; ++i) {
        Sequence s(ctx.seed, at + i);
        buffer[i] = draw(s, at + i);
      }
      store(buffer, static_cast<char*>(y.data) + at * size, n);
    }
  });
}

// The same from bulk(begin, n, to), which makes n floats at once.
template <class Bulk>
void fill_bulk(const OpContext& ctx, const Blob& y, Bulk&& bulk) {
  const auto store = ew::store_of<float>(y.dtype);
  const int64_t size = dtype_size(y.dtype);
  ctx.parallel_for(y.size(), ew::kGrain, [&](int64_t begin, int64_t end) {
    float buffer[ew::kTile];
    for (int64_t at = begin; at < end; at += ew::kTile) {
      const int64_t n = std::min(ew::kTile, end - at);
      bulk(at, n, buffer);
      store(buffer, static_cast<char*>(y.data) + at * size, n);
    }
  });
}

}  // namespace heddle::ops::random
