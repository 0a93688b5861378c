// Files whose bytes are memory.
#pragma once
#include <string>
#include <string_view>

namespace heddle {

// A file that is read where its bytes are touched, and as a whole where the system maps none. It
// must not change while this lives. What is written to the bytes is not written to the file.
class MappedFile {
 public:
  explicit MappedFile(const std::string& path);  // throws Error saying why it cannot be read
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile();
  std::string_view bytes() const { return {data_, size_}; }
  // These bytes are not needed for a while: the memory that holds them may be used for others.
  void release(const void* from, size_t bytes) const;

 private:
  char* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace heddle
