// Memory, pooled per device. Freed blocks are kept by size class and handed out again.
#pragma once
#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "heddle/device.h"

namespace heddle {

namespace storage {
class PoolState;
}

struct HEDDLE_API Memory {
  void* data = nullptr;
  size_t bytes = 0;  // as asked for
  Device device;
};

struct HEDDLE_API MemoryStats {
  int64_t live = 0;         // bytes handed out now, as asked for
  int64_t cached = 0;       // bytes kept in the pool, with what rounding adds
  int64_t peak_live = 0;    // since the start or the last reset_peak(); to 64 KiB per thread
  int64_t allocations = 0;  // calls to allocate since the start
};

// One pool per device. Thread-safe. Never destroyed, so arrays may outlive main().
class HEDDLE_API Pool {
 public:
  static Pool& of(Device device);
  // Memory aligned to 64 bytes, not initialised; data is null for 0 bytes. When the device is out
  // of memory, gives the pool's cache back and tries once more, then throws Error naming the bytes
  // asked, live and cached.
  Memory allocate(size_t bytes);
  void free(const Memory& memory);
  // The same once the device has reached `after`; until then nobody gets the block. Null: at once.
  void free(const Memory& memory, EventRef after);
  // Gives every cached block back to the device; other threads add the few small ones they keep to
  // themselves at their next call.
  void release_cache();
  MemoryStats stats() const;
  void reset_peak();

 private:
  explicit Pool(storage::PoolState* state) : state_(state) {}
  ~Pool() = delete;
  storage::PoolState* state_;
};

// What memory is for, so that one can ask who has it: arrays that the calling thread makes while it
// lives bear this name, unless they are made within another one. It is kept, not copied: the name
// of an operator, or what kept_name() gives.
class HEDDLE_API MemoryName {
 public:
  explicit MemoryName(const char* name);
  ~MemoryName();
  MemoryName(const MemoryName&) = delete;
  MemoryName& operator=(const MemoryName&) = delete;
  static const char* current();  // "arrays" where there is none

 private:
  const char* const outer_;
};
// A copy that is never freed, the same for the same name.
HEDDLE_API const char* kept_name(std::string_view name);
// Counts `bytes` more, or fewer, of that name.
HEDDLE_API void count_named(const char* name, Device device, int64_t bytes) noexcept;
// What is live of a device, by name: those of which there is something.
HEDDLE_API std::map<std::string, int64_t> live_by_name(Device device);

}  // namespace heddle
