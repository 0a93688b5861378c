// Symbols as JSON: MXNet's layout to the byte, round trips, older files, bad files.
#include <gmock/gmock.h>

#include <random>

#include "heddle/symbol.h"
#include "symbol/toys.h"

namespace heddle {

using testing::ElementsAre;
using testing::HasSubstr;
using toys::op;
using toys::var;

// As MXNet 1.9.1 lays out its files.
constexpr const char* kNormFile = R"({
  "nodes": [
    {
      "op": "null", 
      "name": "x", 
      "inputs": []
    }, 
    {
      "op": "null", 
      "name": "bn_scale", 
      "inputs": []
    }, 
    {
      "op": "null", 
      "name": "bn_mean", 
      "attrs": {"__init__": "[\"zero\", {}]"}, 
      "inputs": []
    }, 
    {
      "op": "toy_norm", 
      "name": "bn", 
      "inputs": [[0, 0, 0], [1, 0, 0], [2, 0, 1]]
    }, 
    {
      "op": "null", 
      "name": "fc_weight", 
      "attrs": {
        "no_bias": "True", 
        "num_hidden": "3"
      }, 
      "inputs": []
    }, 
    {
      "op": "toy_dense", 
      "name": "fc", 
      "attrs": {
        "no_bias": "True", 
        "num_hidden": "3"
      }, 
      "inputs": [[3, 0, 0], [4, 0, 0]]
    }
  ], 
  "arg_nodes": [0, 1, 2, 4], 
  "node_row_ptr": [0, 1, 2, 3, 5, 6, 7], 
  "heads": [[5, 0, 0]], 
  "attrs": {"mxnet_version": ["int", 10901]}
})";

TEST(SymbolJson, IsLaidOutAsMxnetDoes) {
  const Symbol s = op("toy_dense", {op("toy_norm", {var("x")}, "bn")}, "fc",
                      {{"num_hidden", "3"}, {"no_bias", "True"}});
  EXPECT_EQ(s.to_json(), kNormFile);
  EXPECT_EQ(Symbol::from_json(kNormFile).to_json(), kNormFile);
}

TEST(SymbolJson, ListsOfNumbersBreakAfterTen) {
  Symbol s = var("x");
  for (int i = 0; i < 10; ++i) s = op("toy_relu", {s}, format("r{}", i));
  EXPECT_THAT(s.to_json(), HasSubstr("\"node_row_ptr\": [\n    0, \n    1, \n"));
  EXPECT_THAT(s.to_json(), HasSubstr("\n    11\n  ], \n  \"heads\""));
}

TEST(SymbolJson, NamesAreEscaped) {
  const Symbol s = var("a \"b\"\\\n\t\r\x01 \xc3\xa9", {{"__k\"__", "v\\"}});
  const Symbol back = Symbol::from_json(s.to_json());
  EXPECT_EQ(back.name(), s.name());
  EXPECT_EQ(back.attribute("__k\"__"), "v\\");
}

// A file of MXNet 0.8: "param" and "attr", no auxiliary states, pairs, no version.
TEST(SymbolJson, ReadsFilesOfMxnet08) {
  toys::define();
  const Symbol s = Symbol::from_json(R"({"nodes": [
    {"op": "null", "param": {}, "name": "x", "inputs": [], "backward_source_id": -1},
    {"op": "null", "param": {}, "name": "bn_scale", "inputs": [], "backward_source_id": -1},
    {"op": "toy_norm", "param": {}, "name": "bn", "inputs": [[0, 0], [1, 0]],
     "backward_source_id": -1, "attr": {"ctx_group": "stage1"}},
    {"op": "null", "param": {}, "name": "w", "inputs": [], "backward_source_id": -1},
    {"op": "null", "param": {}, "name": "b", "inputs": [], "backward_source_id": -1},
    {"op": "toy_dense", "param": {"num_hidden": "3"}, "name": "fc", "inputs": [[2, 0], [3, 0], [4, 0]],
     "attr": {"weight_lr_mult": "0.5", "wd_mult": "2", "nothing_lr_mult": "1"}}],
    "arg_nodes": [0, 1, 3, 4], "heads": [[5, 0]]})");
  EXPECT_THAT(s.auxiliary_states(), ElementsAre("bn_mean"));
  const auto all = s.attributes();
  EXPECT_EQ(all.at("bn").at("__ctx_group__"), "stage1");
  EXPECT_EQ(all.at("w").at("__lr_mult__"), "0.5");
  EXPECT_EQ(all.at("fc").at("__wd_mult__"), "2");
  EXPECT_EQ(all.at("fc").at("nothing_lr_mult"), "1");
  EXPECT_EQ(all.at("bn_mean").at("__init__"), "[\"zero\", {}]");
  EXPECT_EQ(Symbol::from_json(s.to_json()).to_json(), s.to_json());
}

TEST(SymbolJson, ReadsAttrOfMxnet010) {
  toys::define();
  const Symbol s = Symbol::from_json(R"json({"nodes": [
    {"op": "null", "name": "x", "attr": {"__shape__": "(2, 3)"}, "inputs": []},
    {"op": "toy_dense", "name": "fc", "attr": {"num_hidden": "3", "no_bias": "1", "__lr_mult__": "2"},
     "inputs": [[0, 0, 0], [0, 0, 0]]}],
    "arg_nodes": [0], "node_row_ptr": [0, 1, 2], "heads": [[1, 0, 0]],
    "attrs": {"mxnet_version": ["int", 1000]}})json");
  EXPECT_EQ(s.attribute("num_hidden"), "3");
  EXPECT_EQ(s.attribute("lr_mult"), "2");
  EXPECT_EQ(s.internals()["x"].attribute("__shape__"), "(2, 3)");
}

