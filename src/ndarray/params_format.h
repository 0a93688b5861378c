// MXNet's .params files: the numbers that stand in them, and a reader that believes none of them.
#pragma once
#include <bit>
#include <cstdint>
#include <string>
#include <string_view>

#include "heddle/ndarray.h"

namespace heddle::params {

static_assert(std::endian::native == std::endian::little, "the format is little-endian");

constexpr uint64_t kListMagic = 0x112;
constexpr uint32_t kMagic1 = 0xF993FAC8;  // 64-bit dimensions
constexpr uint32_t kMagic2 = 0xF993FAC9;  // storage kinds
constexpr uint32_t kMagic3 = 0xF993FACA;  // NumPy's shapes: () is a scalar, 0 is an extent

// Bytes from a file or from memory. Every read is checked against what is left, and every error
// says where it happened: "[load] 'x.params' at byte 24: found ..., expected ...".
class Reader {
 public:
  Reader(std::string_view name, uint64_t size) : name_(name), size_(size) {}
  virtual ~Reader() = default;
  uint64_t at() const { return at_; }
  uint64_t left() const { return size_ - at_; }
  void read(void* to, uint64_t bytes, std::string_view what);
  template <class T>
  T get(std::string_view what) {
    T v;
    read(&v, sizeof v, what);
    return v;
  }
  // Throws about the field that began at `where`.
  template <class... A>
  void check_at(uint64_t where, bool ok, std::string_view f, const A&... a) const {
    if (!ok) [[unlikely]]
      throw_at(where, format(f, a...));
  }

 protected:
  [[noreturn]] void throw_at(uint64_t where, std::string_view what) const;

 private:
  virtual void fetch(void* to, uint64_t bytes) = 0;
  std::string name_;
  uint64_t size_, at_ = 0;
};

// The path of a name that may be a URI: "file:///tmp/x" is "/tmp/x", others throw.
std::string local_path(std::string_view who, const std::string& name);

// One array record, into host memory. Sparse arrays become dense ones.
NDArray read_array(Reader& in);
// A whole file.
NamedArrays read_list(Reader& in);

// Scatters the rows of a row_sparse array (indices) or the elements of a csr one (indptr, indices)
// into zeros. `where` is the byte at which the record began, for errors.
NDArray densify_rows(const Reader& in, uint64_t where, const Shape& shape, const NDArray& data,
                     const NDArray& indices);
NDArray densify_csr(const Reader& in, uint64_t where, const Shape& shape, const NDArray& data,
                    const NDArray& indptr, const NDArray& indices);

}  // namespace heddle::params
