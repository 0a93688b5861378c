// Casts the inputs of eager calls as a policy of mixed precision wants them.
#include "executor/precision.h"

#include <algorithm>
#include <atomic>

namespace heddle {

namespace mixed {

std::atomic<const PrecisionPolicy*> policy = nullptr;
std::atomic<double> loss_scale = 1;

// The call whose gradient is multiplied by the scale, where it has such a parameter.
OpCallRef scaled(const OpCallRef& call, double scale) {
  const auto text = call->op->params.text(call->params.get(), "grad_scale");
  if (!text) return call;
  double given = 1;
  param::parse(*text, given);
  Kwargs kwargs = call->kwargs;
  kwargs["grad_scale"] = param::print(given * scale);
  return make_call(*call->op, std::move(kwargs));
}

}  // namespace mixed

const PrecisionPolicy* eager_precision() { return mixed::policy.load(std::memory_order_acquire); }
void set_eager_precision(const PrecisionPolicy* policy) {
  mixed::policy.store(policy, std::memory_order_release);
}
void set_eager_loss_scale(double scale) { mixed::loss_scale = scale; }

void invoke_mixed(const PrecisionPolicy& policy, const OpCallRef& call,
                  std::span<const NDArray* const> inputs, std::vector<NDArray>& out) {
  const double scale = mixed::loss_scale;
  const bool scales =
      scale != 1 && call->op->backward && kGradients && call->op->backward.ignores_head;
  const OpCallRef& run = scales ? mixed::scaled(call, scale) : call;
  if (inputs.size() != run->inputs.size()) return invoke(run, inputs, out);  // which says so
  std::vector<Dtype> types;
  for (const NDArray* a : inputs) types.push_back(a && *a ? a->dtype() : Dtype::kUnknown);
  bool open = false;
  const Dtype wanted = policy.wanted(*run, types, open);
  if (wanted == Dtype::kUnknown) return invoke(run, inputs, out);
  static const OpCallRef* const casts = [] {
    auto* made = new OpCallRef[3];
    made[0] = make_precision_cast(Dtype::kFloat32), made[1] = make_precision_cast(Dtype::kFloat16);
    made[2] = make_precision_cast(Dtype::kBfloat16);
    return made;
  }();
  const OpCallRef& cast = casts[wanted == Dtype::kFloat32 ? 0 : wanted == Dtype::kFloat16 ? 1 : 2];
  std::vector<const NDArray*> in(inputs.begin(), inputs.end());
  std::vector<NDArray> held;
  held.reserve(in.size());
  for (size_t i = 0; i < in.size(); ++i) {
    if (types[i] == wanted || !is_mixed(types[i]) || !may_be_cast(*run, i)) continue;
    std::vector<NDArray> made;
    invoke(cast, std::span(&in[i], 1), made);
    in[i] = &held.emplace_back(std::move(made[0]));
  }
  invoke(run, in, out);
}

}  // namespace heddle
