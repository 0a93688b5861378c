// The entry point of libheddle_cuda: finds the cards and adds the kernels of every file named in
// all_cuda.def to the table of operators.
#include "device/cuda.h"
#include "heddle/op.h"

namespace heddle {

#define HEDDLE_OPS(stem) \
  namespace ops::stem {  \
  void define(OpTable&); \
  }
#include "operator/all_cuda.def"
#undef HEDDLE_OPS

namespace all_cuda {

void define(OpTable& ops) {
#define HEDDLE_OPS(stem) \
  ops.in_file(#stem);    \
  ops::stem::define(ops);
#include "operator/all_cuda.def"
#undef HEDDLE_OPS
}

}  // namespace all_cuda
}  // namespace heddle

// Called once by libheddle, when the first gpu(i) is used. Throws heddle::Error.
extern "C" void heddle_cuda_register() {
  const int cards = heddle::cuda::find_cards();
  heddle::all_cuda::define(heddle::OpTable::get());
  heddle::cuda::offer_cards(cards);
}
