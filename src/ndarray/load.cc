// Arrays out of MXNet's .params files and bytes.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include "ndarray/chunk.h"
#include "ndarray/params_format.h"

namespace heddle {
namespace params {

// An open regular file. (A pipe without a writer must not hold the caller: it is refused below.)
class File {
 public:
  explicit File(const std::string& path)
      : fd_(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {
    check(fd_ >= 0, "[load] '{}': could not open it: {}", path, std::strerror(errno));
    struct stat s = {};
    const bool regular = ::fstat(fd_, &s) == 0 && S_ISREG(s.st_mode);
    if (!regular) ::close(fd_);
    check(regular, "[load] '{}': found a folder or a device, expected a file", path);
    size_ = uint64_t(s.st_size);
  }
  ~File() { ::close(fd_); }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  int fd() const { return fd_; }
  uint64_t size() const { return size_; }

 private:
  int fd_;
  uint64_t size_ = 0;
};

class FileReader : public Reader {
 public:
  FileReader(const File& file, const std::string& path)
      : Reader(path, file.size()), fd_(file.fd()), buffer_(kBuffer) {}

 private:
  static constexpr uint64_t kBuffer = 1 << 16;

  void fetch(void* to, uint64_t bytes) override {
    auto* out = static_cast<char*>(to);
    uint64_t from = at();
    while (bytes > 0) {
      if (from >= begin_ && from < end_) {
        const uint64_t n = std::min(bytes, end_ - from);
        std::memcpy(out, buffer_.data() + (from - begin_), n);
        out += n, from += n, bytes -= n;
      } else if (bytes >= kBuffer) {
        const uint64_t n = pull(out, bytes, from);
        out += n, from += n, bytes -= n;
      } else {
        end_ = (begin_ = from) + pull(buffer_.data(), kBuffer, from);
      }
    }
  }
  uint64_t pull(char* to, uint64_t bytes, uint64_t from) {
    ssize_t n = 0;
    do n = ::pread(fd_, to, bytes, off_t(from));
    while (n < 0 && errno == EINTR);
    check_at(from, n > 0, "found {}, expected {} more bytes",
             n < 0 ? std::strerror(errno) : "the end of a file that has become shorter", bytes);
    return uint64_t(n);
  }

  int fd_;
  std::vector<char> buffer_;
  uint64_t begin_ = 0, end_ = 0;  // of the file, in the buffer
};

NDArray read_values(Reader& in, const Shape& shape, Dtype dtype, std::string_view what) {
  const uint64_t bytes = value_bytes(in, shape, dtype, what);
  NDArray a(shape, Device{}, dtype);
  read_values(in, memory_of(a).data(), bytes, dtype, what);
  return a;
}

NDArray read_sparse(Reader& in, uint64_t where, int32_t kind) {
  const Shape stored = read_shape(in, "the stored shape");
  const Shape shape = read_shape(in, "the shape");
  if (is_none(shape, false)) return {};
  read_device(in);
  const Dtype dtype = read_dtype(in, "dtype");
  const int extra = kind == 1 ? 1 : 2;
  Dtype dtypes[2];
  Shape shapes[2];
  for (int i = 0; i < extra; ++i) {
    dtypes[i] = read_dtype(in, "dtype of indices");
    shapes[i] = read_shape(in, "the shape of indices");
  }
  const NDArray data = read_values(in, stored, dtype, "stored values");
  NDArray indices[2];
  for (int i = 0; i < extra; ++i) indices[i] = read_values(in, shapes[i], dtypes[i], "indices");
  return kind == 1 ? densify_rows(in, where, shape, data, indices[0])
                   : densify_csr(in, where, shape, data, indices[0], indices[1]);
}

NDArray read_array(Reader& in) {
  const Head head = read_head(in);
  if (head.storage > 0) return read_sparse(in, head.where, head.storage);
  return head.none ? NDArray() : read_values(in, head.shape, head.dtype, "values");
}

NamedArrays read_list(Reader& in) {
  NamedArrays out;
  read_list(
      in, [&](Reader& at) { out.arrays.push_back(read_array(at)); },
      [&](std::string name) { out.names.push_back(std::move(name)); });
  return out;
}

NDArray onto(const NDArray& a, Device device) {
  if (!a || a.device() == device) return a;
  NDArray there(a.shape(), device, a.dtype());
  copy(a, there);
  return there;
}

NamedArrays onto(NamedArrays all, Device device) {
  for (NDArray& a : all.arrays) a = onto(a, device);
  return all;
}

std::string local_path(std::string_view who, const std::string& name) {
  constexpr std::string_view kFile = "file://";
  if (name.starts_with(kFile)) return name.substr(kFile.size());
  const size_t scheme = name.find("://");
  check(scheme == std::string::npos, "[{}] '{}': found {}://, expected a path or file://", who,
        name, name.substr(0, scheme));
  return name;
}

}  // namespace params

NamedArrays load_arrays(const std::string& path, Device device) {
  const params::File file(params::local_path("load", path));
  params::FileReader in(file, path);
  return params::onto(params::read_list(in), device);
}

NamedArrays load_arrays_from_bytes(std::string_view bytes, std::string_view name, Device device) {
  params::MemoryReader in(bytes, name);
  return params::onto(params::read_list(in), device);
}

NDArray array_from_bytes(std::string_view bytes, Device device) {
  params::MemoryReader in(bytes, "array");
  const NDArray a = params::read_array(in);
  in.check_at(in.at(), in.left() == 0, "found {} bytes after the array, expected the end",
              in.left());
  return params::onto(a, device);
}

}  // namespace heddle
