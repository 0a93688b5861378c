// Memory of the process, aligned for vectors.
#pragma once
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "heddle/base.h"

namespace heddle {

// Aligned to 64 bytes, zero at first; there is some even for 0 bytes.
class Memory {
 public:
  Memory() = default;
  explicit Memory(int64_t bytes) {
    constexpr size_t kAlignment = 64;
    const size_t size = (size_t(bytes) / kAlignment + 1) * kAlignment;
    data_.reset(static_cast<char*>(std::aligned_alloc(kAlignment, size)));
    check(data_ != nullptr, "found no memory for {} bytes", size);
    std::memset(data_.get(), 0, size);
  }
  char* data() const { return data_.get(); }

 private:
  struct Free {
    void operator()(char* p) const { std::free(p); }
  };
  std::unique_ptr<char, Free> data_;
};

}  // namespace heddle
