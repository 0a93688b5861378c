// Words every room uses: errors, messages, dtypes, devices, shapes, and the non-owning Blob.
#pragma once
#include <array>
#include <cstdint>
#include <initializer_list>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>

#include "heddle/api.h"
#include "heddle/half.h"

namespace heddle {

// What the library throws. `what()` starts with what the user named, then what was found, then what
// was expected.
struct HEDDLE_API Error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// Throws Error: the one place that does, so that the same code serves builds without exceptions.
// There it calls the handler that set_error_handler() was given, which must not return.
[[noreturn]] HEDDLE_API void throw_error(const std::string& text);
using ErrorHandler = void (*)(const char* text);
// For builds without exceptions. Without a handler, the text goes to stderr and the process ends.
HEDDLE_API void set_error_handler(ErrorHandler handler);

// body(), or rescue(text) when it throws Error (or what else is Caught): the one place that
// catches. In a build without exceptions nothing comes back from an error, and this is body().
template <class Caught = Error, class Body, class Rescue>
auto attempt(Body&& body, [[maybe_unused]] Rescue&& rescue) -> decltype(body()) {
#ifdef __cpp_exceptions
  try {
    return body();
  } catch (const Caught& e) {
    return rescue(std::string_view(e.what()));
  }
#else
  return body();
#endif
}

// --- messages ---------------------------------------------------------------------------------
HEDDLE_API void append(std::string& to, std::string_view v);
HEDDLE_API void append(std::string& to, bool v);
// The shortest text that reads back as the same number.
HEDDLE_API void append(std::string& to, double v);
HEDDLE_API void append(std::string& to, float v);
HEDDLE_API void append(std::string& to, long long v);
HEDDLE_API void append(std::string& to, unsigned long long v);
inline void append(std::string& to, const char* v) { append(to, std::string_view(v)); }
inline void append(std::string& to, const std::string& v) { append(to, std::string_view(v)); }
template <class T>
requires std::is_integral_v<T>
void append(std::string& to, T v) {
  if constexpr (std::is_signed_v<T>) append(to, static_cast<long long>(v));
  else append(to, static_cast<unsigned long long>(v));
}

// Something that a message shows: any type with an append() overload. It refers to what it was made
// of. The functions below are called in hundreds of places with every mix of types, so each of
// these takes no more than a list of such references.
class HEDDLE_API Shown {
 public:
  Shown(std::string_view v) : at_(v.data()), size_(v.size()), append_(append_text) {}
  Shown(const std::string& v) : Shown(std::string_view(v)) {}
  Shown(const char* v) : Shown(std::string_view(v)) {}
  template <class T>
  Shown(const T& v)
      : at_(&v), append_([](std::string& to, const void* at, size_t) {
          append(to, *static_cast<const T*>(at));
        }) {}
  void append_to(std::string& to) const { append_(to, at_, size_); }

 private:
  static void append_text(std::string& to, const void* at, size_t size);
  const void* at_;
  size_t size_ = 0;
  void (*append_)(std::string& to, const void* at, size_t size);
};
HEDDLE_API std::string format_all(std::string_view f, std::initializer_list<Shown> all);
[[noreturn]] HEDDLE_API void fail_with(std::string_view f, std::initializer_list<Shown> all);

// format("a={} b={}", 1, "x") -> "a=1 b=x".
template <class... A>
std::string format(std::string_view f, const A&... a) {
  return format_all(f, {Shown(a)...});
}

// Throws Error with a formatted text.
template <class... A>
[[noreturn]] void fail(std::string_view f, const A&... a) {
  fail_with(f, {Shown(a)...});
}

// Throws Error when `ok` is false. Start the message with the operator's name: "[Concat] ...".
template <class... A>
void check(bool ok, std::string_view f, const A&... a) {
  if (!ok) [[unlikely]]
    fail(f, a...);
}

// --- names ------------------------------------------------------------------------------------
// A word of a record: a literal, or a text that is kept for the life of the process, once (names of
// operators and their inputs are few). Copies cost nothing, and the text ends in a zero.
class HEDDLE_API Name : public std::string_view {
 public:
  constexpr Name() : std::string_view("", 0) {}
  template <size_t N>
  constexpr Name(const char (&literal)[N]) : std::string_view(literal, N - 1) {}
  Name(std::string_view text) : std::string_view(kept(text)) {}
  Name(const std::string& text) : Name(std::string_view(text)) {}
  template <class T>
  requires std::is_same_v<T, const char*> Name(const T& text) : Name(std::string_view(text)) {}
  const char* c_str() const { return data(); }
  operator std::string() const { return std::string(data(), size()); }
  friend std::string operator+(std::string_view a, Name b) { return joined(a, b); }
  friend std::string operator+(Name a, std::string_view b) { return joined(a, b); }

