// MXNet's .params files: the numbers that stand in them, a reader that believes none of them, and a
// writer. Knows no arrays: where values go and come from is the caller's to say.
#pragma once
#include <bit>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "heddle/base.h"
#include "heddle/function_ref.h"

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
  void expect(uint64_t bytes, std::string_view what) const;  // throws where fewer are left
  void advance(uint64_t bytes) { at_ += bytes; }

 private:
  virtual void fetch(void* to, uint64_t bytes) = 0;
  std::string name_;
  uint64_t size_, at_ = 0;
};

class MemoryReader : public Reader {
 public:
  MemoryReader(std::string_view bytes, std::string_view name)
      : Reader(name, bytes.size()), bytes_(bytes) {}
  // The next bytes themselves.
  const char* take(uint64_t bytes, std::string_view what);

 private:
  void fetch(void* to, uint64_t bytes) override;
  std::string_view bytes_;
};

Shape read_shape(Reader& in, std::string_view what);
Dtype read_dtype(Reader& in, std::string_view what);
void read_device(Reader& in);

// Before NumPy's shapes, no dimensions or an extent of 0 said "no array".
bool is_none(const Shape& shape, bool numpy_shapes);

// What stands before the values of an array.
struct Head {
  uint64_t where = 0;  // the byte at which the record began
  int storage = 0;     // 0: dense, 1: row_sparse, 2: csr; of those nothing more has been read
  bool none = false;   // there is no array, and nothing follows
  Shape shape = {};
  Dtype dtype = Dtype::kUnknown;
};
Head read_head(Reader& in);

// The bytes of the values that follow; throws when the file has not so many left.
uint64_t value_bytes(Reader& in, const Shape& shape, Dtype dtype, std::string_view what);
void read_values(Reader& in, void* to, uint64_t bytes, Dtype dtype, std::string_view what);

// A whole file: calls array(in) for every array and then name(text) for every name, of which there
// are as many or none.
void read_list(Reader& in, FunctionRef<void(Reader&)> array, FunctionRef<void(std::string)> name);

// Writing, version 2: the head of a list, its arrays, then their names. An array is a head and its
// values, or none.
using Sink = FunctionRef<void(const void*, size_t)>;
void write_list_head(Sink out, uint64_t count);
void write_head(Sink out, const Shape& shape, Dtype dtype, Device device);
void write_none(Sink out);
void write_names(Sink out, std::span<const std::string> names);

// Appends what it is given to a string.
struct Into {
  std::string& bytes;
  void operator()(const void* data, size_t n) const {
    bytes.append(static_cast<const char*>(data), n);
  }
};

}  // namespace heddle::params
