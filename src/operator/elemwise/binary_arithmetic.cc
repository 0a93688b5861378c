// Binary operators: sum, difference, product, quotient.
#include "operator/elemwise/family.h"

namespace heddle::ops::binary_arithmetic {
using namespace ew;

void define(OpTable& ops) {
  each_binary_arithmetic([&]<class F>(F, const BinaryNames& names) {
    define_binary(ops, binary_kernels<F>(), names);
  });
}

}  // namespace heddle::ops::binary_arithmetic
