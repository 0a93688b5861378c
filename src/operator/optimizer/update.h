// Update rules over whole tensors, for the operators of one weight and of many.
#pragma once
#include <span>

#include "heddle/op.h"

namespace heddle::ops::opt {

// in: weight, gradient, states. The new weight goes to `out`, which may be the old one; states are
// changed in place. Computes in float64 where `out` has it, else in float32. The rule is one of
// those that update.cc names.
template <class R>
void apply(const R& rule, const OpContext& ctx, std::span<const Blob> in, const Blob& out);

}  // namespace heddle::ops::opt
