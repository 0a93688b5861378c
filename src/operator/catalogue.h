// What the records say, as text: the source of documentation, stubs and bindings.
#pragma once
#include <string>

#include "heddle/op.h"

namespace heddle {

// One record as a JSON object. An input that is listed twice, under conditions of which one holds,
// appears once; "optional" are those that a parameter can take away.
HEDDLE_API std::string record_json(const OpDef& op);

// {"version": ..., "operators": [record, ...]}: every operator that is not a gradient.
HEDDLE_API std::string catalogue_json(const OpTable& ops);

}  // namespace heddle
