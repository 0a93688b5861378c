// Binary operators: comparison and logic, 0 or 1 in the dtype of the operands.
#include "operator/elemwise/family.h"

namespace heddle::ops::binary_logic {
using namespace ew;

void define(OpTable& ops) {
  each_binary_logic([&]<class F>(F, const BinaryNames& names) {
    define_binary(ops, binary_kernels<F>(), names);
  });
}

}  // namespace heddle::ops::binary_logic
