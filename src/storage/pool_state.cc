// One pool: a block comes from the thread's cache, else from the shared bins, else from the device.
#include "storage/pool_state.h"

#include <algorithm>
#include <utility>

#include "base/settings.h"

namespace heddle::storage {
namespace pool_state {

constexpr int64_t kIdleAllowance = int64_t{64} << 20;
constexpr int64_t kUncounted = int64_t{64} << 10;  // bytes a thread may keep to itself

// The calling thread's caches, by slot. Trivial, so that arrays freed late in the life of a thread
// or of the process still find it; few bytes, so that they may have a fixed place in the thread.
[[gnu::tls_model("initial-exec")]] constinit thread_local ThreadCache* t_caches[kCachedPools] = {};
constinit thread_local bool t_ended = false;

// Gives the caches back when the thread ends.
struct Reaper {
  PoolState* pools[kCachedPools] = {};
  ~Reaper() {
    t_ended = true;
    for (int i = 0; i < kCachedPools; ++i)
      if (ThreadCache* cache = std::exchange(t_caches[i], nullptr)) pools[i]->retire(cache);
  }
};
thread_local Reaper t_reaper;

}  // namespace pool_state

PoolState::PoolState(Device device, int slot)
    : device_(device), api_(device_api(device)), slot_(slot), keep_(setting_flag("HEDDLE_POOL")) {}

inline ThreadCache* PoolState::thread_cache() {
  if (slot_ < 0) return nullptr;
  ThreadCache* cache = pool_state::t_caches[slot_];
  if (!cache) [[unlikely]]
    return make_thread_cache();
  if (cache->epoch.get() != epoch_.load(std::memory_order_relaxed)) [[unlikely]]
    empty(*cache);
  return cache;
}

ThreadCache* PoolState::make_thread_cache() {
  if (pool_state::t_ended || !keep_) return nullptr;
  auto* cache = new ThreadCache;
  cache->epoch.set(epoch_.load());
  {
    std::lock_guard lock(caches_mutex_);
    cache->next = std::exchange(caches_, cache);
  }
  pool_state::t_reaper.pools[slot_] = this;
  return pool_state::t_caches[slot_] = cache;
}

// A thread counts small changes by itself and adds them up now and then.
inline void PoolState::count(int64_t bytes, ThreadCache* cache) {
  if (!cache) return raise_peak(live_.fetch_add(bytes, std::memory_order_relaxed) + bytes);
  const int64_t now = cache->live.get() + bytes;
  cache->live.set(now);
  if (now > cache->peak.get()) cache->peak.set(now);
  if (now > pool_state::kUncounted || now < -pool_state::kUncounted) publish(*cache);
}

Memory PoolState::allocate(size_t bytes) {
  check(bytes <= kLargest, "[{}] found a request for {} bytes, expected at most {}", device_, bytes,
        kLargest);
  ThreadCache* cache = thread_cache();
  void* block = nullptr;
  if (bytes > 0) {
    const int c = class_of(bytes);
    if (cache && c < kSmallClasses) block = cache->take(c);
    if (!block) block = take(c, bytes, cache);
  }
  if (cache) cache->allocations.set(cache->allocations.get() + 1);
  else allocations_.fetch_add(1, std::memory_order_relaxed);
  count(int64_t(bytes), cache);
  return {block, bytes, device_};
}

void PoolState::free(const Memory& memory, EventRef after) {
  if (!memory.data) return;
  const int c = class_of(memory.bytes);
  ThreadCache* cache = thread_cache();
  count(-int64_t(memory.bytes), cache);
  if (after && !after->done()) {
    if (keep_) return bins_.put_after(c, memory.data, std::move(after));
    after->wait();
  }
  if (keep_) keep(c, memory.data, cache);
  else give_back(c, memory.data);
}

void* PoolState::take(int c, size_t bytes, ThreadCache* cache) {
  if (!keep_) return from_device(c, bytes);
  void* blocks[kBinSlots];
  const bool small = cache && c < kSmallClasses;
  const int found = bins_.take(c, blocks, small ? (kBinCapacity[c] + 1) / 2 : 1);
  if (found == 0) return from_device(c, bytes);
  for (int i = 1; i < found; ++i) keep(c, blocks[i], cache);
  return blocks[0];
}

void PoolState::keep(int c, void* block, ThreadCache* cache) {
  if (!cache || c >= kSmallClasses) return bins_.put(c, &block, 1);
  void* overflow[kBinSlots];
  if (const int moved = cache->put(c, block, overflow)) bins_.put(c, overflow, moved);
}

void* PoolState::try_device(int c) {
  try {
    return api_.allocate(device_, class_bytes(c));
  } catch (const Error&) {
    return nullptr;
  }
}

void* PoolState::from_device(int c, size_t bytes) {
  // Sizes that change from step to step must not pile up blocks that nobody asks for again.
  if (bins_.bytes() > std::max(peak_.load(std::memory_order_relaxed), pool_state::kIdleAllowance))
    release_cache();
  if (void* block = try_device(c)) return block;
  bins_.wait_for_device();
  release_cache();
  if (void* block = try_device(c)) return block;
  const MemoryStats s = stats();
  throw Error(format("[{}] is out of memory: {} bytes asked for, {} live, {} cached", device_,
                     bytes, s.live, s.cached));
}

void PoolState::empty(ThreadCache& cache) {
  cache.epoch.set(epoch_.load());
  for (int c = 0; c < kSmallClasses; ++c) {
    ThreadCache::Bin& bin = cache.bins[c];
    if (const int count = bin.count.get()) bins_.put(c, bin.slots, count);
    bin.count.set(0);
  }
}

void PoolState::release_cache() {
  epoch_.fetch_add(1);
  thread_cache();  // which empties it
  bins_.drain([&](int c, void* block) { give_back(c, block); });
}

// --- counters ------------------------------------------------------------------------------------
// A thread counts small changes by itself and adds them up now and then. The peak is exact for one
// thread, and for several to within kUncounted each.

void PoolState::raise_peak(int64_t live) {
  int64_t top = peak_.load(std::memory_order_relaxed);
  while (live > top && !peak_.compare_exchange_weak(top, live, std::memory_order_relaxed)) {
  }
}

void PoolState::publish(ThreadCache& cache) {
  const int64_t now = cache.live.get();
  const int64_t before = live_.fetch_add(now, std::memory_order_relaxed);
  raise_peak(before + std::max(now, cache.peak.get()));
  cache.live.set(0);
  cache.peak.set(0);
}

MemoryStats PoolState::stats() {
  std::lock_guard lock(caches_mutex_);
  MemoryStats s;
  const int64_t counted = live_.load();
  s.live = counted;
  s.cached = bins_.bytes();
  s.allocations = allocations_.load();
  for (ThreadCache* cache = caches_; cache; cache = cache->next) {
    s.live += cache->live.get();
    s.allocations += cache->allocations.get();
    raise_peak(counted + cache->peak.get());
    for (int c = 0; c < kSmallClasses; ++c)
      s.cached += int64_t(class_bytes(c)) * cache->bins[c].count.get();
  }
  raise_peak(s.live);
  s.peak_live = peak_.load();
  return s;
}

void PoolState::reset_peak() {
  std::lock_guard lock(caches_mutex_);
  int64_t live = live_.load();
  for (ThreadCache* cache = caches_; cache; cache = cache->next) {
    live += cache->live.get();
    cache->peak.set(cache->live.get());
  }
  peak_.store(live);
}

// --- threads and processes -----------------------------------------------------------------------

void PoolState::retire(ThreadCache* cache) {
  empty(*cache);
  publish(*cache);
  allocations_.fetch_add(cache->allocations.get(), std::memory_order_relaxed);
  {
    std::lock_guard lock(caches_mutex_);
    ThreadCache** at = &caches_;
    while (*at != cache) at = &(*at)->next;
    *at = cache->next;
  }
  delete cache;
}

void PoolState::lock_all() {
  caches_mutex_.lock();
  bins_.mutex().lock();
}

void PoolState::unlock_all() {
  bins_.mutex().unlock();
  caches_mutex_.unlock();
}

}  // namespace heddle::storage
