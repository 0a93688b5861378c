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
  Tensor t{{nullptr, head.shape, head.dtype, Device{}}, std::make_shared<Memory>(int64_t(size))};
  t.blob.data = t.memory->data();
  params::read_values(in, t.blob.data, size, head.dtype, "values");
  return t;
}

}  // namespace reading

std::vector<NamedTensor> read_tensors(std::string_view bytes) {
  params::MemoryReader in(bytes, "params");
  std::vector<NamedTensor> all;
  size_t named = 0;
  params::read_list(
      in,
      [&](params::Reader& at) {
        all.push_back({{}, reading::read_tensor(at)});
      },
      [&](std::string name) {
        if (named < all.size()) all[named].name = std::move(name);
        ++named;
      });
  check(named == 0 || named == all.size(), "[load] found {} names in params, expected {}", named,
        all.size());
  return all;
}

std::map<std::string, Tensor, std::less<>> read_params(std::string_view bytes) {
  std::map<std::string, Tensor, std::less<>> named;
  for (NamedTensor& t : read_tensors(bytes)) {
    check(!t.name.empty(), "[load] found an array without a name in params");
    if (t.tensor.blob.data)
      named.insert_or_assign(reading::plain_name(std::move(t.name)), std::move(t.tensor));
  }
  return named;
}

}  // namespace heddle
