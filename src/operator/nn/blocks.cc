// Which loops over blocks of channels this machine has.
#include "operator/nn/blocks.h"

#define HEDDLE_LOOPS "operator/nn/blocks.inl.h"
#include "operator/simd/each_target.h"

namespace heddle::ops::nn {

const BlockLoops& block_loops() {
  static const BlockLoops l = [] {
    void (*const each[])(BlockLoops&) = HEDDLE_EACH(block_loops);
    BlockLoops of_machine{};
    each[simd::best_level() - 2](of_machine);
    return of_machine;
  }();
  return l;
}

}  // namespace heddle::ops::nn
