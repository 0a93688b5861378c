// Scratch memory that kernels of many families take: see ScratchNeed in heddle/op.h.
#pragma once
#include <algorithm>

#include "heddle/op.h"

namespace heddle::ops {

// The outputs that ctx.output() puts there, since nobody wants them.
inline ScratchNeed unwanted(const Situation& s) {
  ScratchNeed need;
  for (size_t i = 0; i < s.out.size(); ++i)
    if (!s.wants(i)) need.take(s.out[i].bytes());
  return need;
}

// What is taken by one after the other: the larger of both, in each place.
inline ScratchNeed either(const ScratchNeed& a, const ScratchNeed& b) {
  return {std::max(a.call, b.call), std::max(a.piece, b.piece), std::max(a.pieces, b.pieces)};
}
// What is taken beside the other by the kernel itself, before loops that take turns.
inline ScratchNeed both(const ScratchNeed& a, const ScratchNeed& b) {
  return {a.call + b.call, std::max(a.piece, b.piece), std::max(a.pieces, b.pieces)};
}

// Copies of all tensors, in numbers of so many bytes: for those that are rare, and take less.
template <int kBytes>
ScratchNeed copies_scratch(const Situation& s) {
  ScratchNeed need;
  for (const auto& blobs : {s.in, s.out})
    for (const Blob& b : blobs) need.take(b.size() * kBytes);
  return need;
}

}  // namespace heddle::ops
