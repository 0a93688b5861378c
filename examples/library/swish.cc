// An operator in a library of its own: swish(x) = x / (1 + exp(-beta * x)), Ramachandran et al.,
// 2017, with a kernel, a gradient made of other operators, and a parameter.
//
//   cmake -S . -B build -DCMAKE_PREFIX_PATH=<where heddle is installed>; cmake --build build
//
// and in Python: mx.library.load("build/libswish.so"); mx.nd.swish(x, beta=2)
#include <heddle/library.h>

#include <cmath>

namespace swish {

using namespace heddle;

struct Param {
  double beta = 1;
  void fields(auto&& f) { f("beta", beta, "How steep it is; at 0, x / 2."); }
};

void forward(const Param& p, OpContext& ctx, Inputs in, Outputs out) {
  with_float(in[0].dtype, "swish", [&](auto type) {
    using T = decltype(type);
    const T* x = in[0].as<T>();
    T* y = out[0].as<T>();
    ctx.parallel_for(in[0].size(), 4096, [&](int64_t from, int64_t to) {
      for (int64_t i = from; i < to; ++i) {
        const double v = double(x[i]);
        y[i] = T(v / (1 + std::exp(-p.beta * v)));
      }
    });
  });
}

// y' = beta * y + sigmoid(beta * x) * (1 - beta * y)
std::vector<Builder::Value> gradient(const Param& p, GradContext& g) {
  const Kwargs beta = {{"scalar", param::print(p.beta)}}, one = {{"scalar", "1"}};
  const auto by = g.call("_mul_scalar", {g.y()}, beta);
  const auto s = g.call("sigmoid", {g.call("_mul_scalar", {g.x()}, beta)});
  const auto rest = g.call("elemwise_mul", {s, g.call("_rminus_scalar", {by}, one)});
  return {g.call("elemwise_mul", {g.dy(), g.call("elemwise_add", {by, rest})})};
}

}  // namespace swish

HEDDLE_LIBRARY(ops) {
  ops.define(
      {.name = "swish",
       .doc = "x / (1 + exp(-beta * x)).",
       .dtypes = heddle::Dtypes::kFloating,
       .params = heddle::schema<swish::Param>(),
       .inplace = {{0, 0}},
       .cpu = swish::forward,
       .backward = {.reads = {heddle::dy(), heddle::x(), heddle::y()}, .build = swish::gradient}});
}
