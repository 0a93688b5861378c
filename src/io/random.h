// Random numbers of iterators: of one sample, or of the order of all.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

namespace heddle::io {

// What one sample draws depends on the seed and on its number alone, not on threads.
// SplitMix64: Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014.
class Random {
 public:
  Random(uint64_t seed, uint64_t number) : state_(seed * 0x9E3779B97F4A7C15u ^ ~number) { next(); }
  uint64_t next() {
    uint64_t z = state_ += 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
  }
  float uniform() { return float(next() >> 40) * 0x1p-24f; }  // [0, 1)
  float uniform(float lo, float hi) { return lo + (hi - lo) * uniform(); }
  float around(float reach) { return uniform(-reach, reach); }
  int64_t integer(int64_t lo, int64_t hi) {  // both included
    return lo + int64_t(next() % uint64_t(hi - lo + 1));
  }
  bool flip() { return next() >> 63; }
  float normal() {  // Box and Muller
    const float r = std::sqrt(-2 * std::log(1 - uniform()));
    return r * std::cos(6.2831853f * uniform());
  }

 private:
  uint64_t state_;
};

// The order in which MXNet puts things with this generator: each swaps with one before it or
// itself.
template <class T>
void shuffle(std::vector<T>& v, std::mt19937& random) {
  for (size_t i = 1; i < v.size(); ++i)
    std::swap(v[i], v[std::uniform_int_distribution<size_t>(0, i)(random)]);
}

// A generator that goes back to where a pass began.
class PassRandom {
 public:
  explicit PassRandom(uint32_t seed) : random_(seed) {}
  std::mt19937& start(int64_t pass) {
    for (const auto& [number, state] : begun_)
      if (number == pass) return random_ = state;
    if (begun_.size() == kKept) begun_.erase(begun_.begin());
    begun_.emplace_back(pass, random_);
    return random_;
  }
  std::mt19937& get() { return random_; }

 private:
  static constexpr size_t kKept = 16;
  std::mt19937 random_;
  std::vector<std::pair<int64_t, std::mt19937>> begun_;
};

}  // namespace heddle::io