 private:
  static std::string_view kept(std::string_view text);
  static std::string joined(std::string_view a, std::string_view b);
};

// --- dtypes -----------------------------------------------------------------------------------
// The numbers are MXNet's type flags: they stand in files.
enum class Dtype : int8_t {
  kUnknown = -1,
  kFloat32 = 0,
  kFloat64 = 1,
  kFloat16 = 2,
  kUint8 = 3,
  kInt32 = 4,
  kInt8 = 5,
  kInt64 = 6,
  kBool = 7,
  kBfloat16 = 12,
};

template <class T>
inline constexpr Dtype dtype_of = Dtype::kUnknown;
template <>
inline constexpr Dtype dtype_of<float> = Dtype::kFloat32;
template <>
inline constexpr Dtype dtype_of<double> = Dtype::kFloat64;
template <>
inline constexpr Dtype dtype_of<float16> = Dtype::kFloat16;
template <>
inline constexpr Dtype dtype_of<bfloat16> = Dtype::kBfloat16;
template <>
inline constexpr Dtype dtype_of<uint8_t> = Dtype::kUint8;
template <>
inline constexpr Dtype dtype_of<int8_t> = Dtype::kInt8;
template <>
inline constexpr Dtype dtype_of<int32_t> = Dtype::kInt32;
template <>
inline constexpr Dtype dtype_of<int64_t> = Dtype::kInt64;
template <>
inline constexpr Dtype dtype_of<bool> = Dtype::kBool;

HEDDLE_API int64_t dtype_size(Dtype d);           // bytes of one element
HEDDLE_API std::string_view dtype_name(Dtype d);  // "float32", as NumPy says it
HEDDLE_API Dtype find_dtype(std::string_view s);  // kUnknown when there is none of that name
// Throws Error and lists the names when it is unknown.
HEDDLE_API Dtype dtype_from_name(std::string_view s);
inline bool is_float(Dtype d) {
  return d == Dtype::kFloat32 || d == Dtype::kFloat64 || d == Dtype::kFloat16 ||
         d == Dtype::kBfloat16;
}
inline void append(std::string& to, Dtype d) { append(to, dtype_name(d)); }

// Calls fn(T{}) with the C++ type of `d`; `who` is the operator, for the error.
template <class Fn>
void with_dtype(Dtype d, std::string_view who, Fn&& fn) {
  switch (d) {
    case Dtype::kFloat32:
      return fn(float{});
    case Dtype::kFloat64:
      return fn(double{});
    case Dtype::kFloat16:
      return fn(float16{});
    case Dtype::kBfloat16:
      return fn(bfloat16{});
    case Dtype::kUint8:
      return fn(uint8_t{});
    case Dtype::kInt8:
      return fn(int8_t{});
    case Dtype::kInt32:
      return fn(int32_t{});
    case Dtype::kInt64:
      return fn(int64_t{});
    case Dtype::kBool:
      return fn(bool{});
    case Dtype::kUnknown:
      break;
  }
  fail("[{}] dtype {} is not supported", who, d);
}
// The same for the four floating types only.
template <class Fn>
void with_float(Dtype d, std::string_view who, Fn&& fn) {
  switch (d) {
    case Dtype::kFloat32:
      return fn(float{});
    case Dtype::kFloat64:
      return fn(double{});
    case Dtype::kFloat16:
      return fn(float16{});
    case Dtype::kBfloat16:
      return fn(bfloat16{});
    default:
      break;
  }
  fail("[{}] dtype {} is not supported, expected a floating type", who, d);
}

// --- devices ----------------------------------------------------------------------------------
// Where data lives and work runs. kFake behaves like an asynchronous device and exists for tests.
struct HEDDLE_API Device {
  enum Kind : uint8_t { kCpu = 1, kCuda = 2, kPinned = 3, kFake = 6 };  // MXNet's dev_type
  Kind kind = kCpu;
  int id = 0;
  bool operator==(const Device&) const = default;
};
HEDDLE_API void append(std::string& to, Device d);  // "cpu(0)", "gpu(1)"
// "cpu(0)", "gpu"; "" gives `none`.
HEDDLE_API Device device_from_name(std::string_view s, Device none);

// --- shapes -----------------------------------------------------------------------------------
// Up to 8 dimensions, held inline. rank() < 0: rank unknown; a dimension < 0: that one unknown.
// (MXNet's files and calls write 0 for an unknown dimension; it is converted where they enter.)
class HEDDLE_API Shape {
 public:
  static constexpr int kMaxRank = 8;
  Shape() = default;
  Shape(std::initializer_list<int64_t> d) {
    rank_ = 0;
    for (int64_t v : d) append(v);
  }
  static Shape unknown(int rank) {
    Shape s;
    s.set_rank(rank);
    s.dim_.fill(-1);
    return s;
  }
  template <class It>
  static Shape of(It first, It last) {
    Shape s;
    s.rank_ = 0;
    for (; first != last; ++first) s.append(static_cast<int64_t>(*first));
    return s;
  }
  void append(int64_t d) {
    const int at = rank_ < 0 ? 0 : rank_;
    set_rank(at + 1);
    dim_[at] = d;
  }
  void set_rank(int rank) {
    if (rank > kMaxRank) [[unlikely]]
      throw_rank(rank);
    rank_ = static_cast<int8_t>(rank);
  }
  int rank() const { return rank_; }
  bool has_rank() const { return rank_ >= 0; }
  int64_t operator[](int i) const { return dim_[i < 0 ? i + rank_ : i]; }
  int64_t& operator[](int i) { return dim_[i < 0 ? i + rank_ : i]; }
  const int64_t* begin() const { return dim_.data(); }
  const int64_t* end() const { return dim_.data() + (rank_ < 0 ? 0 : rank_); }
  bool known() const {
    for (int i = 0; i < rank_; ++i)
      if (dim_[i] < 0) return false;
    return rank_ >= 0;
  }
  // Product of the dimensions [from, to); of all of them by default.
  int64_t size(int from = 0, int to = kMaxRank) const {
    int64_t n = 1;
    for (int i = from; i < rank_ && i < to; ++i) n *= dim_[i];
    return n;
  }
  bool operator==(const Shape& o) const {
    if (rank_ != o.rank_) return false;
    for (int i = 0; i < rank_; ++i)
      if (dim_[i] != o.dim_[i]) return false;
    return true;
  }

