// .params files read into plain memory.
#pragma once
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/mapped_file.h"
#include "runtime/memory.h"

namespace heddle {

// A tensor and what its values lie in, which copies share: memory of its own, or a file.
struct Tensor {
  Blob blob;
  std::shared_ptr<const Memory> memory;
  std::shared_ptr<const MappedFile> file = nullptr;
};
struct NamedTensor {
  std::string name;  // as it stands in the file; empty where arrays have none
  Tensor tensor;
};

// The dense arrays of a file, in its order. Throws Error with the byte offset and what was wrong.
std::vector<NamedTensor> read_tensors(std::string_view bytes);
// The same by their names, of which those of checkpoints lose "arg:" and "aux:". Throws Error when
// an array has no name.
std::map<std::string, Tensor, std::less<>> read_params(std::string_view bytes);
// The same of a file, which tensors share where their values lie in it as the processor wants them.
std::map<std::string, Tensor, std::less<>> read_params(std::shared_ptr<const MappedFile> file);

// A .params file in the making, whose arrays are named as they come.
class ParamsWriter {
 public:
  void add(std::string name, const Blob& b);  // dense, as it is stored
  std::string file() const;
  // At which byte of the file the values of an array of that rank begin that is added next.
  size_t next(int rank) const;

 private:
  std::string arrays_;
  std::vector<std::string> names_;
};

}  // namespace heddle
