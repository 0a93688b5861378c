// A thread's own stock of small blocks of one pool, with its share of the counters: the usual call
// takes no lock and does no atomic read-modify-write.
//
// Only the owning thread writes; statistics read the counters from other threads.
#pragma once
#include <array>
#include <atomic>
#include <cstdint>

#include "storage/size_class.h"

namespace heddle::storage {

constexpr size_t kSmall = size_t{64} << 10;  // larger blocks go to the shared bins
constexpr int kSmallClasses = class_of(kSmall) + 1;
constexpr int kBinSlots = 16;

// How many blocks of class `c` a thread keeps: at most 16, and few of the larger ones.
inline constexpr auto kBinCapacity = [] {
  std::array<uint8_t, kSmallClasses> capacity{};
  for (int c = 0; c < kSmallClasses; ++c) {
    const size_t fit = 2 * kSmall / class_bytes(c);
    capacity[c] = uint8_t(fit > kBinSlots ? kBinSlots : fit);
  }
  return capacity;
}();

// A number that one thread writes and others may read.
template <class T>
class Owned {
 public:
  T get() const { return value_.load(std::memory_order_relaxed); }
  void set(T v) { value_.store(v, std::memory_order_relaxed); }

 private:
  std::atomic<T> value_{0};
};

struct ThreadCache {
  struct Bin {
    Owned<int> count;
    void* slots[kBinSlots];
  };

  // A block of class `c`, or null.
  void* take(int c) {
    Bin& bin = bins[c];
    const int count = bin.count.get();
    if (count == 0) return nullptr;
    bin.count.set(count - 1);
    return bin.slots[count - 1];
  }
  // Keeps the block. When the bin is full, moves its older half to `overflow` and returns how many.
  int put(int c, void* block, void** overflow) {
    Bin& bin = bins[c];
    int count = bin.count.get(), moved = 0;
    if (count == kBinCapacity[c]) {
      moved = (count + 1) / 2;
      for (int i = 0; i < moved; ++i) overflow[i] = bin.slots[i];
      for (int i = moved; i < count; ++i) bin.slots[i - moved] = bin.slots[i];
      count -= moved;
    }
    bin.slots[count] = block;
    bin.count.set(count + 1);
    return moved;
  }

  Bin bins[kSmallClasses];
  Owned<int64_t> allocations;
  // Bytes handed out less bytes taken back since the counters were last added to the pool's, and
  // the most that this was.
  Owned<int64_t> live, peak;
  Owned<uint32_t> epoch;        // of the last PoolState::release_cache() that emptied it
  ThreadCache* next = nullptr;  // of the same pool
};

}  // namespace heddle::storage
