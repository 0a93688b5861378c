// A file that appears under its name only when it is whole.
#pragma once
#include <cstddef>
#include <string>

namespace heddle {

// Writes beside `path` under another name; commit() moves the file there. Destroyed before that, it
// leaves nothing behind. A path that is no regular file (a pipe, /dev/null) is written directly.
// Throws Error naming the path and what the system said.
class AtomicFile {
 public:
  explicit AtomicFile(const std::string& path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;
  void write(const void* data, size_t bytes);
  void commit();

 private:
  void flush();
  void write_out(const char* data, size_t bytes);
  [[noreturn]] void fail(const char* step, int error) const;

  std::string path_, temporary_;  // temporary_ is empty when written directly
  std::string buffer_;
  int fd_ = -1;
};

}  // namespace heddle
