// Conversions between the dtypes of memory and the types that loops compute in: float for float32,
// float16 and bfloat16; double for float64; int64 for integers and bool.
#pragma once
#include "heddle/base.h"

namespace heddle::ops::ew {

// n elements from memory of some dtype, and back. Vectorised at every level; float to integer
// rounds toward zero, anything but zero is true.
template <class C>
using Load = void (*)(const void* from, C* to, int64_t n);
template <class C>
using Store = void (*)(const C* from, void* to, int64_t n);

template <class C>
Load<C> load_of(Dtype d);
template <class C>
Load<C> truth_of(Dtype d);  // 1 where the element is not zero (NaN included), 0 elsewhere
template <class C>
Store<C> store_of(Dtype d);

extern template Load<float> load_of<float>(Dtype);
extern template Load<double> load_of<double>(Dtype);
extern template Load<int64_t> load_of<int64_t>(Dtype);
extern template Load<float> truth_of<float>(Dtype);
extern template Load<double> truth_of<double>(Dtype);
extern template Load<int64_t> truth_of<int64_t>(Dtype);
extern template Store<float> store_of<float>(Dtype);
extern template Store<double> store_of<double>(Dtype);
extern template Store<int64_t> store_of<int64_t>(Dtype);

// Elements that a loop takes at a time when it cannot work on memory directly.
inline constexpr int64_t kTile = 512;
// Elements per piece of a parallel loop. A multiple of kTile.
inline constexpr int64_t kGrain = 32768;

}  // namespace heddle::ops::ew
