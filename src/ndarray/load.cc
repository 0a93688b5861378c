// Reading MXNet's .params files, versions 0 to 3.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include "ndarray/params_format.h"

namespace heddle {
namespace params {

constexpr uint64_t kLeastRecord = 4, kLeastName = 8;  // bytes

void Reader::read(void* to, uint64_t bytes, std::string_view what) {
  check_at(at_, bytes <= left(), "found {} bytes to the end, expected {} of {}", left(), bytes,
           what);
  if (bytes) fetch(to, bytes);
  at_ += bytes;
}

void Reader::throw_at(uint64_t where, std::string_view what) const {
  throw Error(format("[load] '{}' at byte {}: {}", name_, where, what));
}

class MemoryReader : public Reader {
 public:
  MemoryReader(std::string_view bytes, std::string_view name)
      : Reader(name, bytes.size()), bytes_(bytes) {}

 private:
  void fetch(void* to, uint64_t bytes) override { std::memcpy(to, bytes_.data() + at(), bytes); }
  std::string_view bytes_;
};

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

// --- one record
// -----------------------------------------------------------------------------------

// Up to Shape::kMaxRank dimensions. Unknown ones and an unknown rank come back as negative numbers.
template <class Dim>
Shape read_dims(Reader& in, int64_t rank) {
  Shape shape;
  if (rank < 0) return shape;
  shape.set_rank(int(rank));
  for (int i = 0; i < rank; ++i) {
    const uint64_t where = in.at();
    shape[i] = int64_t(in.get<Dim>("a dimension"));
    in.check_at(where, shape[i] >= -1, "found dimension {}, expected none below 0", shape[i]);
  }
  return shape;
}

Shape read_shape(Reader& in, std::string_view what) {
  const uint64_t where = in.at();
  const auto rank = in.get<int32_t>(what);
  in.check_at(where, rank >= -1 && rank <= Shape::kMaxRank,
              "found {} dimensions for {}, expected at most {}", rank, what, Shape::kMaxRank);
  return read_dims<int64_t>(in, rank);
}

Dtype read_dtype(Reader& in, std::string_view what) {
  static constexpr const char* kForeign[] = {"int16", "uint16", "uint32", "uint64"};
  const uint64_t where = in.at();
  const auto flag = in.get<int32_t>(what);
  if (flag >= 8 && flag <= 11)
    in.check_at(where, false, "found {} {} ({}), expected one of heddle's dtypes", what, flag,
                kForeign[flag - 8]);
  in.check_at(where, (flag >= 0 && flag <= 7) || flag == 12, "found {} {}, expected 0 to 7 or 12",
              what, flag);
  return Dtype(flag);
}

void read_device(Reader& in) {
  const uint64_t where = in.at();
  const auto kind = in.get<int32_t>("the kind of device");
  in.check_at(where, kind >= 1 && kind <= 6, "found kind of device {}, expected 1 to 6", kind);
  in.get<int32_t>("the number of the device");  // where it lived is not where it goes
}

// Not by size(): the product of a damaged file's extents may overflow.
bool has_no_elements(const Shape& shape) {
  return std::find(shape.begin(), shape.end(), 0) != shape.end();
}

NDArray read_values(Reader& in, const Shape& shape, Dtype dtype, std::string_view what) {
  uint64_t bytes = uint64_t(dtype_size(dtype));
  bool fits = true;
  for (int64_t d : shape)
    fits = fits && d >= 0 && !__builtin_mul_overflow(bytes, uint64_t(d ? d : 1), &bytes);
  if (has_no_elements(shape)) bytes = 0;
  in.check_at(in.at(), fits && bytes <= in.left(),
              "found {} bytes to the end, expected {} of shape {} of {}", in.left(), what, shape,
              dtype);
  NDArray a(shape, Device{}, dtype);
  void* to = a.chunk()->data();
  in.read(to, bytes, what);
  if (dtype == Dtype::kBool)  // any other byte would be no bool
    for (uint64_t i = 0; i < bytes; ++i)
      static_cast<uint8_t*>(to)[i] = static_cast<uint8_t*>(to)[i] != 0;
  return a;
}

NDArray read_dense(Reader& in, const Shape& shape) {
  read_device(in);
  const Dtype dtype = read_dtype(in, "dtype");
  return read_values(in, shape, dtype, "values");
}

// Before NumPy's shapes, no dimensions or an extent of 0 said "no array".
bool is_none(const Shape& shape, bool numpy_shapes) {
  if (!shape.known()) return true;
  return !numpy_shapes && (shape.rank() == 0 || has_no_elements(shape));
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
  const uint64_t where = in.at();
  const auto first = in.get<uint32_t>("an array");
  if (first == kMagic2 || first == kMagic3) {
    const uint64_t kind_at = in.at();
    const auto kind = in.get<int32_t>("the storage kind");
    in.check_at(kind_at, kind >= 0 && kind <= 2,
                "found storage kind {}, expected 0 (dense), 1 (row_sparse) or 2 (csr)", kind);
    if (kind > 0) return read_sparse(in, where, kind);
    const Shape shape = read_shape(in, "the shape");
    return is_none(shape, first == kMagic3) ? NDArray() : read_dense(in, shape);
  }
  if (first == kMagic1) {
    const Shape shape = read_shape(in, "the shape");
    return is_none(shape, false) ? NDArray() : read_dense(in, shape);
  }
  // The oldest records begin with the number of dimensions.
  in.check_at(where, first <= uint32_t(Shape::kMaxRank),
              "found {}, expected an array: a magic number or up to {} dimensions", first,
              Shape::kMaxRank);
  const Shape shape = read_dims<uint32_t>(in, first);
  return is_none(shape, false) ? NDArray() : read_dense(in, shape);
}

// --- a whole file
// ---------------------------------------------------------------------------------

NamedArrays read_list(Reader& in) {
  const auto magic = in.get<uint64_t>("the file's magic number");
  in.check_at(0, magic == kListMagic, "found magic number {}, expected {} of a .params file", magic,
              kListMagic);
  in.get<uint64_t>("a reserved field");
  uint64_t where = in.at();
  const auto count = in.get<uint64_t>("the number of arrays");
  in.check_at(where, count <= in.left() / kLeastRecord,
              "found {} arrays in {} bytes, expected at most {}", count, in.left(),
              in.left() / kLeastRecord);
  NamedArrays out;
  for (uint64_t i = 0; i < count; ++i) out.arrays.push_back(read_array(in));
  where = in.at();
  const auto names = in.get<uint64_t>("the number of names");
  in.check_at(where, names == 0 || names == count, "found {} names, expected 0 or {}", names,
              count);
  for (uint64_t i = 0; i < names; ++i) {
    where = in.at();
    const auto length = in.get<uint64_t>("the length of a name");
    in.check_at(where, length <= in.left(), "found a name of {} bytes, expected at most {}", length,
                in.left());
    std::string name(length, '\0');
    in.read(name.data(), length, "a name");
    out.names.push_back(std::move(name));
  }
  in.check_at(in.at(), in.left() == 0, "found {} bytes after the last name, expected the end",
              in.left());
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
