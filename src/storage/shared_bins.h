// Free blocks of one pool, by size class, for all threads.
#pragma once
#include <mutex>
#include <vector>

#include "heddle/device.h"
#include "storage/size_class.h"

namespace heddle::storage {

class SharedBins {
 public:
  // Up to `most` blocks of class `c` into `blocks`; returns how many.
  int take(int c, void** blocks, int most);
  void put(int c, void* const* blocks, int count);
  // A block that is free once the device has reached `after`.
  void put_after(int c, void* block, EventRef after);
  // Takes every free block out, calling give(c, block) on each.
  template <class Give>
  void drain(Give&& give);
  // Blocks the caller until all blocks of put_after() are free.
  void wait_for_device();
  int64_t bytes();

  std::mutex& mutex() { return mutex_; }  // for fork

 private:
  struct Waiting {
    int size_class;
    void* block;
    EventRef after;
  };
  void collect();  // moves blocks whose event has passed into their bin; the lock is held

  std::mutex mutex_;
  std::vector<void*> bins_[kClasses];
  std::vector<Waiting> waiting_;
  int64_t bytes_ = 0;  // in bins_ and waiting_
};

template <class Give>
void SharedBins::drain(Give&& give) {
  std::vector<std::pair<int, void*>> all;
  {
    std::lock_guard lock(mutex_);
    collect();
    for (int c = 0; c < kClasses; ++c) {
      for (void* block : bins_[c]) all.emplace_back(c, block);
      bytes_ -= int64_t(bins_[c].size() * class_bytes(c));
      bins_[c].clear();
    }
  }
  for (auto [c, block] : all) give(c, block);
}

}  // namespace heddle::storage
