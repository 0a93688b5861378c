// Which loops over tiles this machine has.
#include "operator/nn/winograd.h"

#define HEDDLE_LOOPS "operator/nn/winograd.inl.h"
#include "operator/simd/each_target.h"

namespace heddle::ops::nn {

const WinogradLoops& winograd_loops() {
  static const WinogradLoops l = [] {
    void (*const each[])(WinogradLoops&) = HEDDLE_EACH(winograd_loops);
    WinogradLoops of_machine{};
    each[simd::best_level() - 2](of_machine);
    return of_machine;
  }();
  return l;
}

}  // namespace heddle::ops::nn
