// A file that appears under its name only when it is whole.
#include "base/atomic_file.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
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
constexpr std::string_view kPrefix = ".heddle-save-";  // of temporary names
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

std::string temporary_in(const std::string& folder) {
  return format("{}/{}{}-{}", folder, kPrefix, getpid(), count.fetch_add(1));
}

std::string descriptor_path(int fd) { return format("/proc/self/fd/{}", fd); }

// -1 where the file system, or what is mounted, does not know files without a name.
int open_nameless(const std::string& folder) {
#ifdef O_TMPFILE
  const int fd = ::open(folder.c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0666);
  if (fd < 0 || ::access(descriptor_path(fd).c_str(), F_OK) == 0) return fd;
  ::close(fd);
#endif
  return -1;
}

// Is `fd` the file that has this name now?
bool has_name(int fd, const std::string& name) {
  struct stat open = {}, there = {};
  return ::fstat(fd, &open) == 0 && ::lstat(name.c_str(), &there) == 0 &&
         open.st_ino == there.st_ino && open.st_dev == there.st_dev;
}

// A temporary name belongs to a process that holds a lock on the file. The system takes the lock
// away when the process ends in whatever way, so a file that can be locked belongs to nobody.
void remove_if_left_behind(const std::string& name) {
  const int fd = ::open(name.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (fd < 0) return;
  if (::flock(fd, LOCK_EX | LOCK_NB) == 0 && has_name(fd, name)) ::unlink(name.c_str());
  ::close(fd);
}

void sweep(const std::string& folder) {
  DIR* const entries = ::opendir(folder.c_str());
  if (!entries) return;
  while (const dirent* entry = ::readdir(entries))
    if (std::string_view(entry->d_name).starts_with(kPrefix))
      remove_if_left_behind(format("{}/{}", folder, entry->d_name));
  ::closedir(entries);
}

}  // namespace atomic_file

AtomicFile::AtomicFile(const std::string& path, bool nameless)
    : path_(atomic_file::resolved(path)) {
  struct stat have = {};
  exists_ = ::stat(path_.c_str(), &have) == 0;
  direct_ = exists_ && !S_ISREG(have.st_mode);
  if (direct_) {
    fd_ = ::open(path_.c_str(), O_WRONLY | O_CLOEXEC);
    if (fd_ < 0) fail("open", errno);
    return;
  }
  const std::string folder = atomic_file::folder_of(path_);
  atomic_file::sweep(folder);
  fd_ = nameless ? atomic_file::open_nameless(folder) : -1;
  if (fd_ < 0) open_named();
  if (exists_) (void)!::fchmod(fd_, have.st_mode & 07777);
}

// A sweeper may come between the name and its lock: then the next name.
void AtomicFile::open_named() {
  for (;;) {
    temporary_ = atomic_file::temporary_in(atomic_file::folder_of(path_));
    fd_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd_ < 0 && errno == EEXIST) continue;  // another machine's, or another container's
    if (fd_ < 0) {
      temporary_.clear();
      fail("open", errno);
    }
    // Where there are no locks, nobody sweeps either.
    if (::flock(fd_, LOCK_EX) != 0 || atomic_file::has_name(fd_, temporary_)) return;
    ::close(fd_);
  }
}

AtomicFile::~AtomicFile() {
  if (fd_ < 0) return;
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
  ::close(fd_);
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
  if (!direct_) {
    if (::fsync(fd_) != 0) fail("write to the disk", errno);
    move_to_path();
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

// A file without a name gets its own at once where nothing is there. Replacing takes a name beside
// it for a moment: a link cannot replace, and a rename needs a name.
void AtomicFile::move_to_path() {
  const std::string fd = atomic_file::descriptor_path(fd_);
  auto link = [&](const std::string& name) {
    return ::linkat(AT_FDCWD, fd.c_str(), AT_FDCWD, name.c_str(), AT_SYMLINK_FOLLOW) == 0;
  };
  if (temporary_.empty()) {
    if (!exists_) {
      if (link(path_)) return;
      if (errno != EEXIST) fail("name", errno);  // somebody was faster
    }
    (void)!::flock(fd_, LOCK_EX);  // nobody else has it open yet
    std::string name;
    do {
      name = atomic_file::temporary_in(atomic_file::folder_of(path_));
      errno = 0;
    } while (!link(name) && errno == EEXIST);
    if (errno != 0) fail("name", errno);
    temporary_ = name;
  }
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) fail("rename", errno);
  temporary_.clear();
}

void AtomicFile::fail(const char* step, int error) const {
  heddle::fail("[save] '{}': could not {} it: {}", path_, step, std::strerror(error));
}

}  // namespace heddle
