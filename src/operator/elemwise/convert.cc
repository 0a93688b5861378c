// The table of conversion loops.
#include "operator/elemwise/convert.h"

#include <limits>

#include "operator/elemwise/scalar.h"

#define HEDDLE_LOOPS "operator/elemwise/convert.inl.h"
#include "operator/simd/each_target.h"

namespace heddle::ops::ew {

template <class C>
Load<C> load_of(Dtype d) {
  Load<C> found = nullptr;
  with_dtype(d, "convert", [&]<class T>(T) { found = HEDDLE_PICK(load_all<C, T>); });
  return found;
}

template <class C>
Load<C> truth_of(Dtype d) {
  Load<C> found = nullptr;
  with_dtype(d, "convert", [&]<class T>(T) { found = HEDDLE_PICK(truth<C, T>); });
  return found;
}

template <class C>
Store<C> store_of(Dtype d) {
  Store<C> found = nullptr;
  with_dtype(d, "convert", [&]<class T>(T) { found = HEDDLE_PICK(store_all<C, T>); });
  return found;
}

template Load<float> load_of<float>(Dtype);
template Load<double> load_of<double>(Dtype);
template Load<int64_t> load_of<int64_t>(Dtype);
template Load<float> truth_of<float>(Dtype);
template Load<double> truth_of<double>(Dtype);
template Load<int64_t> truth_of<int64_t>(Dtype);
template Store<float> store_of<float>(Dtype);
template Store<double> store_of<double>(Dtype);
template Store<int64_t> store_of<int64_t>(Dtype);

}  // namespace heddle::ops::ew
