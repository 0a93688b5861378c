// Files that may be compressed by gzip: as bytes, and as lines.
#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "heddle/base.h"

namespace heddle::io {

// All bytes of `path`, or of `path`.gz where only that is there. Throws Error.
std::string read_file(const std::string& path);

// The lines of a file, or those of a part of it: which begin behind the part's first byte.
class Lines {
 public:
  Lines(const std::string& path, int64_t part = 0, int64_t parts = 1);
  ~Lines();
  // The next line that is not blank; false at the end. Throws Error.
  bool next(std::string& line);
  void rewind();
  int64_t number() const { return number_; }  // of the line, from 1
  const std::string& path() const { return path_; }

 private:
  bool raw(std::string& line);
  std::string path_;
  struct File;
  std::unique_ptr<File> file_;
  int64_t begin_ = 0, end_ = -1, at_ = 0, number_ = 0;
};

// Whole text -> number. Throws nothing: false where it is none.
bool parse_number(std::string_view text, double& v);

// Puts `v` at place `i` of an array; whole numbers are cut, as MXNet does.
void store(void* array, Dtype dtype, int64_t i, double v);

}  // namespace heddle::io
