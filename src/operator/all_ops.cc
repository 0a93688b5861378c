// Calls the define() of every file named in all_ops.def, in its order. A product may pass another
// list.
#include "heddle/op.h"

#ifdef HEDDLE_HAS_ONEDNN
#define HEDDLE_OPS_ONEDNN(stem) HEDDLE_OPS(stem)
#else
#define HEDDLE_OPS_ONEDNN(stem)
#endif
#ifdef HEDDLE_HAS_BLAS
#define HEDDLE_OPS_BLAS(stem) HEDDLE_OPS(stem)
#else
#define HEDDLE_OPS_BLAS(stem)
#endif

namespace heddle {

#define HEDDLE_OPS(stem) \
  namespace ops::stem {  \
  void define(OpTable&); \
  }
#include "operator/all_ops.def"
#undef HEDDLE_OPS

void define_all_ops(OpTable& ops) {
  (void)ops;
#define HEDDLE_OPS(stem) \
  ops.in_file(#stem);    \
  ops::stem::define(ops);
#include "operator/all_ops.def"
#undef HEDDLE_OPS
}

}  // namespace heddle

#undef HEDDLE_OPS_ONEDNN
#undef HEDDLE_OPS_BLAS
