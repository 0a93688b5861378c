// Operators whose forward and backward are functions of the host program: Python's CustomOp and
// autograd.Function, and whatever another language calls so.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "heddle/op.h"

namespace heddle {

// One call of the operator "Custom". It may keep state between its forward and its backward: every
// eager call and every plan of a network has one of its own.
class HEDDLE_API CustomOp {
 public:
  virtual ~CustomOp() = default;

  // Fixed when the call is made: names of inputs, of auxiliary states, which come after them, and
  // of outputs.
  virtual std::vector<std::string> arguments() const = 0;
  virtual std::vector<std::string> states() const { return {}; }
  virtual std::vector<std::string> outputs() const = 0;
  // What backward reads; states need not be named.
  virtual std::vector<Ref> reads() const = 0;

  // Like the functions of a record.
  virtual void infer_shape(InferContext& c) = 0;
  virtual void infer_dtype(InferContext& c) = 0;

  // Tensors of the CPU in the order of the lists above. Blobs without data: not wanted, or not
  // read.
  struct Tensors {
    std::vector<Blob> out_grad, in_data, out_data, in_grad, states;
  };
  // Returns when all wanted outputs are written. Throws Error.
  virtual void forward(const Tensors& t, bool training) = 0;
  virtual void backward(const Tensors& t, bool training) = 0;
};

// Makes the CustomOp of a call from its keywords, "op_type" among them; throws Error.
using CustomFactory = std::shared_ptr<CustomOp> (*)(const Kwargs& kwargs);
HEDDLE_API void set_custom_factory(CustomFactory factory);

// A call of "Custom" that has no keywords, and no place in files.
HEDDLE_API OpCallRef make_custom_call(std::shared_ptr<CustomOp> op);

}  // namespace heddle
