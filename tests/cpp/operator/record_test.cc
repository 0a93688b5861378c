// What records say: conditions, marks on parameters, compositions, meanings, and their JSON.
#include <gmock/gmock.h>

#include <algorithm>

#include "base/json.h"
#include "operator/catalogue.h"

namespace heddle {

using testing::ElementsAre;
using testing::HasSubstr;

OpCallRef call_of(std::string_view op, Kwargs kwargs) {
  return make_call(OpTable::get().at(op), std::move(kwargs));
}
std::vector<std::string> inputs_of(std::string_view op, Kwargs kwargs) {
  std::vector<std::string> names;
  const OpCallRef call = call_of(op, std::move(kwargs));
  for (const Input& i : call->inputs) names.push_back(i.name);
  return names;
}
const Json& item(const Json& list, std::string_view name) {
  for (const Json& j : list.array(""))
    if (j.find("name")->string("") == name) return j;
  throw Error(format("no item {}", name));
}

TEST(Record, ParametersDecideWhichInputsThereAre) {
  EXPECT_THAT(inputs_of("FullyConnected", {{"num_hidden", "2"}}),
              ElementsAre("data", "weight", "bias"));
  for (const char* text : {"True", "true", "1"})
    EXPECT_THAT(inputs_of("FullyConnected", {{"num_hidden", "2"}, {"no_bias", text}}),
                ElementsAre("data", "weight"))
        << text;
  EXPECT_THAT(inputs_of("LeakyReLU", {{"act_type", "prelu"}}), ElementsAre("data", "gamma"));
  EXPECT_THAT(inputs_of("LeakyReLU", {{"act_type", "elu"}}), ElementsAre("data"));
  EXPECT_THAT(inputs_of("softmax", {}), ElementsAre("data"));
  EXPECT_THAT(inputs_of("softmax", {{"use_length", "True"}}), ElementsAre("data", "length"));
}

TEST(Record, TwinsUnderOppositeConditionsAreOneInput) {
  const auto fixed = call_of("BatchNorm", {});
  const auto learnt = call_of("BatchNorm", {{"fix_gamma", "False"}});
  ASSERT_EQ(fixed->inputs.size(), 5u);
  ASSERT_EQ(learnt->inputs.size(), 5u);
  EXPECT_EQ(fixed->inputs[1].role, Role::kMutate);
  EXPECT_EQ(learnt->inputs[1].role, Role::kRead);
  EXPECT_EQ(call_of("BatchNorm", {})->visible_outputs, 1);
  EXPECT_EQ(call_of("BatchNorm", {{"output_mean_var", "True"}})->visible_outputs, 3);
}

struct Odd {
  int64_t n = 1;
  void fields(auto&& f) { f("n", n, "").range(1, 5); }
};

TEST(Record, AConditionOnNoParameterThrows) {
  const OpDef bad{
      .name = "bad", .params = schema<Odd>(), .inputs = {{.name = "x", .when = when("m", 1)}}};
  EXPECT_THROW(make_call(bad, {}), Error);
}

TEST(Record, EveryConditionNamesAParameter) {
  for (const OpDef* op : OpTable::get().list()) {
    const auto fields = op->params.describe();
    auto check_condition = [&](const Condition& c) {
      if (c.param.empty()) return;
      const auto f = std::find_if(fields.begin(), fields.end(),
                                  [&](const FieldInfo& i) { return i.name == c.param; });
      ASSERT_NE(f, fields.end()) << op->name << " " << c.param;
      if (!f->choices.empty()) {
        EXPECT_THAT(f->choices, testing::Contains(c.value)) << op->name << " " << c.param;
      }
    };
    for (const Input& i : op->inputs.fixed()) check_condition(i.when);
    for (const Output& o : op->outputs.fixed()) check_condition(o.when);
  }
}

TEST(Record, SaysWhatParametersTake) {
  const Json odd = Json::parse(record_json({.name = "odd", .params = schema<Odd>()}));
  const Json& n = item(*odd.find("params"), "n");
  EXPECT_EQ(n.find("at_least")->number(""), 1);
  EXPECT_EQ(n.find("at_most")->number(""), 5);
  EXPECT_FALSE(n.find("ignored")->boolean(""));
  const Json pooling = Json::parse(record_json(OpTable::get().at("Pooling")));
  EXPECT_TRUE(item(*pooling.find("params"), "cudnn_off").find("ignored")->boolean(""));
}

TEST(Record, SaysWhereItIsAndWhatItCanDo) {
  const Json norm = Json::parse(record_json(OpTable::get().at("BatchNorm")));
  EXPECT_EQ(norm.find("file")->string(""), "batch_norm");
  EXPECT_EQ(norm.find("inputs")->array("").size(), 5u);
  EXPECT_FALSE(item(*norm.find("inputs"), "gamma").find("optional")->boolean(""));
  const Json dense = Json::parse(record_json(OpTable::get().at("FullyConnected")));
  const Json& bias = item(*dense.find("inputs"), "bias");
  EXPECT_TRUE(bias.find("optional")->boolean(""));
  EXPECT_EQ(bias.find("when")->find("param")->string(""), "no_bias");
  EXPECT_EQ(bias.find("when")->find("value")->string(""), "False");
  EXPECT_EQ(dense.find("gradient")->string(""), "kernel");
}

TEST(Record, ComposedCallsHoldTheirParts) {
  const OpCallRef c = call_of("Convolution_v1", {{"kernel", "(1, 1)"}, {"num_filter", "2"}});
  ASSERT_EQ(c->parts.size(), 1u);
  EXPECT_EQ(c->parts[0].call->op->name, "Convolution");
  EXPECT_THAT(c->parts[0].inputs, ElementsAre(0, 1, 2));
  EXPECT_THAT(c->results, ElementsAre(3));
  EXPECT_TRUE(c->op->kernels.empty());
}

TEST(Record, AnEmptyCompositionThrows) {
  const OpDef bad{.name = "bad", .compose = [](Builder& b) { return std::vector{b.x()}; }};
  EXPECT_THAT([&] { make_call(bad, {}); },
              testing::ThrowsMessage<Error>(HasSubstr("composed of 0 operators")));
  const OpDef many{.name = "many", .compose = [](Builder& b) {
                     const auto y = b.call("relu", {b.x()});
                     return std::vector{y, y};
                   }};
  EXPECT_THROW(make_call(many, {}), Error);
}

TEST(Record, OperatorsAreFoundByMeaningAndExpression) {
  const OpTable& ops = OpTable::get();
  for (Meaning m : {Meaning::kIdentity, Meaning::kTransfer, Meaning::kZeros, Meaning::kOnes,
                    Meaning::kAdd, Meaning::kSum})
    EXPECT_EQ(ops.of(m).meaning, m);
  EXPECT_THROW(ops.of(Meaning::kNone), Error);
  EXPECT_EQ(ops.serving("<", Notation::kTensorNumber)->name, "_lesser_scalar");
  EXPECT_EQ(ops.serving("<", Notation::kNumberTensor)->name, "_greater_scalar");
  EXPECT_EQ(ops.serving("-", Notation::kNumberTensor)->name, "_rminus_scalar");
  EXPECT_EQ(ops.serving("+", Notation::kEqualShapes)->name, "elemwise_add");
  EXPECT_EQ(ops.serving("<=>", Notation::kTensors), nullptr);
}

TEST(Catalogue, IsJsonOfEveryOperator) {
  const Json all = Json::parse(catalogue_json(OpTable::get()));
  size_t operators = 0;
  for (const OpDef* op : OpTable::get().list()) operators += !op->forward;
  EXPECT_EQ(all.find("operators")->array("").size(), operators);
}

}  // namespace heddle
