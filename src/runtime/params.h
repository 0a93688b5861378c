// .params files read into plain memory.
#pragma once
#include <map>
#include <string>
#include <string_view>

#include "runtime/memory.h"

namespace heddle {

// A tensor with memory of its own.
struct Tensor {
  Blob blob;
  Memory memory;
};

// The dense arrays of a file by their names, of which those of checkpoints lose "arg:" and "aux:".
// Throws Error with the byte offset and what was wrong, or when an array has no name.
std::map<std::string, Tensor, std::less<>> read_params(std::string_view bytes);

}  // namespace heddle
