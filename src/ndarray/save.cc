// Writing MXNet's .params files, version 2.
#include <vector>

#include "base/atomic_file.h"
#include "heddle/function_ref.h"
#include "ndarray/params_format.h"

namespace heddle {
namespace saving {

using Sink = FunctionRef<void(const void*, size_t)>;

template <class T>
void put(Sink out, T v) {
  out(&v, sizeof v);
}

void put_shape(Sink out, const Shape& shape) {
  put(out, int32_t(shape.rank()));
  for (int64_t d : shape) put(out, d);
}

void put_values(Sink out, const NDArray& a) {
  if (a.device().kind == Device::kCpu || a.device().kind == Device::kPinned) {
    if (a.bytes()) out(a.blob().data, size_t(a.bytes()));
    return;
  }
  std::vector<char> host(size_t(a.bytes()));
  a.copy_to(host.data());
  out(host.data(), host.size());
}

void put_array(Sink out, const NDArray& a, std::string_view name) {
  if (a) {
    a.wait_to_read();
    check(!a.var().poisoned(),
          "[save] array '{}' has no value: the task that should have written it failed", name);
  }
  // A scalar and an extent of 0 can only be said in the words of version 3.
  const bool numpy_shape = a && (a.shape().rank() == 0 || a.size() == 0);
  put(out, numpy_shape ? params::kMagic3 : params::kMagic2);
  put(out, int32_t(0));  // dense
  if (!a) return put(out, int32_t(0));
  put_shape(out, a.shape());
  const Device::Kind kind = a.device().kind == Device::kFake ? Device::kCpu : a.device().kind;
  put(out, int32_t(kind));
  put(out, int32_t(a.device().id));
  put(out, int32_t(a.dtype()));
  put_values(out, a);
}

void put_list(Sink out, const NamedArrays& what) {
  const size_t count = what.arrays.size();
  check(what.names.empty() || what.names.size() == count, "[save] found {} names for {} arrays",
        what.names.size(), count);
  put(out, params::kListMagic);
  put(out, uint64_t(0));
  put(out, uint64_t(count));
  for (size_t i = 0; i < count; ++i)
    put_array(out, what.arrays[i], what.names.empty() ? std::to_string(i) : what.names[i]);
  put(out, uint64_t(what.names.size()));
  for (const std::string& name : what.names) {
    put(out, uint64_t(name.size()));
    out(name.data(), name.size());
  }
}

// Appends what it is given to a string.
struct Into {
  std::string& bytes;
  void operator()(const void* data, size_t n) const {
    bytes.append(static_cast<const char*>(data), n);
  }
};

}  // namespace saving

void save_arrays(const std::string& path, const NamedArrays& what) {
  AtomicFile file(params::local_path("save", path));
  saving::put_list([&](const void* data, size_t n) { file.write(data, n); }, what);
  file.commit();
}

std::string save_arrays_to_bytes(const NamedArrays& what) {
  std::string bytes;
  saving::put_list(saving::Into{bytes}, what);
  return bytes;
}

std::string array_to_bytes(const NDArray& a) {
  std::string bytes;
  saving::put_array(saving::Into{bytes}, a, "");
  return bytes;
}

}  // namespace heddle
