// ChunkMemory: memory on first use, freed in the order of whoever worked on it.
#include "ndarray/chunk.h"

#include <mutex>
#include <utility>

#include "heddle/storage.h"

namespace heddle {
namespace chunk {

// Two readers may meet a chunk nobody has written yet. Rare, so one lock serves all chunks.
constinit std::mutex first_use;

struct Block {
  Memory memory;
  std::shared_ptr<void> owner;
};

// An asynchronous device may still be at work on the block: its freeing is one more task.
void free_in_order(const Var& var, Device by, Block block) {
  Engine::get().push(Task{.name = "free",
                          .run =
                              [block](RunContext& ctx) {
                                EventRef after = ctx.stream ? ctx.stream->record() : nullptr;
                                if (!block.owner)
                                  Pool::of(block.memory.device).free(block.memory, after);
                                else if (after) after->wait();
                              },
                          .uses = {{var, Access::kOverwrite}},  // also when a task before it failed
                          .device = by});
}

}  // namespace chunk

void* ChunkMemory::from_pool() const {
  void* const p = Pool::of(device).allocate(bytes).data;
  count_named(name_, device, int64_t(bytes));
  return p;
}
void ChunkMemory::to_pool(void* p) const {
  count_named(name_, device, -int64_t(bytes));
  Pool::of(device).free({p, bytes, device});
}

void ChunkMemory::rename(const char* name) {
  std::lock_guard lock(chunk::first_use);
  const char* const before = name_.exchange(name);
  if (!data_.load(std::memory_order_relaxed) || owner_) return;
  count_named(before, device, -int64_t(bytes)), count_named(name, device, int64_t(bytes));
}

void* ChunkMemory::allocate() {
  std::lock_guard lock(chunk::first_use);
  if (void* p = data_.load(std::memory_order_relaxed)) return p;
  void* p = from_pool();
  data_.store(p, std::memory_order_release);
  return p;
}

void ChunkMemory::adopt() {
  if (!owner_) return;
  void* const own = bytes ? from_pool() : nullptr;
  if (own)
    device_api(device).copy(own, device, data_.load(std::memory_order_relaxed), device, bytes,
                            nullptr);
  data_.store(own, std::memory_order_release);
  owner_.reset();
}

void ChunkMemory::release() {
  if (owner_) return;
  if (void* const p = data_.exchange(nullptr, std::memory_order_acq_rel)) to_pool(p);
}

ChunkMemory::~ChunkMemory() {
  void* p = data_.load(std::memory_order_relaxed);
  if (!p) return;
  const Memory memory{p, bytes, device};
  try {
    const Device by = unpacked(reached_by_.load(std::memory_order_relaxed));
    if (device_api(by).asynchronous()) {
      if (!owner_) count_named(name_, device, -int64_t(bytes));
      chunk::free_in_order(var, by, {memory, std::move(owner_)});
    } else if (!owner_) {
      to_pool(p);
    }
  } catch (const std::exception&) {
    // Without an engine or a device, at the end of the process, the memory goes with it.
  }
}

}  // namespace heddle
