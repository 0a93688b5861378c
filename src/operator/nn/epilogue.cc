// What fused layers do with each element, as a pass of its own.
#include "operator/nn/epilogue.h"

#include <limits>

#include "operator/elemwise/loops.h"

namespace heddle::ops::nn {

struct SumWithin {
  HEDDLE_HD static auto f(auto x, auto addend, auto low, auto high) {  // a NaN stays
    const auto y = x + addend;
    return ew::select(y > high, high, ew::select(y < low, low, y));
  }
};

Limits limits_of(const Following& f) {
  constexpr float kInf = std::numeric_limits<float>::infinity();
  if (f.activation == Epilogue::kClip) return {f.low, f.high};
  return {f.activation == Epilogue::kRelu ? 0 : -kInf, kInf};
}

void finish(const Following& f, const OpContext& ctx, const Blob& addend, const Blob& y) {
  if (!f.sum && f.activation == Epilogue::kNone) return;
  const Limits limits = limits_of(f);
  ew::map(
      ctx, ew::kLoops<SumWithin>,
      {y, f.sum ? ew::Operand(addend) : ew::Operand(0.0), double(limits.low), double(limits.high)},
      y);
}

}  // namespace heddle::ops::nn
