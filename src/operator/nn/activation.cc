// Activation: the elementwise nonlinearities of a layer.
#include "operator/elemwise/loops.h"

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

// f: the value. Grad::f(dy, s): the gradient, from the output, or for Softsign from the input.
struct Relu {
  HD static auto f(auto x) { return ew::max(x, decltype(x)(0)); }
  struct Grad {
    HD static auto f(auto dy, auto y) { return y > 0 ? dy : decltype(dy)(0); }
  };
};
struct Sigmoid {
  HD static auto f(auto x) { return ew::sigmoid(x); }
  struct Grad {
    HD static auto f(auto dy, auto y) { return dy * y * (1 - y); }
  };
};
struct Tanh {
  HD static auto f(auto x) { return ew::tanh(x); }
  struct Grad {
    HD static auto f(auto dy, auto y) { return dy * (1 - y * y); }
  };
};
struct Softrelu {  // log(1 + exp(x)), where exp cannot overflow
  HD static auto f(auto x) { return ew::max(x, decltype(x)(0)) + ew::log1p(ew::exp(-ew::abs(x))); }
  struct Grad {
    HD static auto f(auto dy, auto y) { return -dy * ew::expm1(-y); }
  };
};
struct Softsign {
  HD static auto f(auto x) { return x / (1 + ew::abs(x)); }
  struct Grad {
    HD static auto f(auto dy, auto x) { return dy / ((1 + ew::abs(x)) * (1 + ew::abs(x))); }
  };
};

template <class Fn>
void with_type(ActType t, Fn&& fn) {
  switch (t) {
    case ActType::kRelu:
      return fn(Relu{});
    case ActType::kSigmoid:
      return fn(Sigmoid{});
    case ActType::kTanh:
      return fn(Tanh{});
    case ActType::kSoftrelu:
      return fn(Softrelu{});
    case ActType::kSoftsign:
      return fn(Softsign{});
  }
}

void forward(const ActivationParam& p, OpContext& ctx, Inputs in, Outputs out) {
  with_type(p.act_type, [&](auto f) { ew::map(ctx, ew::kLoops<decltype(f)>, {in[0]}, out[0]); });
}

std::vector<Ref> reads(const ActivationParam& p) {
  if (p.act_type == ActType::kSoftsign) return {dy(), x(0)};
  return {dy(), y(0)};
}

// in: dy, output (Softsign: data). out: gradient of data.
void backward(const ActivationParam& p, OpContext& ctx, Inputs in, Outputs out) {
  with_type(p.act_type, [&](auto f) {
    ew::map(ctx, ew::kLoops<typename decltype(f)::Grad>, {in[0], in[1]}, out[0]);
  });
}

void define(OpTable& ops) {
  ops.define({
      .name = "Activation",
      .aliases = {"_npx_activation"},
      .doc =
          "Elementwise nonlinearity: relu, sigmoid, tanh, softrelu = log(1 + exp(x)) or softsign "
          "= x / (1 + |x|).",
      .params = schema<ActivationParam>(),
      .inplace = {{0, 0}},
      .cpu = forward,
      .backward = {.reads = reads, .run = backward, .inplace = {{0, 0}, {1, 0}}},
  });
}

}  // namespace heddle::ops::activation
