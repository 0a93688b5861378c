// One operator applied to arrays: types, memory, and the engine task that runs its kernel.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "heddle/ndarray.h"
#include "heddle/op.h"
#include "symbol/passes.h"

namespace heddle {

// What inference says about a call on given arrays.
struct CallTypes {
  std::vector<ValueInfo> out;
  int64_t bytes = 0;  // that inputs and outputs cover
};
// Infers, or remembers the last inferences of this thread. `given`: arrays that outputs go to, none
// or absent where they are to be made; they take part.
std::shared_ptr<const CallTypes> types_of(const OpCallRef& call, std::span<const NDArray* const> in,
                                          std::span<const NDArray> given, bool training);

struct ArrayCall {
  const OpCallRef& call;
  std::span<const NDArray* const> in;
  std::span<NDArray> out;            // every output, hidden ones too; none: nobody wants it
  std::span<const ValueInfo> types;  // of the outputs
  Device device;
  bool training = false;
  bool given = false;  // were outputs there before? Then they may lie in the memory of inputs
  int64_t bytes = 0;
};
// Small work runs here when nothing else uses the arrays; other work is pushed.
void run(const ArrayCall& c);

}  // namespace heddle
