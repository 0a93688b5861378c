// What the files of the C face share: what handles hold, and how arguments become values of C++.
#pragma once
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/c_errors.h"
#include "base/c_structs.h"
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

using c_face::guarded, c_face::hand_out, c_face::need, c_face::taken;

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

// Variables in an array whose items are as long as the first says.
std::vector<hd_variable> variables_of(const hd_variable* variables, int count);

}  // namespace heddle::capi
