// The loops of loops.inl.h for a formula F, as a table for map(). F::f takes one to three values of
// one type; F::exact says that it also works on integers as they are.
#pragma once
#include <cstdint>

#include "operator/elemwise/map.h"
#include "operator/elemwise/scalar.h"

#define HEDDLE_LOOPS "operator/elemwise/loops.inl.h"
#include "operator/simd/each_target.h"

namespace heddle::ops::ew {

template <class F>
concept Takes1 = requires {
  F::f(1.f);
};
template <class F>
concept Takes2 = requires {
  F::f(1.f, 1.f);
};
template <class F>
concept Exact = requires {
  F::exact;
};

template <class F>
constexpr MapLoops make_loops() {
  if constexpr (Takes1<F> && Exact<F>) {
    return {HEDDLE_EACH(map1<F, float>), HEDDLE_EACH(map1<F, double>),
            HEDDLE_EACH(map1<F, int64_t>)};
  } else if constexpr (Takes1<F>) {
    return {HEDDLE_EACH(map1<F, float>), HEDDLE_EACH(map1<F, double>), {}};
  } else if constexpr (Takes2<F> && Exact<F>) {
    return {HEDDLE_EACH(map2<F, float>), HEDDLE_EACH(map2<F, double>),
            HEDDLE_EACH(map2<F, int64_t>)};
  } else if constexpr (Takes2<F>) {
    return {HEDDLE_EACH(map2<F, float>), HEDDLE_EACH(map2<F, double>), {}};
  } else if constexpr (Exact<F>) {
    return {HEDDLE_EACH(map3<F, float>), HEDDLE_EACH(map3<F, double>),
            HEDDLE_EACH(map3<F, int64_t>)};
  } else {
    return {HEDDLE_EACH(map3<F, float>), HEDDLE_EACH(map3<F, double>), {}};
  }
}
template <class F>
inline constexpr MapLoops kLoops = make_loops<F>();

}  // namespace heddle::ops::ew
