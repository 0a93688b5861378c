// A file that appears under its name only when it is whole.
#include "base/atomic_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "heddle/base.h"

namespace heddle {
namespace atomic_file {

constexpr size_t kBuffer = 1 << 16;
std::atomic<uint64_t> count{0};

// Where the name leads, so that a symbolic link stays one.
std::string resolved(const std::string& path) {
  char full[PATH_MAX];
  return realpath(path.c_str(), full) ? full : path;
}

std::string folder_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace atomic_file

AtomicFile::AtomicFile(const std::string& path) : path_(atomic_file::resolved(path)) {
  struct stat have = {};
  const bool exists = ::stat(path_.c_str(), &have) == 0;
  if (exists && !S_ISREG(have.st_mode)) {
    fd_ = ::open(path_.c_str(), O_WRONLY | O_CLOEXEC);
    if (fd_ < 0) fail("open", errno);
    return;
  }
  temporary_ = format("{}.tmp-{}-{}", path_, getpid(), atomic_file::count.fetch_add(1));
  fd_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (fd_ < 0) fail("open", errno);
  if (exists) (void)!::fchmod(fd_, have.st_mode & 07777);
}

AtomicFile::~AtomicFile() {
  if (fd_ < 0) return;
  ::close(fd_);
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

void AtomicFile::write(const void* data, size_t bytes) {
  if (buffer_.size() + bytes > atomic_file::kBuffer) flush();
  if (bytes > atomic_file::kBuffer) write_out(static_cast<const char*>(data), bytes);
  else buffer_.append(static_cast<const char*>(data), bytes);
}

void AtomicFile::flush() {
  write_out(buffer_.data(), buffer_.size());
  buffer_.clear();
}

void AtomicFile::write_out(const char* data, size_t bytes) {
  while (bytes > 0) {
    const ssize_t n = ::write(fd_, data, bytes);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail("write", errno);
    data += n;
    bytes -= size_t(n);
  }
}

void AtomicFile::commit() {
  flush();
  if (!temporary_.empty()) {
    if (::fsync(fd_) != 0) fail("write to the disk", errno);
    if (::rename(temporary_.c_str(), path_.c_str()) != 0) fail("rename", errno);
    // So that the new name survives a power cut; some file systems refuse, which is theirs to do.
    const int folder =
        ::open(atomic_file::folder_of(path_).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder >= 0) {
      ::fsync(folder);
      ::close(folder);
    }
  }
  ::close(fd_);
  fd_ = -1;
}

void AtomicFile::fail(const char* step, int error) const {
  heddle::fail("[save] '{}': could not {} it: {}", path_, step, std::strerror(error));
}

}  // namespace heddle
