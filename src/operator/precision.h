// Mixed precision: in which type each call is given its floating inputs.
#pragma once
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "heddle/op.h"

namespace heddle {

// What the records say (OpDef::precision), or what a program puts in its place.
class HEDDLE_API PrecisionPolicy {
 public:
  // Throws Error unless `narrow` is float16 or bfloat16.
  explicit PrecisionPolicy(Dtype narrow);
  Dtype narrow() const { return narrow_; }

  // These operators are of precision `p`, and those of which the records say so are kAny unless
  // they are among them. Throws Error for an unknown one.
  void only(Precision p, const std::vector<std::string>& operators);
  // In the place of OpDef::full_when, for all operators.
  struct FullWhen {
    std::string op;
    Condition when;
  };
  void only_full_when(const std::vector<FullWhen>& all);

  Precision of(const OpCall& call) const;
  // What the floating inputs of a call become; kUnknown: they stay as they are. types: of its
  // inputs, kUnknown where that is not known yet, so that only a node of meaning kToWidest can tell
  // (`open` is set then). float64 is left alone, and with it what stands beside it.
  Dtype wanted(const OpCall& call, std::span<const Dtype> types, bool& open) const;
  // The same for a call that has no preference.
  static Dtype wanted_by_any(const OpCall& call, std::span<const Dtype> types, bool& open);

 private:
  Dtype narrow_;
  std::unordered_map<const OpDef*, Precision> given_;
  std::optional<std::unordered_map<const OpDef*, std::vector<Condition>>> full_when_;
};

// Whether mixed precision casts tensors of this type: float32, float16 or bfloat16.
HEDDLE_API bool is_mixed(Dtype d);
// Whether input i of a call may be cast: it is only read.
HEDDLE_API bool may_be_cast(const OpCall& call, size_t i);
// A call that casts to `dtype`, or `count` tensors to the widest of their types.
HEDDLE_API OpCallRef make_precision_cast(Dtype dtype);
HEDDLE_API OpCallRef make_widest_cast(size_t count);

}  // namespace heddle
