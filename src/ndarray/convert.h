// Elements from one dtype to another, in host memory.
#pragma once
#include "heddle/base.h"

namespace heddle {

// Converts `n` elements. The ranges may be the same memory only when the dtypes are the same; then
// they may also overlap. To an integer: towards zero. To bool: whether it is not zero. Numbers that
// do not fit an integer give what the machine gives, as in MXNet.
void convert(void* dst, Dtype to, const void* src, Dtype from, int64_t n);

// What readers of a failed array get: NaN for floating types, zero for the others.
void fill_failed(void* dst, Dtype dtype, int64_t n);

}  // namespace heddle
