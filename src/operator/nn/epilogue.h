// What fused layers do with each element once it is computed: add one of another tensor, then
// limit it.
#pragma once
#include <cstring>

#include "heddle/op.h"

namespace heddle::ops::nn {

enum class Epilogue { kNone, kRelu, kClip };
struct Following {
  bool sum = false;
  Epilogue activation = Epilogue::kNone;
  float low = 0, high = 0;
};

// The parameters P of a layer, and of what follows it. The layer's inputs are data, weight and,
// unless no_bias, bias; then comes what is added.
template <class P>
struct Fused : P, Following {
  void fields(auto&& f) {
    P::fields(f);
    f("sum", sum, "Add `addend`, of the shape of the output.");
    f("activation", activation, "Then: nothing, relu, or clip to [low, high].")
        .names({"none", "relu", "clip"});
    f("low", low, "clip: smaller elements become this.");
    f("high", high, "clip: larger elements become this.");
  }
  int addend() const { return P::no_bias ? 2 : 3; }  // which input it is
};

template <class P>
void infer_addend(const Fused<P>& p, InferContext& c) {
  if (!p.sum) return;
  c.set_in(p.addend(), c.out(0));
  c.set_out(0, c.in(p.addend()));
}
template <class P>
std::vector<std::pair<int, int>> inplace_addend(const Fused<P>& p) {
  if (!p.sum) return {};
  return {{p.addend(), 0}};
}

// The limits of an element; infinite ones where there are none.
struct Limits {
  float low, high;
};
Limits limits_of(const Following& f);

// For kernels that do it once y is computed, in a pass of its own: what to add, which is a copy
// where it lies in the memory of y, and the pass. in: of the layer.
template <class P>
Blob addend_beside(const Fused<P>& p, OpContext& ctx, Inputs in, const Blob& y) {
  if (!p.sum) return {};
  Blob addend = in[p.addend()];
  if (addend.data != y.data) return addend;
  void* const copy = ctx.scratch(size_t(addend.bytes()));
  std::memcpy(copy, addend.data, size_t(addend.bytes()));
  addend.data = copy;
  return addend;
}
// What such a kernel needs besides for the copy.
template <class P>
ScratchNeed beside_addend(const Fused<P>& p, ScratchNeed need, const Blob& y) {
  if (p.sum) need.call += y.bytes();
  return need;
}
void finish(const Following& f, const OpContext& ctx, const Blob& addend, const Blob& y);

}  // namespace heddle::ops::nn
