// What the processor can do at most: multiply-adds in registers, and reading memory. Two uses:
//   bench_limits [THREADS]                  a table
//   bench_limits --serve [THREADS]          answers "fma SECONDS" with FLOP/s and "read BYTES
//   SECONDS" with bytes/s, line
//                                           by line, so that a benchmark can ask between its own
//                                           windows
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

namespace heddle::bench {

using Clock = std::chrono::steady_clock;

// Sixteen floats: one register or several, as the instruction set has it.
typedef float Lanes __attribute__((vector_size(64), aligned(64)));
constexpr int kLanes = 16;

// Chains of multiply-adds that do not wait for each other: more than latency times throughput of
// any processor, and not more than there are registers.
template <int Chains>
inline __attribute__((always_inline)) float multiply_add(long rounds) {
  constexpr int kUnroll = 16;
  Lanes sums[Chains], factor, term;
  for (int lane = 0; lane < kLanes; ++lane) factor[lane] = 0.999f, term[lane] = 1e-3f;
  for (int i = 0; i < Chains; ++i) sums[i] = factor + float(i);
  for (long r = 0; r < rounds; ++r)
    for (int u = 0; u < kUnroll; ++u)
      for (int i = 0; i < Chains; ++i) sums[i] = sums[i] * factor + term;
  Lanes total = sums[0];
  for (int i = 1; i < Chains; ++i) total += sums[i];
  return total[0] + total[kLanes - 1];
}

inline __attribute__((always_inline)) float add_up(const float* from, size_t count) {
  Lanes sums[4] = {};
  for (size_t i = 0; i + 4 * kLanes <= count; i += 4 * kLanes)
    for (int k = 0; k < 4; ++k)
      sums[k] += *reinterpret_cast<const Lanes*>(from + i + size_t(k) * kLanes);
  const Lanes total = (sums[0] + sums[1]) + (sums[2] + sums[3]);
  return total[0] + total[kLanes - 1];
}

// A way to compute: what a round of `multiply_add` does, and the two loops.
struct Level {
  const char* name;
  double flops_a_round;
  float (*multiply_add)(long rounds);
  float (*add_up)(const float* from, size_t count);
};

constexpr double flops(int chains) { return 2.0 * 16 * chains * kLanes; }

// A Lanes is four registers of 128 bits, two of 256 or one of 512.
float multiply_add_plain(long rounds) { return multiply_add<3>(rounds); }
float add_up_plain(const float* from, size_t count) { return add_up(from, count); }

#if defined(__x86_64__)
__attribute__((target("avx2,fma"))) float multiply_add_avx2(long rounds) {
  return multiply_add<6>(rounds);
}
__attribute__((target("avx2,fma"))) float add_up_avx2(const float* from, size_t count) {
  return add_up(from, count);
}
__attribute__((target("avx512f,fma"))) float multiply_add_avx512(long rounds) {
  return multiply_add<12>(rounds);
}
__attribute__((target("avx512f,fma"))) float add_up_avx512(const float* from, size_t count) {
  return add_up(from, count);
}
#endif

Level level() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f"))
    return {"avx512", flops(12), multiply_add_avx512, add_up_avx512};
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    return {"avx2", flops(6), multiply_add_avx2, add_up_avx2};
#endif
  return {"plain", flops(3), multiply_add_plain, add_up_plain};
}

std::atomic<float> g_sink{0};  // what is computed is wanted, as far as the compiler knows

// The rate of all threads together: each repeats `work`, which says how much it did, for at least
// so many seconds.
double rate(int threads, double seconds, const std::function<double(int thread)>& work) {
  std::atomic<int> ready{0};
  std::vector<double> rates(size_t(threads), 0.0);
  const auto run = [&](int thread) {
    work(thread);  // warm
    ++ready;
    while (ready < threads) std::this_thread::yield();
    const auto begin = Clock::now();
    double done = 0, passed = 0;
    while (passed < seconds) {
      done += work(thread);
      passed = std::chrono::duration<double>(Clock::now() - begin).count();
    }
    rates[size_t(thread)] = done / passed;
  };
  std::vector<std::thread> others;
  for (int t = 1; t < threads; ++t) others.emplace_back(run, t);
  run(0);
  for (auto& other : others) other.join();
  double total = 0;
  for (const double r : rates) total += r;
  return total;
}

double fma_rate(const Level& level, int threads, double seconds) {
  constexpr long kRounds = 20000;
  return rate(threads, seconds, [&](int) {
    g_sink = level.multiply_add(kRounds);
    return level.flops_a_round * kRounds;
  });
}

// Reads a working set of so many bytes again and again, each thread its own part.
double read_rate(const Level& level, int threads, size_t bytes, double seconds) {
  const size_t part = std::max<size_t>(bytes / size_t(threads) / 256 * 64,
                                       64);  // floats, whole strides of the loop
  const size_t repeats =
      std::max<size_t>(1, (size_t{1} << 18) / part);  // short parts: fewer looks at the clock
  struct Free {
    void operator()(float* p) const { std::free(p); }
  };
  std::unique_ptr<float, Free> memory(static_cast<float*>(
      std::aligned_alloc(4096, (part * 4 * size_t(threads) + 4095) / 4096 * 4096)));
  std::fill_n(memory.get(), part * size_t(threads), 1.0f);
  return rate(threads, seconds, [&](int thread) {
    for (size_t r = 0; r < repeats; ++r)
      g_sink = level.add_up(memory.get() + part * size_t(thread), part);
    return double(part * 4 * repeats);
  });
}

void serve(const Level& level, int threads) {
  char line[256], what[32];
  while (std::fgets(line, sizeof line, stdin)) {
    size_t bytes = 0;
    double seconds = 0, found = 0;
    if (std::sscanf(line, "fma %lf", &seconds) == 1) {
      found = fma_rate(level, threads, seconds);
    } else if (std::sscanf(line, "read %zu %lf", &bytes, &seconds) == 2) {
      found = read_rate(level, threads, bytes, seconds);
    } else {
      std::sscanf(line, "%31s", what);
      std::fprintf(
          stderr,
          "bench_limits: '%s' is not known, expected 'fma SECONDS' or 'read BYTES SECONDS'\n",
          what);
      std::exit(2);
    }
    std::printf("%.0f\n", found);
    std::fflush(stdout);
  }
}

}  // namespace heddle::bench

int main(int argc, char** argv) {
  using namespace heddle::bench;
  const bool serving = argc > 1 && !std::strcmp(argv[1], "--serve");
  const int at = serving ? 2 : 1;
  const int threads =
      std::max(1, argc > at ? std::atoi(argv[at]) : int(std::thread::hardware_concurrency()));
  const Level best = level();
  if (serving) {
    serve(best, threads);
    return 0;
  }
  for (const int t : {1, threads})
    std::printf("%s, %d threads: %.0f GFLOP/s\n", best.name, t, fma_rate(best, t, 0.2) * 1e-9);
  for (const size_t kib : {32, 256, 1024, 4096, 16384, 65536, 262144})
    std::printf("read %zu KiB again and again, %d threads: %.0f GB/s\n", kib, threads,
                read_rate(best, threads, kib * 1024, 0.2) * 1e-9);
}
