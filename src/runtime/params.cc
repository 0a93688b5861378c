// Reading named arrays.
#include "runtime/params.h"

#include <algorithm>
#include <vector>

#include "base/params_file.h"

namespace heddle {

namespace reading {

// "arg:fc_weight" and "aux:bn_mean" are how checkpoints name them.
std::string plain_name(std::string name) {
  return name.starts_with("arg:") || name.starts_with("aux:") ? name.substr(4) : name;
}

// Whether values at this place can be read as they lie; any byte but 0 and 1 would be no bool.
bool lies_well(const char* at, Dtype d) {
  return d != Dtype::kBool && reinterpret_cast<uintptr_t>(at) % uintptr_t(dtype_size(d)) == 0;
}

// The tensors of `bytes`, which are those of `file` where it is not null.
std::vector<NamedTensor> tensors(std::string_view bytes,
                                 const std::shared_ptr<const MappedFile>& file) {
  params::MemoryReader in(bytes, "params");
  const auto next = [&]() -> Tensor {
    const params::Head head = params::read_head(in);
    in.check_at(head.where, head.storage == 0, "found a sparse array, expected dense ones");
    if (head.none) return {};
    const uint64_t size = params::value_bytes(in, head.shape, head.dtype, "values");
    Tensor t{{nullptr, head.shape, head.dtype, Device{}}, nullptr, nullptr};
    if (file && size > 0 && lies_well(bytes.data() + in.at(), head.dtype)) {
      t.blob.data = const_cast<char*>(in.take(size, "values"));
      t.file = file;
      return t;
    }
    t.memory = std::make_shared<Memory>(int64_t(size));
    t.blob.data = t.memory->data();
    params::read_values(in, t.blob.data, size, head.dtype, "values");
    return t;
  };
  std::vector<NamedTensor> all;
  size_t named = 0;
  params::read_list(
      in,
      [&](params::Reader&) {
        all.push_back({{}, next()});
      },
      [&](std::string name) {
        if (named < all.size()) all[named].name = std::move(name);
        ++named;
      });
  check(named == 0 || named == all.size(), "[load] found {} names in params, expected {}", named,
        all.size());
  return all;
}

std::map<std::string, Tensor, std::less<>> by_name(std::vector<NamedTensor> all) {
  std::map<std::string, Tensor, std::less<>> named;
  for (NamedTensor& t : all) {
    check(!t.name.empty(), "[load] found an array without a name in params");
    if (t.tensor.blob.data)
      named.insert_or_assign(plain_name(std::move(t.name)), std::move(t.tensor));
  }
  return named;
}

}  // namespace reading

void ParamsWriter::add(std::string name, const Blob& b) {
  const params::Into out{arrays_};
  params::write_head(out, b.shape, b.dtype, b.device);
  if (b.bytes() > 0) out(b.data, size_t(b.bytes()));
  names_.push_back(std::move(name));
}

std::string ParamsWriter::file() const {
  std::string bytes;
  const params::Into out{bytes};
  params::write_list_head(out, names_.size());
  bytes += arrays_;
  params::write_names(out, names_);
  return bytes;
}

size_t ParamsWriter::next(int rank) const {
  std::string head;
  params::write_list_head(params::Into{head}, 0);
  Shape shape = Shape::unknown(rank);
  std::fill_n(&shape[0], rank, 1);
  params::write_head(params::Into{head}, shape, Dtype::kUint8, Device{});
  return head.size() + arrays_.size();
}

std::vector<NamedTensor> read_tensors(std::string_view bytes) {
  return reading::tensors(bytes, nullptr);
}

std::map<std::string, Tensor, std::less<>> read_params(std::string_view bytes) {
  return reading::by_name(read_tensors(bytes));
}

std::map<std::string, Tensor, std::less<>> read_params(std::shared_ptr<const MappedFile> file) {
  return reading::by_name(reading::tensors(file->bytes(), file));
}

}  // namespace heddle
