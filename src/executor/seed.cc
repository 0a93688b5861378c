// Seeds for random operators: one stream of numbers per device.
#include "executor/seed.h"

#include <map>
#include <mutex>
#include <utility>

#include "heddle/imperative.h"

namespace heddle {

namespace seeds {

struct Stream {
  uint64_t start = 0;
  uint64_t drawn = 0;
};
struct State {
  std::mutex mutex;
  uint64_t all = 0;  // 0 at the start: runs repeat without being told to
  std::map<std::pair<int, int>, Stream> streams;
};

State& state() {
  static auto* s = new State;  // never destroyed: workers may still draw at exit
  return *s;
}

thread_local SeedsAgain* drawn_before = nullptr;

// The finaliser of SplitMix64: neighbouring numbers give unrelated ones.
uint64_t mix(uint64_t z) {
  z += 0x9e3779b97f4a7c15ull;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
  return z ^ (z >> 31);
}

}  // namespace seeds

SeedsAgain::SeedsAgain(std::span<const uint64_t> seeds)
    : seeds_(seeds), before_(std::exchange(seeds::drawn_before, this)) {}
SeedsAgain::~SeedsAgain() { seeds::drawn_before = before_; }

uint64_t SeedsAgain::next() {
  check(at_ < seeds_.size(), "[CachedOp] draws more random numbers than before");
  return seeds_[at_++];
}

void seed(uint64_t value) {
  auto& s = seeds::state();
  std::lock_guard lock(s.mutex);
  s.all = value;
  s.streams.clear();
}

void seed(uint64_t value, Device device) {
  auto& s = seeds::state();
  std::lock_guard lock(s.mutex);
  s.streams[{device.kind, device.id}] = {seeds::mix(value), 0};
}

uint64_t next_seed(Device device) {
  if (seeds::drawn_before) return seeds::drawn_before->next();
  auto& s = seeds::state();
  std::lock_guard lock(s.mutex);
  auto [it, made] = s.streams.try_emplace({device.kind, device.id});
  if (made) {
    const uint64_t own = uint64_t(device.kind) << 32 | uint32_t(device.id);
    it->second.start = seeds::mix(seeds::mix(s.all) ^ own);
  }
  return seeds::mix(it->second.start + it->second.drawn++);
}

}  // namespace heddle
