// A file that appears under its name only when it is whole.
#pragma once
#include <cstddef>
#include <string>

#include "heddle/api.h"

namespace heddle {

// Writes into a file without a name, where the file system has such (O_TMPFILE), else beside `path`
// under another name; commit() puts it at `path`. Destroyed before that, it leaves nothing behind.
// What a killed process leaves (a name that lived for microseconds, or the whole time where files
// without a name are unknown) goes with the next save into the same folder. A path that is no
// regular file (a pipe, /dev/null) is written directly. Throws Error naming the path and what the
// system said.
class HEDDLE_API AtomicFile {
 public:
  explicit AtomicFile(const std::string& path, bool nameless = true);  // false: for tests
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;
  void write(const void* data, size_t bytes);
  void commit();

 private:
  void open_named();
  void flush();
  void write_out(const char* data, size_t bytes);
  void move_to_path();
  [[noreturn]] void fail(const char* step, int error) const;

  std::string path_, temporary_;  // temporary_ is empty where the file has no name
  std::string buffer_;
  bool direct_ = false;  // writes to what is at path_
  bool exists_ = false;  // a file is there, to be replaced
  int fd_ = -1;
};

}  // namespace heddle
