// Which loops over panels this machine has.
#include "operator/nn/panels.h"

#define HEDDLE_LOOPS "operator/nn/panels.inl.h"
#include "operator/simd/each_target.h"

namespace heddle::ops::nn {

const Panels& panels() {
  static const Panels p = [] {
    void (*const each[])(Panels&) = HEDDLE_EACH(step_panels);
    Panels of_machine{};
    each[simd::best_level() - 2](of_machine);
    return of_machine;
  }();
  return p;
}

}  // namespace heddle::ops::nn
