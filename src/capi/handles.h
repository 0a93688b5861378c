// What the files of the C face share: what handles hold, and how arguments become values of C++.
#pragma once
#include <algorithm>
#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/c_errors.h"
#include "heddle/c_api.h"
#include "heddle/executor.h"
#include "heddle/io.h"
#include "heddle/kvstore.h"
#include "heddle/ndarray.h"
#include "heddle/symbol.h"

namespace heddle::capi {

// What hd_free() gets. Types derive from this alone, so that its address is theirs.
struct Handle {
  virtual ~Handle() = default;
  virtual void close() {}  // throws what a destructor cannot
};

}  // namespace heddle::capi

struct hd_array final : heddle::capi::Handle {
  hd_array() = default;
  explicit hd_array(heddle::NDArray a) : value(std::move(a)) {}
  heddle::NDArray value;
};

struct hd_symbol final : heddle::capi::Handle {
  explicit hd_symbol(heddle::Symbol s) : value(std::move(s)) {}
  heddle::Symbol value;
};

namespace heddle::capi {

using c_face::guarded;

template <class T>
T& need(T* p, std::string_view what) {
  check(p != nullptr, "[C] {} is null", what);
  return *p;
}
inline const NDArray& array_of(const hd_array* a, std::string_view what = "the array") {
  return need(a, what).value;
}

inline void check_count(int count, const void* list, std::string_view what) {
  check(count >= 0, "[C] found {} {}, expected 0 or more", count, what);
  check(list != nullptr || count == 0, "[C] the list of {} {} is null", count, what);
}
std::vector<NDArray> arrays_of(hd_array* const* arrays, int count, std::string_view what);
std::vector<Symbol> symbols_of(hd_symbol* const* symbols, int count);
Shape shape_of(const int64_t* shape, int rank);  // dimensions below 0 are unknown
Dtype dtype_of(int dtype);
Device device_of(const char* name);  // null: the CPU
GradReq grad_of(int grad, GradReq fallback);
// Names and values by turns, ending in null.
Kwargs params_of(const char* const* params);

// Gives the caller a new handle, and nothing when what makes it throws.
template <class H, class Make>
int give(H** out, Make&& make) {
  return guarded([&] {
    need(out, "the place of the result");
    *out = new H(make());
  });
}

// Arrays that something else owns, as a list of C.
class ArrayList {
 public:
  void set(const std::vector<NDArray>& arrays);  // none: null
  hd_array* const* data() const { return pointers_.data(); }
  int size() const { return int(pointers_.size()); }

 private:
  std::vector<std::unique_ptr<hd_array>> handles_;
  std::vector<hd_array*> pointers_;
};

// What a function gave to the calling thread, until it is called again: thread_local PerThread<T>.
// A pointer alone, since memory for variables of threads is short in a library that is loaded late.
template <class T>
class PerThread {
 public:
  T& operator*() { return *value_; }
  T* operator->() { return value_.get(); }

 private:
  const std::unique_ptr<T> value_ = std::make_unique<T>();
};

// Texts, as a list of C.
class TextList {
 public:
  void set(std::vector<std::string> texts) {
    texts_ = std::move(texts);
    pointers_.clear();
    for (const std::string& s : texts_) pointers_.push_back(s.c_str());
  }
  const char* const* data() const { return pointers_.data(); }
  int size() const { return int(pointers_.size()); }

 private:
  std::vector<std::string> texts_;
  std::vector<const char*> pointers_;
};

// --- structs that begin with their size
// -----------------------------------------------------------
// What the caller's struct says, where its header may be older or newer than ours.
template <class T>
T taken(const T* given, size_t size, std::string_view what) {
  T t{};
  if (!given) return t;
  check(size >= sizeof(size_t), "[C] {} has size {}, expected {}: set it to sizeof", what, size,
        sizeof(T));
  const auto* const bytes = reinterpret_cast<const char*>(given);
  for (size_t i = sizeof(T); i < size; ++i)
    check(bytes[i] == 0, "[C] {} has size {} and sets what this library, where it is {}, lacks",
          what, size, sizeof(T));
  std::memcpy(&t, given, std::min(size, sizeof(T)));
  return t;
}
template <class T>
T taken(const T* given, std::string_view what) {
  return taken(given, given ? given->size : 0, what);
}

// Fills in as much of the caller's struct as both know.
template <class T>
void hand_out(T* to, T filled, std::string_view what) {
  const size_t size = need(to, what).size;
  check(size >= sizeof(size_t), "[C] {} has size {}, expected {}: set it to sizeof", what, size,
        sizeof(T));
  filled.size = size;
  std::memcpy(to, &filled, std::min(size, sizeof(T)));
}

// Variables in an array whose items are as long as the first says.
std::vector<hd_variable> variables_of(const hd_variable* variables, int count);
// What one says of its type.
std::optional<Shape> shape_of(const hd_variable& v);

}  // namespace heddle::capi
