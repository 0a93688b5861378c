// The loops of loops.inl.h for a formula F, as a table for map(). F::f takes one to four values of
// one type; F::exact says that it also works on integers as they are.
#pragma once
#include <concepts>
#include <cstdint>
#include <cstring>

#include "operator/elemwise/map.h"
#include "operator/elemwise/scalar.h"

namespace heddle::ops::ew {

// Formulas that loops over floats call with numbers of type Usual first, and how many elements they
// then look through for NaN at once.
template <class F>
concept Usually = F::usual;
inline constexpr int64_t kLooked = 64;

}  // namespace heddle::ops::ew

#define HEDDLE_LOOPS "operator/elemwise/loops.inl.h"
#include "operator/simd/each_target.h"

namespace heddle::ops::ew {

template <class F>
concept Exact = requires {
  F::exact;
};

template <class F, class T>
constexpr void set_loops(Loop<T> (&to)[3]) {
  auto set = [&](const Loop<T>(&loops)[3]) {
    for (int i = 0; i < 3; ++i) to[i] = loops[i];
  };
  if constexpr (requires { F::f(T()); }) set(HEDDLE_EACH(map1<F, T>));
  else if constexpr (requires { F::f(T(), T()); }) set(HEDDLE_EACH(map2<F, T>));
  else if constexpr (requires { F::f(T(), T(), T()); }) set(HEDDLE_EACH(map3<F, T>));
  else set(HEDDLE_EACH(map4<F, T>));
}
template <class F>
constexpr MapLoops make_loops() {
  MapLoops loops{};
  set_loops<F>(loops.f32);
  set_loops<F>(loops.f64);
  if constexpr (Exact<F>) set_loops<F>(loops.i64);
  return loops;
}
template <class F>
inline constexpr MapLoops kLoops = make_loops<F>();

}  // namespace heddle::ops::ew
