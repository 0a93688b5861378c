// What one pool holds: the device, its free blocks, its counters, and every thread's cache of it.
#pragma once
#include <atomic>
#include <mutex>

#include "heddle/storage.h"
#include "storage/shared_bins.h"
#include "storage/thread_cache.h"

namespace heddle::storage {

constexpr int kCachedPools = 8;  // the first pools made; threads keep caches of these only

class PoolState {
 public:
  PoolState(Device device, int slot);

  Memory allocate(size_t bytes);
  void free(const Memory& memory, EventRef after);
  void release_cache();
  MemoryStats stats();
  void reset_peak();

  void retire(ThreadCache* cache);  // of a thread that ends
  void lock_all();                  // around fork(), so that the child finds no lock taken
  void unlock_all();

 private:
  ThreadCache* thread_cache();  // of the calling thread; null when it has none of this pool
  ThreadCache* make_thread_cache();
  void* take(int c, size_t bytes, ThreadCache* cache);
  void keep(int c, void* block, ThreadCache* cache);
  void* from_device(int c, size_t bytes);
  void* try_device(int c);
  void give_back(int c, void* block) { api_.free(device_, block, class_bytes(c)); }
  void empty(ThreadCache& cache);  // into the shared bins
  void count(int64_t bytes, ThreadCache* cache);
  void publish(ThreadCache& cache);
  void raise_peak(int64_t live);

  const Device device_;
  DeviceApi& api_;
  const int slot_;   // index of this pool's cache in each thread; -1: none
  const bool keep_;  // HEDDLE_POOL
  SharedBins bins_;
  // What the threads' caches have not counted themselves.
  std::atomic<int64_t> live_{0}, peak_{0}, allocations_{0};
  std::atomic<uint32_t> epoch_{0};
  std::mutex caches_mutex_;
  ThreadCache* caches_ = nullptr;
};

}  // namespace heddle::storage
