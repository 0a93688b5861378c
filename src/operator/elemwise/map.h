// map(): applies one formula to every element. The driver is ordinary code, compiled once; only the
// innermost loops are templates (loops.h), reached through a table of function pointers.
//
// It takes care of what all elementwise operators share: broadcasting, dtypes that compute through
// another type, constants, instruction-set levels, and splitting work.
#pragma once
#include <initializer_list>
#include <span>

#include "heddle/op.h"
#include "operator/elemwise/convert.h"

namespace heddle::ops::ew {

inline constexpr int kMaxInputs = 6, kMaxOutputs = 5;

// One innermost loop: n elements of every input and output, all of type T and contiguous. An output
// may be the memory of an input. `params` is the formula's own.
template <class T>
using Loop = void (*)(const void* params, const T* const* in, T* const* out, int64_t n);

// The loops of one formula by compute type and level. Without i64, integers compute in double.
struct MapLoops {
  Loop<float> f32[3];
  Loop<double> f64[3];
  Loop<int64_t> i64[3];
};

// An input of a map: a tensor that broadcasts to the first output's shape, or a constant.
class Operand {
 public:
  Operand(const Blob& b) : blob_(&b) {}
  Operand(double constant) : constant_(constant) {}
  // A parameter of the formula, which stays as it is beside integers: there, a constant becomes
  // one.
  static Operand parameter(double number) {
    Operand o(number);
    o.parameter_ = true;
    return o;
  }
  // Reads as 1 where the element is not zero (NaN included), as 0 elsewhere.
  static Operand truth(const Blob& b) {
    Operand o(b);
    o.truth_ = true;
    return o;
  }
  const Blob* blob() const { return blob_; }
  double constant() const { return constant_; }
  bool is_truth() const { return truth_; }
  bool is_parameter() const { return parameter_; }

 private:
  const Blob* blob_ = nullptr;
  double constant_ = 0;
  bool truth_ = false, parameter_ = false;
};

// out[k][i] = formula(in[0][i], in[1][i], ...). Outputs have the same shape. The compute type
// follows the dtype of the first output.
void map(const OpContext& ctx, const MapLoops& loops, std::span<const Operand> in,
         std::span<const Blob> out, const void* params = nullptr);
inline void map(const OpContext& ctx, const MapLoops& loops, std::initializer_list<Operand> in,
                const Blob& out, const void* params = nullptr) {
  map(ctx, loops, std::span(in.begin(), in.size()), std::span(&out, 1), params);
}

// One map among several: all tensors have the shape of out[0].
struct MapCall {
  const MapLoops* loops;
  std::span<const Blob> in, out;
  const void* params;
};
// Runs them side by side: the pieces of all share the threads, so many small tensors cost one loop.
// No call may touch what another writes.
void map_all(const OpContext& ctx, std::span<const MapCall> calls);

// Writes x, which may be smaller, over y by NumPy's broadcasting; converts the dtype. In
// identity.cc.
void copy_broadcast(const OpContext& ctx, const Blob& x, const Blob& y);

// The shape that a and b broadcast to; unknown as far as they are. Throws naming `op`.
Shape broadcast_shape(std::string_view op, const Shape& a, const Shape& b);

}  // namespace heddle::ops::ew
