// The pools of the process, one per device.
#include <map>
#include <utility>

#include "device/scratch.h"
#include "device/system.h"
#include "heddle/storage.h"
#include "storage/pool_state.h"

namespace heddle {
namespace storage {

constexpr int kFastKinds = 8, kFastIds = 16;  // pools found without a lock

// Never destroyed: arrays may outlive main().
struct Directory {
  std::atomic<Pool*> fast[kFastKinds][kFastIds] = {};
  std::mutex mutex;  // guards what follows
  std::map<std::pair<int, int>, std::pair<Pool*, PoolState*>> all;
};
Directory& directory() {
  static Directory* const d = new Directory;
  return *d;
}

void before_fork() {
  scratch::before_fork();
  directory().mutex.lock();
  for (auto& [device, pool] : directory().all) pool.second->lock_all();
}
void unlock() {
  for (auto& [device, pool] : directory().all) pool.second->unlock_all();
  directory().mutex.unlock();
}
void after_fork_in_parent() { unlock(), scratch::after_fork_in_parent(); }
void after_fork_in_child() { unlock(), scratch::after_fork_in_child(); }

}  // namespace storage

Pool& Pool::of(Device device) {
  storage::Directory& d = storage::directory();
  const bool fast =
      device.kind < storage::kFastKinds && device.id >= 0 && device.id < storage::kFastIds;
  if (fast)
    if (Pool* pool = d.fast[device.kind][device.id].load(std::memory_order_acquire)) return *pool;
  std::lock_guard lock(d.mutex);
  const std::pair<int, int> key = {device.kind, device.id};
  if (const auto at = d.all.find(key); at != d.all.end()) return *at->second.first;
  const int slot = int(d.all.size());
  auto* state = new storage::PoolState(device, slot < storage::kCachedPools ? slot : -1);
  auto* pool = new Pool(state);
  if (d.all.empty())
    system::at_fork(storage::before_fork, storage::after_fork_in_parent,
                    storage::after_fork_in_child);
  d.all[key] = {pool, state};
  if (fast) d.fast[device.kind][device.id].store(pool, std::memory_order_release);
  return *pool;
}

Memory Pool::allocate(size_t bytes) { return state_->allocate(bytes); }
void Pool::free(const Memory& memory) { state_->free(memory, nullptr); }
void Pool::free(const Memory& memory, EventRef after) { state_->free(memory, std::move(after)); }
void Pool::release_cache() { state_->release_cache(); }
MemoryStats Pool::stats() const { return state_->stats(); }
void Pool::reset_peak() { state_->reset_peak(); }

}  // namespace heddle
