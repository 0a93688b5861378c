// A clock that costs as little as the machine allows, for the profiler.
#pragma once
#include <chrono>
#include <cstdint>

namespace heddle::engine {

class Ticks {
 public:
  // In an unknown unit; grows at a fixed rate, the same on all processors.
  static int64_t now() {
#if defined(__x86_64__)
    static const bool steady = has_steady_counter();
    if (steady) [[likely]]
      return static_cast<int64_t>(__builtin_ia32_rdtsc());
#endif
    return nanoseconds();
  }
  static int64_t nanoseconds() {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(
               std::chrono::steady_clock::now().time_since_epoch())
        .count();
  }

  // Turns ticks into nanoseconds of steady_clock. The longer ago it was made, the more exact it is
  // for all the time between; made once, before the first tick to convert.
  Ticks() : tick_(now()), at_(nanoseconds()) {}
  class Scale {
   public:
    int64_t operator()(int64_t tick) const {
      return at_ + static_cast<int64_t>(static_cast<double>(tick - tick_) * length_);
    }

   private:
    friend class Ticks;
    int64_t tick_ = 0, at_ = 0;
    double length_ = 1.0;  // of a tick
  };
  Scale scale() const {
    const int64_t tick = now(), at = nanoseconds();
    Scale s;
    s.tick_ = tick_;
    s.at_ = at_;
    s.length_ =
        tick > tick_ ? static_cast<double>(at - at_) / static_cast<double>(tick - tick_) : 1.0;
    return s;
  }

 private:
  // Does the processor's counter run at one rate, whatever the processor does?
  static bool has_steady_counter() {
#if defined(__x86_64__)
    auto cpuid = [](uint32_t leaf, uint32_t* d) {
      uint32_t a = leaf, b, c = 0;
      asm volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(*d));
      return a;
    };
    uint32_t features = 0;
    if (cpuid(0x80000000u, &features) < 0x80000007u) return false;
    cpuid(0x80000007u, &features);
    return (features >> 8) & 1;
#else
    return false;
#endif
  }
  int64_t tick_, at_;
};

}  // namespace heddle::engine
