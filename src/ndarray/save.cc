// Writing MXNet's .params files, version 2.
#include <vector>

#include "base/atomic_file.h"
#include "heddle/function_ref.h"
#include "ndarray/params_format.h"

namespace heddle {
namespace saving {

using params::Sink;

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
  if (!a) return params::write_none(out);
  a.wait_to_read();
  check(!a.var().poisoned(),
        "[save] array '{}' has no value: the task that should have written it failed", name);
  params::write_head(out, a.shape(), a.dtype(), a.device());
  put_values(out, a);
}

void put_list(Sink out, const NamedArrays& what) {
  const size_t count = what.arrays.size();
  check(what.names.empty() || what.names.size() == count, "[save] found {} names for {} arrays",
        what.names.size(), count);
  params::write_list_head(out, count);
  for (size_t i = 0; i < count; ++i)
    put_array(out, what.arrays[i], what.names.empty() ? std::to_string(i) : what.names[i]);
  params::write_names(out, what.names);
}

}  // namespace saving

void save_arrays(const std::string& path, const NamedArrays& what) {
  AtomicFile file(params::local_path("save", path));
  saving::put_list([&](const void* data, size_t n) { file.write(data, n); }, what);
  file.commit();
}

std::string save_arrays_to_bytes(const NamedArrays& what) {
  std::string bytes;
  saving::put_list(params::Into{bytes}, what);
  return bytes;
}

std::string array_to_bytes(const NDArray& a) {
  std::string bytes;
  saving::put_array(params::Into{bytes}, a, "");
  return bytes;
}

}  // namespace heddle
