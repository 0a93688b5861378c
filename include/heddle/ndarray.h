// NDArray: a handle on a tensor whose contents the engine keeps in order.
#pragma once
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

// What all views of one array share: its memory, which the library keeps (src/ndarray/chunk.h), and
// the variable that guards it.
struct HEDDLE_API Chunk {
  const Var var;
  const Device device;
  const size_t bytes;
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
  const Var& var() const { return chunk_->var; }  // what tasks name that read or write this array
  bool whole() const { return bytes() == int64_t(chunk_->bytes); }  // does it cover its chunk?
  // How a task that sets every element of this array uses var(): a slice updates, a whole
  // overwrites.
  Access write_access() const { return whole() ? Access::kOverwrite : Access::kUpdate; }
  bool shares_memory(const NDArray& o) const { return chunk_ == o.chunk_; }
  const std::shared_ptr<Chunk>& chunk() const { return chunk_; }
  bool is_view() const { return view_; }  // made by slice, at, reshape or view
  // A view of memory that a recorded call has written since: the tape does not know what it shows.
  bool left_behind() const { return view_ && written_since(); }
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

  // Before the memory that wrap() was lent goes back to its lender: other handles on this array, if
  // there are any, get a copy. Only while no task uses the array.
  void leave_borrowed_memory();

  Blob blob() const;  // only inside a task that named var()

  std::shared_ptr<TapeEntry> tape = {};  // autograd's mark; not shared with copies made by slice()

 private:
  bool written_since() const;
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
