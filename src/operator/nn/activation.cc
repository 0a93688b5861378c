// Activation: the elementwise nonlinearities of a layer, by the formulas of the unary operators.
#include "operator/elemwise/formula.h"
#include "operator/elemwise/unary.h"

namespace heddle::ops::activation {

enum class ActType { kRelu, kSigmoid, kTanh, kSoftrelu, kSoftsign };

struct ActivationParam {
  ActType act_type = ActType::kRelu;
  void fields(auto&& f) {
    f("act_type", act_type, "Which function.")
        .names({"relu", "sigmoid", "tanh", "softrelu", "softsign"})
        .required();
  }
};

const ew::Formula& formula_of(const ActivationParam& p) {
  switch (p.act_type) {
    case ActType::kSigmoid:
      return ew::formula<ew::Sigmoid>();
    case ActType::kTanh:
      return ew::formula<ew::Tanh>();
    case ActType::kSoftrelu:
      return ew::formula<ew::Softrelu>();
    case ActType::kSoftsign:
      return ew::formula<ew::Softsign>();
    default:
      return ew::formula<ew::Relu>();
  }
}

void forward(const ActivationParam& p, OpContext& ctx, Inputs in, Outputs out) {
  ew::run(formula_of(p), ctx, in[0], {}, out[0]);
}
std::vector<Ref> reads(const ActivationParam& p) { return formula_of(p).reads(); }
void backward(const ActivationParam& p, OpContext& ctx, Inputs in, Outputs out) {
  ew::run_gradient(formula_of(p), ctx, in, {}, out[0]);
}
std::vector<GradContext::Value> build(GradContext& g) {
  return ew::build_gradient(formula_of(*static_cast<const ActivationParam*>(g.params())), g, {});
}

Kwargs epilogue(const ActivationParam& p) {
  if (p.act_type != ActType::kRelu) return {};
  return {{"activation", "relu"}};
}

void define(OpTable& ops) {
  ops.define({
      .name = "Activation",
      .aliases = {"_npx_activation"},
      .doc =
          "Elementwise nonlinearity: relu, sigmoid, tanh, softrelu = log(1 + exp(x)) or softsign "
          "= x / (1 + |x|).",
      .full_when = {when("act_type", "softrelu")},
      .params = schema<ActivationParam>(),
      .inplace = {{0, 0}},
      .cpu = forward,
      .wants = wants_same,
      .backward = {.reads = reads, .run = backward, .build = build, .inplace = {{0, 0}, {1, 0}}},
      .fusing = {.epilogue = epilogue},
  });
}

}  // namespace heddle::ops::activation
