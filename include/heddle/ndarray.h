// NDArray: a handle on a tensor whose contents the engine keeps in order.
#pragma once
#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "heddle/base.h"
#include "heddle/engine.h"
#include "heddle/storage.h"

namespace heddle {

// Where an array stands on the autograd tape. Defined by the executor room; arrays only carry it.
struct TapeEntry;

// Storage and the variable that guards it. Shared by all views of one array.
class HEDDLE_API Chunk {
 public:
  Chunk(Device device, size_t bytes)
      : var(Var::make()), device(device), bytes(bytes), reached_by_(packed(device)) {}
  ~Chunk();
  Chunk(const Chunk&) = delete;
  Chunk& operator=(const Chunk&) = delete;
  // Allocates on first use; only inside a task that named var. Null when there are no bytes.
  void* data() {
    void* p = data_.load(std::memory_order_acquire);
    return p || bytes == 0 ? p : allocate();
  }
  // Work on `other`, an asynchronous device, has reached this memory: it is freed in that order.
  void reached_by(Device other) { reached_by_.store(packed(other), std::memory_order_relaxed); }
  // Copies foreign memory into memory of its own and lets go of it. Only while no task uses var.
  void adopt();
  // How many recorded calls wrote over this memory: autograd knows of the array they wrote to, not
  // of the views that were there before.
  void note_recorded_write() { recorded_.fetch_add(1, std::memory_order_relaxed); }
  uint32_t recorded_writes() const { return recorded_.load(std::memory_order_relaxed); }
  const Var var;
  const Device device;
  const size_t bytes;

 private:
  friend class NDArray;
  void* allocate();
  std::atomic<void*> data_{nullptr};
  std::shared_ptr<void> owner_;  // of foreign or arena memory; then data_ is not the pool's
  // In one word: not every compiler has atomics of structs without a library of its own.
  static uint32_t packed(Device d) { return uint32_t(d.kind) << 24 | uint32_t(d.id); }
  static Device unpacked(uint32_t d) { return {Device::Kind(d >> 24), int(d & 0xffffff)}; }
  std::atomic<uint32_t> reached_by_;
  std::atomic<uint32_t> recorded_{0};
};

// Copying an NDArray shares the data. Arrays are contiguous, in C order; views are row ranges and
// reshapes, and share the variable. Reading the host value waits for pending writes. A copy of a
// handle may be used from any thread.
class HEDDLE_API NDArray {
 public:
  NDArray() = default;  // "none"
  // Memory on first use, contents undefined. A device that is not there throws at once.
  NDArray(Shape shape, Device device, Dtype dtype = Dtype::kFloat32);
  // Copies from host memory before it returns.
  static NDArray from_host(const void* src, Shape shape, Dtype dtype, Device device = {});
  // Wraps memory that `owner` keeps alive, without copying.
  static NDArray wrap(void* data, Shape shape, Dtype dtype, Device device,
                      std::shared_ptr<void> owner);

  explicit operator bool() const { return chunk_ != nullptr; }
  const Shape& shape() const { return shape_; }
  Dtype dtype() const { return dtype_; }
  Device device() const { return chunk_->device; }
  int64_t size() const { return shape_.size(); }
  int64_t bytes() const { return size() * dtype_size(dtype_); }
  const Var& var() const { return chunk_->var; }  // what a task names to read or write this array
  bool whole() const { return bytes() == int64_t(chunk_->bytes); }  // does it cover its chunk?
  // How a task that sets every element of this array uses var(): a slice updates, a whole
  // overwrites.
  Access write_access() const { return whole() ? Access::kOverwrite : Access::kUpdate; }
  bool shares_memory(const NDArray& o) const { return chunk_ == o.chunk_; }
  const std::shared_ptr<Chunk>& chunk() const { return chunk_; }
  bool is_view() const { return view_; }  // made by slice, at, reshape or view
  // A view of memory that a recorded call has written since: the tape does not know what it shows.
  bool left_behind() const { return view_ && seen_ != chunk_->recorded_writes(); }
  int64_t offset() const { return offset_; }  // bytes from the start of the chunk

  NDArray slice(int64_t begin, int64_t end) const;  // rows [begin, end), same memory
  NDArray at(int64_t index) const;  // row `index`, without the first axis; (1) where that was all
  NDArray reshape(Shape shape) const;                            // same memory, same size
  NDArray view(Shape shape, Dtype dtype, int64_t offset) const;  // any window of the chunk
  NDArray detach() const;                                        // same memory, off the tape

  void wait_to_read() const { Engine::get().wait(var()); }
  void wait_to_write() const { Engine::get().wait_to_write(var()); }
  // Waits, then copies bytes() to host memory. An array whose task failed throws that error once
  // and then reads as NaN (floats) or zero.
  void copy_to(void* dst) const;
  // Copies bytes() from host memory before it returns; where tasks still use the array, through
  // a copy that the engine keeps in order. Waits for nothing.
  void copy_from(const void* src) const;

  Blob blob() const;  // only inside a task that named var()

  std::shared_ptr<TapeEntry> tape = {};  // autograd's mark; not shared with copies made by slice()

 private:
  std::shared_ptr<Chunk> chunk_;
  Shape shape_;
  Dtype dtype_ = Dtype::kFloat32;
  bool view_ = false;
  uint32_t seen_ = 0;  // recorded writes to the chunk when the view was made
  int64_t offset_ = 0;
};

// dst = src, converting the dtype if they differ: asynchronous, any device to any device. Throws at
// once when the shapes' sizes differ.
HEDDLE_API void copy(const NDArray& src, const NDArray& dst, int priority = 0);

// --- MXNet's .params files
// ------------------------------------------------------------------------
struct HEDDLE_API NamedArrays {
  std::vector<NDArray> arrays;
  std::vector<std::string> names;  // empty, or one per array
};
// Writes to a temporary file beside `path` and renames it: the file is whole or not there.
HEDDLE_API void save_arrays(const std::string& path, const NamedArrays& what);
HEDDLE_API std::string save_arrays_to_bytes(const NamedArrays& what);
// Reads versions 0 to 3. `device` is where arrays go. Throws Error with the path, the byte offset
// and what was wrong when the file is missing, truncated or of another kind.
HEDDLE_API NamedArrays load_arrays(const std::string& path, Device device = {});
HEDDLE_API NamedArrays load_arrays_from_bytes(std::string_view bytes, std::string_view name,
                                              Device device = {});
// One array as it stands in such a file: what pickles hold.
HEDDLE_API std::string array_to_bytes(const NDArray& a);
HEDDLE_API NDArray array_from_bytes(std::string_view bytes, Device device = {});

}  // namespace heddle
