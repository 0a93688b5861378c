// Memory, pooled per device. Freed blocks are kept by size class and handed out again.
#pragma once
#include <cstddef>
#include <memory>

#include "heddle/device.h"

namespace heddle {

struct Memory {
  void* data = nullptr;
  size_t bytes = 0;  // as asked for
  Device device;
};

struct MemoryStats {
  int64_t live = 0;       // bytes handed out now
  int64_t cached = 0;     // bytes kept in the pool
  int64_t peak_live = 0;  // since the start or the last reset_peak()
  int64_t allocations = 0;  // calls to allocate since the start
};

// One pool per device. Thread-safe. Never destroyed, so arrays may outlive main().
class Pool {
 public:
  static Pool& of(Device device);
  // Memory aligned to 64 bytes, not initialised. When the device is out of memory, gives the pool's
  // cache back and tries once more, then throws Error naming the bytes asked, live and cached.
  Memory allocate(size_t bytes);
  void free(const Memory& memory);
  void release_cache();  // gives every cached block back to the device
  MemoryStats stats() const;
  void reset_peak();

 private:
  explicit Pool(Device device);
  ~Pool() = delete;
  struct State;
  State* state_;
};

}  // namespace heddle
