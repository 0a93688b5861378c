// Reading named arrays.
#include "runtime/params.h"

#include <vector>

#include "base/params_file.h"

namespace heddle {

namespace reading {

// "arg:fc_weight" and "aux:bn_mean" are how checkpoints name them.
std::string plain_name(std::string name) {
  return name.starts_with("arg:") || name.starts_with("aux:") ? name.substr(4) : name;
}

Tensor read_tensor(params::Reader& in) {
  const params::Head head = params::read_head(in);
  in.check_at(head.where, head.storage == 0, "found a sparse array, expected dense ones");
  if (head.none) return {};
  const uint64_t size = params::value_bytes(in, head.shape, head.dtype, "values");
  Tensor t{{nullptr, head.shape, head.dtype, Device{}}, Memory(int64_t(size))};
  t.blob.data = t.memory.data();
  params::read_values(in, t.blob.data, size, head.dtype, "values");
  return t;
}

}  // namespace reading

std::map<std::string, Tensor, std::less<>> read_params(std::string_view bytes) {
  params::MemoryReader in(bytes, "params");
  std::vector<Tensor> arrays;
  std::vector<std::string> names;
  params::read_list(
      in, [&](params::Reader& at) { arrays.push_back(reading::read_tensor(at)); },
      [&](std::string name) { names.push_back(reading::plain_name(std::move(name))); });
  check(names.size() == arrays.size(), "[load] found {} arrays without names in params",
        arrays.size());
  std::map<std::string, Tensor, std::less<>> named;
  for (size_t i = 0; i < names.size(); ++i)
    if (arrays[i].blob.data) named.insert_or_assign(std::move(names[i]), std::move(arrays[i]));
  return named;
}

}  // namespace heddle
