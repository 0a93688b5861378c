// Pointwise calls that run together, a tile of their tensors at a time, so that what one hands to
// the next stays in the cache. Put in by symbol/fuse_pointwise.cc.
#pragma once
#include <string>
#include <vector>

#include "heddle/op.h"

namespace heddle::ops::ew {

// One of the calls. Values are numbered: first the inputs of all, then the outputs of each part.
struct PointwisePart {
  OpCallRef call;
  std::vector<int> inputs;
  std::vector<Dtype> outputs;   // the dtype of each; kUnknown: as inference has it
  std::vector<uint8_t> wanted;  // of the outputs: 0 where nobody reads it
};

struct PointwiseParam {
  std::string text;  // what follows, as written by print(): one line a part, then the results
  std::vector<PointwisePart> parts = {};
  std::vector<int> results = {};  // the value of each output
  std::vector<Input> inputs = {};

  void fields(auto&& f) {
    f("parts", text,
      "The number of inputs, then a line for each call: operator{name=value;...} inputs: dtypes of "
      "the outputs (any: as it comes), with '-' before one that nobody reads. Tensors are "
      "numbered: the inputs, then "
      "the outputs of each call. Last, '->' and the results.")
        .required();
    if (parts.empty() && !text.empty()) read();
  }
  // From the text; throws Error naming the line that it cannot read.
  void read();
  // Sets `text` and `inputs` from the parts and the results.
  void finish();
};

// The call of meaning kPointwise that does all of these.
OpCallRef make_pointwise(std::vector<PointwisePart> parts, std::vector<int> results, int inputs);

}  // namespace heddle::ops::ew
