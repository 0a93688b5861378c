// Memory of the process, aligned for vectors.
#pragma once
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <utility>

#include "device/system.h"
#include "heddle/base.h"

namespace heddle {

// What a caller lends, handed out from its front. It counts on where nothing is left, so that at
// the end one knows what was needed.
class Buffer {
 public:
  Buffer(void* data, size_t bytes)
      : data_(static_cast<char*>(data)),
        bytes_(bytes),
        used_(-reinterpret_cast<uintptr_t>(data) % 64) {}
  // From an aligned place on, or null. `bytes` is a multiple of 64.
  char* take(size_t bytes) {
    char* const p = data_ + used_;
    used_ += bytes;
    return fits() ? p : nullptr;
  }
  bool fits() const { return used_ <= bytes_; }
  size_t size() const { return bytes_; }
  size_t used() const { return used_; }
  char* rest() const { return data_ + used_; }

 private:
  char* data_;
  size_t bytes_, used_;
};

// Aligned to 64 bytes, zero at first; there is some even for 0 bytes.
class Memory {
 public:
  Memory() = default;
  // Out of the heap, or out of `from`, which then owns it: data() is null where it does not fit.
  explicit Memory(int64_t bytes, Buffer* from = nullptr) : size_(padded(bytes)) {
    if (from) {
      data_ = from->take(size_);
      if (data_) std::memset(data_, 0, size_);
      return;
    }
    // Pages that the system gives are zero, and are there only from when they are touched.
    const size_t unit = size_ >= system::kHugePage ? system::kHugePage : kAlignment;
    check(size_ <= SIZE_MAX - 2 * unit, "found no memory for {} bytes", size_);
    // The last large page may be used for the most part only.
    const size_t asked = size_ % unit > unit / 2 ? (size_ + unit - 1) / unit * unit : size_;
    owned_ = std::calloc(asked + unit, 1);
    check(owned_, "found no memory for {} bytes", size_);
    data_ = static_cast<char*>(owned_) + -reinterpret_cast<uintptr_t>(owned_) % unit;
    system::prefer_huge_pages(data_, asked);
  }
  Memory(Memory&& o) noexcept { *this = std::move(o); }
  Memory& operator=(Memory&& o) noexcept {
    std::swap(data_, o.data_), std::swap(size_, o.size_), std::swap(owned_, o.owned_);
    return *this;
  }
  ~Memory() { std::free(owned_); }
  char* data() const { return data_; }
  size_t size() const { return size_; }
  // What it takes of a buffer.
  static size_t padded(int64_t bytes) { return (size_t(bytes) / kAlignment + 1) * kAlignment; }

 private:
  static constexpr size_t kAlignment = 64;
  char* data_ = nullptr;
  size_t size_ = 0;
  void* owned_ = nullptr;  // data_ is in it, but where a buffer owns that
};

}  // namespace heddle
