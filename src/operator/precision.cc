// Decides in which type calls are given their floating inputs.
#include "operator/precision.h"

#include <algorithm>

#include "operator/variadic.h"

namespace heddle {

namespace precision {

bool holds(const OpCall& call, const Condition& c) {
  return call.op->params.text(call.params.get(), c.param) == c.value;
}

// The widest type among those that mix.
Dtype widest(std::span<const Dtype> types, bool& open) {
  Dtype found = Dtype::kUnknown;
  bool unknown = false, other = false;
  for (Dtype d : types) {
    if (d == Dtype::kFloat32) return d;
    if (d == Dtype::kUnknown) unknown = true;
    else if (is_mixed(d)) other |= found != Dtype::kUnknown && found != d, found = d;
  }
  if (other) return Dtype::kFloat32;  // of float16 and bfloat16 neither holds the other
  open = unknown && types.size() > 1;
  return open ? Dtype::kUnknown : found;
}

}  // namespace precision

bool is_mixed(Dtype d) {
  return d == Dtype::kFloat32 || d == Dtype::kFloat16 || d == Dtype::kBfloat16;
}

bool may_be_cast(const OpCall& call, size_t i) { return call.inputs[i].role == Role::kRead; }

OpCallRef make_precision_cast(Dtype dtype) {
  return make_call(OpTable::get().of(Meaning::kToPrecision),
                   {{"dtype", std::string(dtype_name(dtype))}});
}
OpCallRef make_widest_cast(size_t count) {
  const OpDef& op = OpTable::get().of(Meaning::kToWidest);
  Kwargs kwargs;
  count_inputs(op, kwargs, count);
  return make_call(op, std::move(kwargs));
}

PrecisionPolicy::PrecisionPolicy(Dtype narrow) : narrow_(narrow) {
  check(narrow == Dtype::kFloat16 || narrow == Dtype::kBfloat16,
        "mixed precision: the narrow type is {}, expected float16 or bfloat16", narrow);
}

void PrecisionPolicy::only(Precision p, const std::vector<std::string>& operators) {
  const OpTable& ops = OpTable::get();
  for (const OpDef* op : ops.list())
    if (op->precision == p) given_.try_emplace(op, Precision::kAny);
  for (const std::string& name : operators) given_[&ops.at(name)] = p;
}

void PrecisionPolicy::only_full_when(const std::vector<FullWhen>& all) {
  full_when_.emplace();
  for (const FullWhen& f : all) (*full_when_)[&OpTable::get().at(f.op)].push_back(f.when);
}

Precision PrecisionPolicy::of(const OpCall& call) const {
  const std::vector<Condition>* conditions = &call.op->full_when;
  if (full_when_) {
    auto it = full_when_->find(call.op);
    conditions = it == full_when_->end() ? nullptr : &it->second;
  }
  if (conditions)
    for (const Condition& c : *conditions)
      if (precision::holds(call, c)) return Precision::kFull;
  auto it = given_.find(call.op);
  return it == given_.end() ? call.op->precision : it->second;
}

Dtype PrecisionPolicy::wanted_by_any(const OpCall& call, std::span<const Dtype> types, bool& open) {
  open = false;
  if (!(call.op->infer_dtype == Infer(infer_same_dtype))) return Dtype::kUnknown;
  // Those that are known to be the same need no cast; others may be the same, which shows later.
  Dtype one = Dtype::kUnknown;
  int kinds = 0;
  for (Dtype d : types) {
    if (d != Dtype::kUnknown && (!is_mixed(d) || d == one)) continue;
    ++kinds;
    if (d != Dtype::kUnknown) one = d;
  }
  return kinds > 1 ? precision::widest(types, open) : Dtype::kUnknown;
}

Dtype PrecisionPolicy::wanted(const OpCall& call, std::span<const Dtype> types, bool& open) const {
  open = false;
  if (std::find(types.begin(), types.end(), Dtype::kFloat64) != types.end()) return Dtype::kUnknown;
  switch (of(call)) {
    case Precision::kNarrow:
      return narrow_;
    case Precision::kFull:
      return Dtype::kFloat32;
    case Precision::kWidest:
      return precision::widest(types, open);
    case Precision::kAny:
      break;
  }
  return wanted_by_any(call, types, open);
}

}  // namespace heddle
