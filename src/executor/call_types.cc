// Inference for eager calls, remembered: programs call the same operators on the same shapes.
#include <algorithm>
#include <array>

#include "executor/call.h"

namespace heddle {

namespace call_types {

struct Remembered {
  OpCallRef call = {};  // held, so that no other call can take its address
  bool training = false;
  std::vector<ValueInfo> in = {}, given = {};
  std::shared_ptr<CallTypes> types = {};
};
constexpr size_t kRemembered = 256;

bool same(const ValueInfo& v, const NDArray& a) {
  if (!a) return v.dtype == Dtype::kUnknown;
  return v.dtype == a.dtype() && v.shape == a.shape();
}

ValueInfo info_of(const NDArray& a) {
  return a ? ValueInfo{a.shape(), a.dtype(), Stype::kDense} : ValueInfo{};
}

size_t slot_of(const OpCall* call, std::span<const NDArray* const> in) {
  uint64_t h = reinterpret_cast<uintptr_t>(call) >> 4;
  for (const NDArray* a : in)
    for (int64_t d : a->shape()) h = (h ^ uint64_t(d)) * 0x9e3779b97f4a7c15ull;
  return (h ^ (h >> 32)) % kRemembered;
}

bool matches(const Remembered& r, const OpCallRef& call, std::span<const NDArray* const> in,
             std::span<const NDArray> given, bool training) {
  if (r.call != call || r.training != training || r.in.size() != in.size() ||
      r.given.size() != given.size())
    return false;
  for (size_t i = 0; i < in.size(); ++i)
    if (!same(r.in[i], *in[i])) return false;
  for (size_t i = 0; i < given.size(); ++i)
    if (!same(r.given[i], given[i])) return false;
  return true;
}

Remembered work_out(const OpCallRef& call, std::span<const NDArray* const> in,
                    std::span<const NDArray> given, bool training) {
  Remembered r{.call = call, .training = training, .types = std::make_shared<CallTypes>()};
  for (const NDArray* a : in) r.in.push_back(info_of(*a));
  for (const NDArray& a : given) r.given.push_back(info_of(a));
  r.types->out.resize(call->outputs.size());
  for (size_t i = 0, next = 0; i < r.types->out.size() && next < given.size(); ++i)
    if (!call->outputs[i].hidden) r.types->out[i] = r.given[next++];
  std::vector<ValueInfo> ins = r.in;
  infer_call(*call, ins, r.types->out, training);
  for (const ValueInfo& v : r.in) r.types->bytes += v.shape.size() * dtype_size(v.dtype);
  if (call->op->dynamic_shape) return r;
  for (size_t i = 0; i < r.types->out.size(); ++i) {
    ValueInfo& v = r.types->out[i];
    // A graph finds an extent of 0 by inference; where there are no inputs nothing else can, and it
    // is the 0 that was asked for.
    for (int d = 0; in.empty() && d < v.shape.rank(); ++d)
      v.shape[d] = std::max<int64_t>(v.shape[d], 0);
    check(v.shape.known() && v.dtype != Dtype::kUnknown,
          "[{}] cannot infer {}: found shape {}, dtype {}", call->op->name, call->outputs[i].name,
          v.shape, v.dtype == Dtype::kUnknown ? "unknown" : dtype_name(v.dtype));
    r.types->bytes += v.shape.size() * dtype_size(v.dtype);
  }
  return r;
}

}  // namespace call_types

std::shared_ptr<const CallTypes> types_of(const OpCallRef& call, std::span<const NDArray* const> in,
                                          std::span<const NDArray> given, bool training) {
  if (call->op->stateful)  // no other call is this one, and its state should go with it
    return call_types::work_out(call, in, given, training).types;
  // On the heap: a library that is loaded late has little thread-local memory.
  using Table = std::array<call_types::Remembered, call_types::kRemembered>;
  static thread_local const auto remembered = std::make_unique<Table>();
  auto& r = (*remembered)[call_types::slot_of(call.get(), in)];
  if (!call_types::matches(r, call, in, given, training))
    r = call_types::work_out(call, in, given, training);
  return r.types;
}

}  // namespace heddle