 private:
  [[noreturn]] static void throw_rank(int rank);
  std::array<int64_t, kMaxRank> dim_{};
  int8_t rank_ = -1;
};
// "(2,3)", "(2,?)", "?" when the rank is unknown.
HEDDLE_API void append(std::string& to, const Shape& s);

// Turns an axis that may be negative into [0, rank), or throws naming `who`.
HEDDLE_API int normalize_axis(std::string_view who, int64_t axis, int rank);

// --- how tensors are stored ---------------------------------------------------------------------
enum class Stype : int8_t { kUnknown = -1, kDense = 0, kRowSparse = 1, kCsr = 2 };

// The order of a dense tensor's elements in memory: C order, unless some axes are cut into blocks,
// which lie innermost, the first one outside. {1, 16} on (n,c,h,w) is what oneDNN calls nChw16c:
// element (n,c,h,w) lies at (((n*C/16 + c/16)*H + h)*W + w)*16 + c%16. Before the blocks, axis
// `last` comes after all others: {0, 16} with last = 1 on (o,i,h,w) is Ohwi16o. Extents divide by
// their blocks, so a tensor has the same bytes in any layout.
struct HEDDLE_API Layout {
  struct Block {
    int8_t axis = -1;  // -1: none
    int8_t size = 1;
    bool operator==(const Block&) const = default;
  };
  std::array<Block, 3> blocks = {};
  int8_t last = -1;
  bool plain() const {  // no axis
    return int8_t(blocks[0].axis & blocks[1].axis & blocks[2].axis & last) < 0;
  }
  bool operator==(const Layout&) const = default;
  static Layout channels(int block) { return {{Block{1, int8_t(block)}}}; }  // "nChw16c"
};
HEDDLE_API void append(std::string& to, const Layout& l);  // "plain", "[1/16]", "[last 1, 0/16]"

struct HEDDLE_API Stored {
  Stype kind = Stype::kDense;
  Layout layout = {};
  bool plain() const { return kind == Stype::kDense && layout.plain(); }
  bool operator==(const Stored&) const = default;
};

// A tensor somebody else owns. What kernels see: dense and in C order, unless a kernel has said
// that it takes others.
struct HEDDLE_API Blob {
  void* data = nullptr;
  Shape shape;
  Dtype dtype = Dtype::kFloat32;
  Device device;
  Stored stored = {};
  const Blob* parts = nullptr;  // besides data: row_sparse: indices; csr: indptr, indices
  int64_t size() const { return shape.size(); }
  int64_t bytes() const { return size() * dtype_size(dtype); }
  template <class T>
  T* as() const {
    if (dtype != dtype_of<T>) [[unlikely]]
      fail("blob holds {}, not {}", dtype, dtype_of<T>);
    return static_cast<T*>(data);
  }
};

}  // namespace heddle