std::string load_error(std::string_view json) {
  toys::define();
  return toys::error_of([&] { Symbol::from_json(json); });
}
TEST(SymbolJson, SamplesOfMxnet010WithoutInputsDrawFromNumbers) {
  const Symbol s = Symbol::from_json(R"json({"nodes": [
    {"op": "_sample_uniform", "name": "noise", "attr": {"low": "2", "shape": "(3,)"}, "inputs": []}],
    "arg_nodes": [], "heads": [[0, 0, 0]], "attrs": {"mxnet_version": ["int", 1000]}})json");
  EXPECT_EQ(s.entries()[0].node->op()->name, "_random_uniform");
}

TEST(SymbolJson, UnknownOperatorsAreAllNamed) {
  const std::string e = load_error(R"({"nodes": [{"op": "null", "name": "x", "inputs": []},
    {"op": "Foo", "name": "f1", "inputs": [[0, 0]]}, {"op": "Bar", "name": "b", "inputs": [[1, 0]]},
    {"op": "Foo", "name": "f2", "inputs": [[2, 0]]}], "arg_nodes": [0], "heads": [[3, 0]]})");
  EXPECT_THAT(e, HasSubstr("unknown operators: Bar (node b), Foo (nodes f1, f2)"));
}

// A file of the variable x and a second node.
std::string file(std::string_view node, std::string_view heads = "[[1, 0]]") {
  std::string all = R"({"nodes": [{"op": "null", "name": "x", "inputs": []}, )";
  all += node;
  all += R"(], "arg_nodes": [0], "attrs": {"mxnet_version": ["int", 10901]}, "heads": )";
  all += heads;
  return all + "}";
}

TEST(SymbolJson, BadFilesAreErrors) {
  const std::string relu = R"({"op": "toy_relu", "name": "r", "inputs": [[0, 0, 0]]})";
  toys::define();
  EXPECT_EQ(Symbol::from_json(file(relu)).name(), "r");
  EXPECT_THAT(load_error(""), HasSubstr("JSON, byte 0: found the end of the text"));
  EXPECT_THAT(load_error("[]"), HasSubstr("found an array, expected an object"));
  EXPECT_THAT(load_error("{}"), HasSubstr("has no 'nodes'"));
  EXPECT_THAT(load_error(R"({"nodes": [1]})"), HasSubstr("has no 'op'"));
  EXPECT_THAT(load_error(file(R"({"op": "toy_relu", "name": "r", "inputs": [[1, 0]]})")),
              HasSubstr("node 1 does not exist, expected less than 1"));
  EXPECT_THAT(load_error(file(R"({"op": "toy_relu", "name": "r", "inputs": [[0, 1]]})")),
              HasSubstr("operator r: input x has 1 outputs, found output 1"));
  EXPECT_THAT(load_error(file(R"({"op": "toy_relu", "name": "r", "inputs": []})")),
              HasSubstr("operator r: [toy_relu] 0 inputs, expected 1"));
  EXPECT_THAT(load_error(file(R"({"op": "toy_relu", "name": "r", "inputs": [[0, "0"]]})")),
              HasSubstr("found a string, expected an integer"));
  EXPECT_THAT(load_error(file(
                  R"({"op": "toy_relu", "name": "r", "attrs": {"a": "1"}, "inputs": [[0, 0]]})")),
              HasSubstr("Error in operator r: [toy_relu]"));
  EXPECT_THAT(
      load_error(file(R"({"op": "toy_relu", "name": "r", "attrs": {"a": 1}, "inputs": [[0, 0]]})")),
      HasSubstr("found a number, expected a string"));
  EXPECT_THAT(load_error(file(R"({"op": "null", "name": "v", "inputs": [[0, 0]]})")),
              HasSubstr("the variable v has inputs"));
  EXPECT_THAT(load_error(file(relu, "[[2, 0]]")), HasSubstr("heads: node 2 does not exist"));
  EXPECT_THAT(load_error(file(relu, "[[1, 1]]")), HasSubstr("heads: node r has 1 outputs"));
  EXPECT_THAT(load_error(file(relu, "[[1]]")), HasSubstr("heads: found 1 numbers"));
}

TEST(SymbolJson, EveryTruncationIsAnError) {
  toys::define();
  const std::string whole = kNormFile;
  for (size_t n = 0; n < whole.size(); ++n)
    EXPECT_THROW(Symbol::from_json(whole.substr(0, n)), Error) << n;
}

TEST(SymbolJson, DamagedFilesLoadOrAreErrors) {
  toys::define();
  std::mt19937 random(1);
  int errors = 0;
  for (int round = 0; round < 3000; ++round) {
    std::string text = kNormFile;
    for (int i = 0; i < 3; ++i) {
      const size_t at = random() % text.size();
      switch (random() % 3) {
        case 0:
          text[at] = char(random());
          break;
        case 1:
          text.erase(at, 1 + random() % 20);
          break;
        default:
          text.insert(at, text.substr(random() % text.size(), random() % 30));
      }
    }
    try {
      Symbol::from_json(text).to_json();
    } catch (const Error&) {
      ++errors;
    }
  }
  EXPECT_GT(errors, 2000);
}

TEST(SymbolJson, LongChainsAreWrittenAndRead) {
  Symbol s = var("x");
  const auto relu = toys::call("toy_relu");
  for (int i = 0; i < 100'000; ++i) s = Symbol::apply(relu, {s}, {}, "r");
  EXPECT_EQ(Symbol::from_json(s.to_json()).internals().size(), 100'001);
}

}  // namespace heddle
