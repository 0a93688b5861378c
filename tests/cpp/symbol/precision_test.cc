// Mixed precision: which casts go into a symbol, and that they come out again.
#include "symbol/precision.h"

#include <gtest/gtest.h>

#include "symbol/walk.h"

namespace heddle {
namespace {

Symbol variable(const std::string& name) { return Symbol::variable(name); }
Symbol apply(std::string_view op, std::vector<Symbol> inputs, std::string name,
             Kwargs kwargs = {}) {
  return Symbol::apply(make_call(OpTable::get().at(op), std::move(kwargs)), std::move(inputs), {},
                       std::move(name));
}
Symbol product(const Symbol& x, const std::string& name) {
  return apply("FullyConnected", {x}, name, {{"num_hidden", "2"}, {"no_bias", "True"}});
}
// "name" of variables, "name:operator" of nodes, in the order in which they run.
std::vector<std::string> names(const Symbol& s) {
  std::vector<std::string> found;
  for (const NodeRef& n : symbol::nodes_of(s))
    found.push_back(n->call ? n->name + ":" + n->op()->name : n->name);
  return found;
}
using Names = std::vector<std::string>;

TEST(Precision, CallsGetTheTypeOfTheirRecord) {
  const Symbol s = apply("exp", {apply("relu", {product(variable("x"), "p")}, "r")}, "e");
  const Symbol mixed = mix_precision(s, PrecisionPolicy(Dtype::kFloat16));
  EXPECT_EQ(names(mixed), (Names{"x", "x_amp_cast_float16:amp_cast", "p_weight",
                                 "p_weight_amp_cast_float16:amp_cast", "p:FullyConnected", "r:relu",
                                 "r_output_amp_cast_float32:amp_cast", "e:exp"}));
  EXPECT_EQ(without_mixed_precision(mixed).to_json(), s.to_json());
}

TEST(Precision, CastsThatAreOutputsStay) {
  const Symbol s = product(variable("x"), "p");
  const Symbol mixed = mix_precision(s, PrecisionPolicy(Dtype::kFloat16), {.full_outputs = true});
  EXPECT_EQ(names(without_mixed_precision(mixed)),
            (Names{"x", "p_weight", "p:FullyConnected", "p_output_amp_cast_float32:amp_cast"}));
}

TEST(Precision, ACastServesAllWhoReadATensorInOneType) {
  const Symbol x = variable("x");
  const Symbol both = Symbol::group({product(x, "a"), product(x, "b")});
  const Names found = names(mix_precision(both, PrecisionPolicy(Dtype::kBfloat16)));
  EXPECT_EQ(std::count(found.begin(), found.end(), "x_amp_cast_bfloat16:amp_cast"), 1);
}

TEST(Precision, WhatMustBeAlikeMeetsInTheWidest) {
  const Symbol wide = variable("w"), narrow = product(variable("x"), "p");
  const PrecisionPolicy policy(Dtype::kFloat16);
  const Symbol sum = apply("elemwise_add", {narrow, wide}, "s");
  EXPECT_EQ(names(mix_precision(sum, policy)).at(5), "p_output_amp_cast_float32:amp_cast");
  // Of an unknown type only a node that looks at it can tell.
  const Names open = names(mix_precision(sum, policy, {.open = {"w"}}));
  EXPECT_EQ(open.at(open.size() - 2), "s_amp_multicast:amp_multicast");
  const Symbol alike = apply("elemwise_add", {narrow, narrow}, "s");
  EXPECT_EQ(names(mix_precision(alike, policy)).size(), 6u);  // two variables, two casts
}

TEST(Precision, ProgramsPutListsInThePlaceOfRecords) {
  PrecisionPolicy policy(Dtype::kFloat16);
  policy.only(Precision::kNarrow, {"dot"});
  policy.only_full_when({{"Activation", {"act_type", "tanh"}}});
  const auto of = [&](std::string_view op, Kwargs kwargs = {}) {
    return policy.of(*make_call(OpTable::get().at(op), std::move(kwargs)));
  };
  EXPECT_EQ(of("dot"), Precision::kNarrow);
  EXPECT_EQ(of("FullyConnected", {{"num_hidden", "2"}}), Precision::kAny);
  EXPECT_EQ(of("exp"), Precision::kFull);
  EXPECT_EQ(of("Activation", {{"act_type", "tanh"}}), Precision::kFull);
  EXPECT_EQ(of("Activation", {{"act_type", "softrelu"}}), Precision::kAny);
  EXPECT_THROW(policy.only(Precision::kFull, {"no_such_operator"}), Error);
  EXPECT_THROW(PrecisionPolicy(Dtype::kInt8), Error);
}

TEST(Precision, ParametersThatAreReadNarrowAloneBecomeNarrow) {
  const Symbol w = variable("w");
  const Symbol s =
      apply("FullyConnected", {variable("x"), w}, "p", {{"num_hidden", "2"}, {"no_bias", "True"}});
  const PrecisionPolicy policy(Dtype::kFloat16);
  const MixedPrecision how{.parameters = {"w"}, .narrow_parameters = true, .full_outputs = true};
  EXPECT_EQ(names(mix_precision(s, policy, how)),
            (Names{"x", "x_amp_cast_float16:amp_cast", "w", "p:FullyConnected",
                   "p_output_amp_cast_float32:amp_cast"}));
  const Symbol also = Symbol::group({s, apply("exp", {w}, "e")});
  EXPECT_EQ(names(mix_precision(also, policy, how)).at(3), "w_amp_cast_float16:amp_cast");
}

}  // namespace
}  // namespace heddle
