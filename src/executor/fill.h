// Zeros for arrays that nobody has written yet.
#pragma once
#include "heddle/ndarray.h"

namespace heddle {

void fill_zero(const NDArray& a);  // asynchronous, any device

}  // namespace heddle
