// Building symbols: names, created variables, lists, composition, attributes.
#include "heddle/symbol.h"

#include <gmock/gmock.h>

#include "symbol/toys.h"

namespace heddle {

using testing::ElementsAre;
using testing::HasSubstr;
using toys::op;
using toys::var;

TEST(Symbol, MissingInputsBecomeVariables) {
  const Symbol s = toys::mlp();
  EXPECT_THAT(s.arguments(), ElementsAre("data", "fc1_weight", "fc1_bias", "fc2_weight", "fc2_bias",
                                         "loss_label"));
  EXPECT_THAT(s.outputs(), ElementsAre("loss_output"));
  EXPECT_TRUE(s.auxiliary_states().empty());
  EXPECT_EQ(s.name(), "loss");
}

TEST(Symbol, CreatedVariablesInheritParametersAndAttributes) {
  const Symbol s = Symbol::apply(toys::call("toy_dense", {{"num_hidden", "4"}}), {var("data")}, {},
                                 "fc", {{"ctx_group", "a"}, {"__mood__", "good"}});
  const auto all = s.attributes();
  EXPECT_EQ(all.at("fc_weight").at("__ctx_group__"), "a");
  EXPECT_EQ(all.at("fc_weight").at("ctx_group"), "a");  // both spellings are listed
  EXPECT_EQ(all.at("fc_bias").at("__mood__"), "good");
  EXPECT_EQ(all.at("fc_bias").at("num_hidden"), "4");
  EXPECT_EQ(all.at("fc").at("num_hidden"), "4");
  EXPECT_EQ(all.count("data"), 0u);
}

TEST(Symbol, AuxiliaryStatesAreListedApart) {
  const Symbol s = op("toy_norm", {var("x")}, "bn");
  EXPECT_THAT(s.arguments(), ElementsAre("x", "bn_scale"));
  EXPECT_THAT(s.auxiliary_states(), ElementsAre("bn_mean"));
  EXPECT_THAT(s.inputs(), ElementsAre("x", "bn_scale", "bn_mean"));
  EXPECT_EQ(s.attributes().at("bn_mean").at("__init__"), "[\"zero\", {}]");
  EXPECT_EQ(s.size(), 1);  // the hidden output is not shown
}

TEST(Symbol, VariablesOfOneNameAreToldApart) {
  const Symbol one = op("toy_norm", {var("x")}, "bn");
  EXPECT_EQ(one.with_names_told_apart().entries()[0].node, one.entries()[0].node);
  const Symbol two = op("toy_norm", {one}, "bn");
  const Symbol s = Symbol::group({two, var("x"), var("x#2"), var("x", {{"__mood__", "good"}})});
  const Symbol apart = s.with_names_told_apart();
  EXPECT_THAT(apart.arguments(), ElementsAre("x", "bn_scale", "bn_scale#2", "x#3", "x#2", "x#4"));
  EXPECT_THAT(apart.auxiliary_states(), ElementsAre("bn_mean", "bn_mean#2"));
  EXPECT_EQ(apart.attributes().at("x#4").at("__mood__"), "good");
  EXPECT_THAT(s.arguments(), ElementsAre("x", "bn_scale", "bn_scale", "x", "x#2", "x"));
}

TEST(Symbol, GivenVariablesGetTheInitialiserOfTheirPosition) {
  const Symbol s = op("toy_norm", {var("x"), var("g"), var("m")}, "bn");
  EXPECT_EQ(s.attributes().at("m").at("__init__"), "[\"zero\", {}]");
  const Symbol own = op("toy_norm", {var("x"), var("g"), var("m", {{"__init__", "mine"}})}, "bn");
  EXPECT_EQ(own.attributes().at("m").at("__init__"), "mine");
}

TEST(Symbol, NamedInputs) {
  const auto call = toys::call("toy_dense", {{"num_hidden", "4"}});
  const Symbol s = Symbol::apply(call, {var("x")}, {{"bias", var("b")}}, "fc");
  EXPECT_THAT(s.arguments(), ElementsAre("x", "fc_weight", "b"));
  EXPECT_THAT(toys::error_of([&] {
                Symbol::apply(call, {var("x")}, {{"bais", var("b")}}, "fc");
              }),
              HasSubstr("[toy_dense] has no input 'bais', expected one of data, weight, bias"));
  EXPECT_THAT(toys::error_of([&] {
                Symbol::apply(call, {var("x")}, {{"data", var("b")}}, "fc");
              }),
              HasSubstr("data is given twice"));
  EXPECT_THAT(
      toys::error_of([&] { Symbol::apply(call, std::vector<Symbol>(4, var("x")), {}, "f"); }),
      HasSubstr("4 inputs were given, expected 3"));
}

TEST(Symbol, WhatAnOperatorChangesMustBeGiven) {
  EXPECT_THAT(toys::error_of([] {
                op("toy_step", {Symbol(), var("g")}, "step");
              }),
              HasSubstr("[toy_step] input weight is missing"));
  EXPECT_THAT(op("toy_step", {var("w")}, "step").arguments(), ElementsAre("step_grad"));
  EXPECT_THAT(op("toy_step", {var("w")}, "step").auxiliary_states(), ElementsAre("w"));
}

TEST(Symbol, NamelessNodesTakeTheHint) {
  EXPECT_EQ(op("toy_relu", {var("x")}, "").name(), "toy_relu");
}

TEST(Symbol, ManyOutputs) {
  const Symbol s = op("toy_cut", {var("x")}, "cut", {{"parts", "3"}});
  EXPECT_THAT(s.outputs(), ElementsAre("cut_output0", "cut_output1", "cut_output2"));
  EXPECT_THAT(s[1].outputs(), ElementsAre("cut_output1"));
  EXPECT_EQ(s["cut_output2"].entries()[0].index, 2);
  EXPECT_THAT(toys::error_of([&] { s["cut_output3"]; }), HasSubstr("expected one of cut_output0"));
  EXPECT_THAT(toys::error_of([&] { s[3]; }), HasSubstr("output 3 of a symbol with 3 outputs"));
  EXPECT_THAT(toys::error_of([&] { op("toy_relu", {s}, "r"); }),
              HasSubstr("argument data is a tuple of 3 outputs, a single value is required"));
}

TEST(Symbol, InternalsAndChildren) {
  const Symbol s = toys::mlp();
  EXPECT_THAT(s.internals().outputs(),
              ElementsAre("data", "fc1_weight", "fc1_bias", "fc1_output", "relu1_output",
                          "fc2_weight", "fc2_bias", "fc2_output", "loss_label", "loss_output"));
  EXPECT_THAT(s.children().outputs(), ElementsAre("fc2_output", "loss_label"));
  EXPECT_EQ(var("x").children().size(), 0);
}

TEST(Symbol, ComposeReplacesVariables) {
  const Symbol net = op("toy_add", {op("toy_relu", {var("a")}, "r"), var("b")}, "sum");
  const Symbol by_name = net.compose({}, {{"a", op("toy_square", {var("x")}, "sq")}});
  EXPECT_THAT(by_name.arguments(), ElementsAre("x", "b"));
  EXPECT_THAT(by_name.internals().outputs(),
              ElementsAre("x", "sq_output", "r_output", "b", "sum_output"));
  EXPECT_THAT(net.arguments(), ElementsAre("a", "b"));  // the old one is as it was
  EXPECT_THAT(net.compose({var("p"), var("q")}, {}).arguments(), ElementsAre("p", "q"));
  EXPECT_THAT(net.compose({var("p")}, {}).arguments(), ElementsAre("p", "b"));
  EXPECT_THAT(toys::error_of([&] {
                net.compose({}, {{"c", var("x")}});
              }),
              HasSubstr("'c' is not an argument, expected one of a, b"));
  EXPECT_THAT(toys::error_of([&] {
                net.compose({var("p")}, {{"a", var("x")}});
              }),
              HasSubstr("mixed"));
  EXPECT_THAT(toys::error_of([&] {
                net.compose({var("p"), var("q"), var("r")}, {});
              }),
              HasSubstr("3 inputs were given, expected at most 2"));
}

TEST(Symbol, ComposeSharesWhatDoesNotChange) {
  const Symbol kept = op("toy_relu", {var("b")}, "kept");
  const Symbol net = op("toy_add", {op("toy_relu", {var("a")}, "r"), kept}, "sum");
  const Symbol changed = net.compose({}, {{"a", var("x")}});
  EXPECT_EQ(changed.children().entries()[1].node, kept.entries()[0].node);
  EXPECT_NE(changed.children().entries()[0].node, net.children().entries()[0].node);
}

TEST(Symbol, HiddenAttributeKeys) {
  const Symbol v = var("w", {{"lr_mult", "2"}, {"plain", "p"}});
  EXPECT_EQ(v.attribute("lr_mult"), "2");
  EXPECT_EQ(v.attribute("__lr_mult__"), "2");
  EXPECT_EQ(v.attribute("plain"), "p");
  EXPECT_EQ(v.attribute("other"), "");
  const Symbol more = v.with_attributes({{"wd_mult", "0"}, {"plain", "q"}});
  EXPECT_EQ(more.attribute("__wd_mult__"), "0");
  EXPECT_EQ(more.attribute("plain"), "q");
  EXPECT_EQ(v.attribute("plain"), "p");
  const Symbol group = Symbol::group({v, more});
  EXPECT_EQ(group.name(), "");
  EXPECT_THAT(toys::error_of([&] { group.with_attributes({{"a", "b"}}); }), HasSubstr("several"));
}

TEST(Symbol, LongChainsAreWalkedComposedAndDestroyed) {
  constexpr int kSteps = 1'000'000;
  const auto relu = toys::call("toy_relu");
  Symbol s = var("x");
  for (int i = 0; i < kSteps; ++i) s = Symbol::apply(relu, {s}, {}, "r");
  EXPECT_THAT(s.arguments(), ElementsAre("x"));
  EXPECT_EQ(Graph::of(s).nodes.size(), size_t(kSteps) + 1);
  EXPECT_THAT(s.compose({}, {{"x", var("y")}}).arguments(), ElementsAre("y"));
  s = Symbol();  // comes apart without recursion
}

TEST(Symbol, DagsAreWalkedOnce) {
  Symbol s = var("x");
  for (int i = 0; i < 200; ++i) s = op("toy_add", {s, s}, format("d{}", i));  // 2^200 paths
  EXPECT_EQ(s.internals().size(), 201);
}

}  // namespace heddle
