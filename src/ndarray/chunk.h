// ChunkMemory: the memory of an array. Shared by all views of it.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "heddle/device.h"
#include "heddle/engine.h"
#include "heddle/ndarray.h"
#include "heddle/storage.h"

namespace heddle {

class ChunkMemory : public Chunk {
 public:
  ChunkMemory(Device device, size_t bytes)
      : Chunk{Var::make(), device, bytes}, reached_by_(packed(device)) {}
  ~ChunkMemory();
  ChunkMemory(const ChunkMemory&) = delete;
  ChunkMemory& operator=(const ChunkMemory&) = delete;
  // Allocates on first use; only inside a task that named var. Null when there are no bytes.
  void* data() {
    void* p = data_.load(std::memory_order_acquire);
    return p || bytes == 0 ? p : allocate();
  }
  // Frees memory of the pool until its next use. Only inside a task that overwrites var, and on a
  // device whose work is done when its tasks are.
  void release();
  // Work on `other`, an asynchronous device, has reached this memory: it is freed in that order.
  void reached_by(Device other) { reached_by_.store(packed(other), std::memory_order_relaxed); }
  // Copies foreign memory into memory of its own and lets go of it. Only while no task uses var.
  void adopt();
  // What it is for, from now on: see MemoryName.
  void rename(const char* name);
  // How many recorded calls wrote over this memory: autograd knows of the array they wrote to, not
  // of the views that were there before.
  void note_recorded_write() { recorded_.fetch_add(1, std::memory_order_relaxed); }
  uint32_t recorded_writes() const { return recorded_.load(std::memory_order_relaxed); }

 private:
  friend class NDArray;
  void* allocate();
  void* from_pool() const;
  void to_pool(void* p) const;
  std::atomic<void*> data_{nullptr};
  std::atomic<const char*> name_{MemoryName::current()};
  std::shared_ptr<void> owner_;  // of foreign or arena memory; then data_ is not the pool's
  // In one word: not every compiler has atomics of structs without a library of its own.
  static uint32_t packed(Device d) { return uint32_t(d.kind) << 24 | uint32_t(d.id); }
  static Device unpacked(uint32_t d) { return {Device::Kind(d >> 24), int(d & 0xffffff)}; }
  std::atomic<uint32_t> reached_by_;
  std::atomic<uint32_t> recorded_{0};
};

// Every chunk is one.
inline ChunkMemory& memory_of(Chunk& c) { return static_cast<ChunkMemory&>(c); }
inline ChunkMemory& memory_of(const NDArray& a) { return memory_of(*a.chunk()); }

}  // namespace heddle
