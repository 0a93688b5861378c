// What a device is: memory, streams, events, copies. One DeviceApi per kind of device; the one of
// CUDA comes from a second shared object, loaded when the first gpu(i) is used.
#pragma once
#include <cstddef>
#include <memory>

#include "heddle/base.h"

namespace heddle {

// Work put on a stream is done when its event is. Thread-safe. Null stands for "done already".
class HEDDLE_API Event {
 public:
  virtual ~Event() = default;
  virtual bool done() const = 0;
  virtual void wait() const = 0;  // blocks the calling thread
};
using EventRef = std::shared_ptr<const Event>;

// An order of work on a device, with its library handles. CPU has none (a null Stream*).
class HEDDLE_API Stream {
 public:
  virtual ~Stream() = default;
  virtual EventRef record() = 0;                 // an event for all the work put here so far
  virtual void wait_for(const EventRef& e) = 0;  // later work here starts after `e`; never blocks
};

// How many threads may work for this process: affinity mask and cgroup quota, at least 1.
HEDDLE_API int usable_threads();

// How many work at once: the workers of an engine made from now on, the width of parallel_for.
// HEDDLE_THREADS, else usable_threads(); set_threads(0) restores that. Not while work is running.
HEDDLE_API int threads();
HEDDLE_API void set_threads(int threads);

class HEDDLE_API DeviceApi {
 public:
  virtual ~DeviceApi() = default;
  virtual int count() const = 0;          // devices of this kind; 0 when there is none
  virtual bool asynchronous() const = 0;  // does work outlive the call that starts it?
  virtual void* allocate(Device d,
                         size_t bytes) = 0;  // aligned to 64; throws Error when out of memory
  virtual void free(Device d, void* p, size_t bytes) = 0;
  virtual std::unique_ptr<Stream> make_stream(Device d) = 0;  // null on synchronous devices
  // Copies between this kind and host memory, or within it; asynchronous when `stream` is given.
  virtual void copy(void* dst, Device to, const void* src, Device from, size_t bytes,
                    Stream* stream) = 0;
};

// The api of a kind of device. gpu(i) without a card, driver or the second shared object throws one
// Error that says which of them is missing.
HEDDLE_API DeviceApi& device_api(Device d);
// How many devices of a kind there are: 0 where device_api() would throw.
HEDDLE_API int device_count(Device::Kind kind) noexcept;
// Adds or replaces the api of a kind (the CUDA object and tests do).
HEDDLE_API void set_device_api(Device::Kind kind, std::unique_ptr<DeviceApi> api);

// Scratch memory of the calling thread, valid until the innermost ScratchScope of this thread ends.
// Aligned to 64 bytes, not initialised. What was needed at once a thread keeps, and
// kSmallestScratch at least.
HEDDLE_API void* thread_scratch(size_t bytes);
constexpr size_t kSmallestScratch = size_t{64} << 10;
class HEDDLE_API ScratchScope {
 public:
  ScratchScope();
  ~ScratchScope();
  ScratchScope(const ScratchScope&) = delete;
  ScratchScope& operator=(const ScratchScope&) = delete;

 private:
  size_t block_, used_, lent_, taken_;
};
// Bytes that the threads of the process keep, now.
HEDDLE_API int64_t scratch_held() noexcept;
// Gives them back; threads that are using theirs do so when they are done.
HEDDLE_API void release_scratch() noexcept;

}  // namespace heddle
