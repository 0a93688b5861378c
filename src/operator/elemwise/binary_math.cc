// Binary operators: power, remainder, hypotenuse, extremes.
#include "operator/elemwise/family.h"

namespace heddle::ops::binary_math {
using namespace ew;

void define(OpTable& ops) {
  each_binary_math([&]<class F>(F, const BinaryNames& names) {
    define_binary(ops, binary_kernels<F>(), names);
  });
}

}  // namespace heddle::ops::binary_math
