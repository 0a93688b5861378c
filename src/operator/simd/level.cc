// Finds the instruction-set level of the machine once, and keeps the level in use.
#include "operator/simd/level.h"

#include "base/settings.h"
#include "heddle/base.h"

namespace heddle::ops::simd {

std::atomic<int> last{0};
std::atomic<int> current{0};  // 0: not chosen yet

int machine_level() {
#if HEDDLE_LEVELS >= 3
  __builtin_cpu_init();
  const bool v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                  __builtin_cpu_supports("bmi2");
  const bool v4 = v3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                  __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
                  __builtin_cpu_supports("avx512vl");
  return v4 && HEDDLE_LEVELS >= 4 ? 4 : v3 ? 3 : 2;
#else
  return 2;
#endif
}

int best_level() {
  static const int best = [] {
    const int machine = machine_level();
    const std::string asked = setting("HEDDLE_ISA_LEVEL");  // "v2", "v3", "v4" or empty
    return asked.empty() ? machine : std::min(machine, asked.back() - '0');
  }();
  return best;
}

int level() {
  const int now = current.load(std::memory_order_relaxed);
  return now ? now : best_level();
}

void set_level(int level) {
  check(level == 0 || (level >= 2 && level <= best_level()),
        "[simd] level is {}, expected 2 to {} on this machine, or 0 for the best", level,
        best_level());
  current.store(level, std::memory_order_relaxed);
}

}  // namespace heddle::ops::simd
