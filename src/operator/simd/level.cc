// Finds the instruction-set level of the machine once, and keeps the level in use.
#include "operator/simd/level.h"

#include "base/settings.h"
#include "heddle/base.h"

#if HEDDLE_LEVELS >= 3
#include <cpuid.h>
#endif

namespace heddle::ops::simd {

std::atomic<int> last{0};
std::atomic<int> current{0};  // 0: not chosen yet

// The processor itself is asked: what compilers offer for this knows every processor by name, and
// is larger than many a loop.
int machine_level() {
#if HEDDLE_LEVELS >= 3
  unsigned a = 0, b = 0, c = 0, d = 0;
  const auto has = [](unsigned found, unsigned bits) { return (found & bits) == bits; };
  if (!__get_cpuid(1, &a, &b, &c, &d) || !has(c, bit_OSXSAVE | bit_AVX | bit_FMA)) return 2;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !has(b, bit_AVX2 | bit_BMI2)) return 2;
  constexpr unsigned kRegisters256 = 0x06, kRegisters512 = 0xe6;  // that the system keeps
  unsigned kept = 0;
  asm("xgetbv" : "=a"(kept), "=d"(d) : "c"(0));
  if (!has(kept, kRegisters256)) return 2;
  const bool v4 = has(b, bit_AVX512F | bit_AVX512BW | bit_AVX512CD | bit_AVX512DQ | bit_AVX512VL) &&
                  has(kept, kRegisters512);
  return v4 && HEDDLE_LEVELS >= 4 ? 4 : 3;
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
