// Mapping a file, or reading it.
#include "base/mapped_file.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

#include "heddle/base.h"
#if defined(__unix__) && !defined(__EMSCRIPTEN__) || defined(__APPLE__)
#define HEDDLE_MAPS_FILES
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#endif

namespace heddle {

namespace file {

void expect(bool ok, const std::string& path) {
  check(ok, "[load] cannot read '{}': {}", path, std::strerror(errno));
}

}  // namespace file

using file::expect;

#ifdef HEDDLE_MAPS_FILES

MappedFile::MappedFile(const std::string& path) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  expect(file >= 0, path);
  struct stat about;
  bool ok = fstat(file, &about) == 0;
  if (ok && about.st_size > 0) {
    size_ = size_t(about.st_size);
    void* const at = mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 0);
    ok = at != MAP_FAILED;
    if (ok) data_ = static_cast<char*>(at);
  }
  const int why = errno;
  close(file);
  errno = why;
  expect(ok, path);
}

MappedFile::~MappedFile() {
  if (data_) munmap(data_, size_);
}

void MappedFile::release(const void* from, size_t bytes) const {
  const size_t page = size_t(sysconf(_SC_PAGESIZE));
  const size_t begin = (size_t(static_cast<const char*>(from) - data_) + page - 1) / page * page;
  const size_t end = (size_t(static_cast<const char*>(from) - data_) + bytes) / page * page;
  if (begin < end) madvise(data_ + begin, end - begin, MADV_DONTNEED);
}

#else

MappedFile::MappedFile(const std::string& path) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"),
                                                             std::fclose);
  expect(file && std::fseek(file.get(), 0, SEEK_END) == 0, path);
  const long size = std::ftell(file.get());
  expect(size >= 0 && std::fseek(file.get(), 0, SEEK_SET) == 0, path);
  std::unique_ptr<char[]> bytes(new char[size_t(size)]);
  expect(std::fread(bytes.get(), 1, size_t(size), file.get()) == size_t(size), path);
  data_ = bytes.release(), size_ = size_t(size);
}

MappedFile::~MappedFile() { delete[] data_; }

void MappedFile::release(const void*, size_t) const {}

#endif

}  // namespace heddle
