// Mixed precision in symbols: casts put in, and taken out again.
#pragma once
#include <set>
#include <string>

#include "heddle/symbol.h"
#include "operator/precision.h"

namespace heddle {

struct MixedPrecision {
  std::set<std::string> excluded = {};    // names of nodes that have no preference
  std::set<std::string> open = {};        // variables whose types nobody knows yet
  std::set<std::string> parameters = {};  // variables that get the attribute __dtype__
  // Parameters that are read in the narrow type alone become narrow themselves: no casts.
  bool narrow_parameters = false;
  bool full_outputs = false;  // outputs of the symbol in a narrow type are cast to float32
};
// The same expression, where nodes of meaning kToPrecision and kToWidest give every call its inputs
// in the type that the policy wants. A cast serves all who read the same tensor in the same type,
// and is called "<tensor>_amp_cast_<dtype>". Variables are float32 where they have no __dtype__.
HEDDLE_API Symbol mix_precision(const Symbol& s, const PrecisionPolicy& policy,
                                const MixedPrecision& how = {});
// Takes out what mix_precision() put in, but for casts that are outputs, as MXNet does.
HEDDLE_API Symbol without_mixed_precision(const Symbol& s);

}  // namespace heddle
