// A formula of reduce.h as a Reduction, with loops for each instruction-set level; and the two that
// other families ask for.
#pragma once
#include <cmath>

#include "operator/elemwise/reduce.h"
#include "operator/elemwise/reduction.h"

#define HEDDLE_LOOPS "operator/elemwise/reduction.inl.h"
#include "operator/simd/each_target.h"

namespace heddle::ops::ew {

template <class F, class T>
constexpr void set_loops(ReduceLoops<T> (&to)[3]) {
  constexpr decltype(ReduceLoops<T>::row) kRows[] = HEDDLE_EACH(reduce_row<F, T>);
  constexpr decltype(ReduceLoops<T>::columns) kColumns[] = HEDDLE_EACH(reduce_columns<F, T>);
  for (int i = 0; i < 3; ++i) to[i] = {kRows[i], kColumns[i], F::template init<T>()};
}

template <class F>
constexpr Reduction make_reduction(const Reduction* again) {
  Reduction r{};
  set_loops<F>(r.f32);
  set_loops<F>(r.f64);
  set_loops<F>(r.i64);
  r.real = {[](double a, double b) -> double { return F::merge(a, b); }, F::template init<double>(),
            nullptr};
  r.whole = {[](int64_t a, int64_t b) -> int64_t { return F::merge(a, b); },
             F::template init<int64_t>(), nullptr};
  r.again = again;
  return r;
}

constexpr Reduction kSum = make_reduction<Sum>(nullptr);
constexpr Reduction kMean = [] {
  Reduction r = make_reduction<Sum>(nullptr);
  r.real.finish = [](double acc, int64_t n) { return acc / double(n); };
  r.whole.finish = [](int64_t acc, int64_t n) { return n ? acc / n : 0; };
  return r;
}();

}  // namespace heddle::ops::ew
