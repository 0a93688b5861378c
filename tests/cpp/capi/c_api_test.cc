// The C face, called as a program in C calls it.
#include "heddle/c_api.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <memory>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

namespace heddle {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;
using Params = std::initializer_list<const char*>;

#define OK(call) ASSERT_EQ(call, 0) << hd_last_error()

struct Free {
  void operator()(void* handle) const { hd_free(handle); }
};
template <class H>
using Owned = std::unique_ptr<H, Free>;

// A struct with its size set and nothing else.
template <class T>
T sized() {
  T t{};
  t.size = sizeof t;
  return t;
}

hd_variable typed(const char* name, const std::vector<int64_t>& shape, int dtype = HD_FLOAT32) {
  auto v = sized<hd_variable>();
  v.name = name;
  v.shape = shape.data();
  v.rank = int(shape.size());
  v.dtype = dtype;
  return v;
}

std::vector<const char*> list(Params p) {
  std::vector<const char*> all(p);
  all.push_back(nullptr);
  return all;
}

Owned<hd_array> array(std::vector<int64_t> shape, std::vector<float> values = {}) {
  hd_array* a = nullptr;
  EXPECT_EQ(hd_array_create(shape.data(), int(shape.size()), HD_FLOAT32, nullptr, &a), 0)
      << hd_last_error();
  if (!values.empty()) {
    EXPECT_EQ(hd_array_write(a, values.data(), values.size() * sizeof(float)), 0)
        << hd_last_error();
  }
  return Owned<hd_array>(a);
}

std::vector<float> values(const hd_array* a) {
  auto info = sized<hd_array_info>();
  EXPECT_EQ(hd_array_describe(a, &info), 0) << hd_last_error();
  std::vector<float> v(size_t(info.elements));
  EXPECT_EQ(hd_array_read(a, v.data(), size_t(info.bytes)), 0) << hd_last_error();
  return v;
}

Owned<hd_array> call(const char* op, std::vector<hd_array*> inputs, Params params = {}) {
  hd_array* out = nullptr;
  int count = 1;
  EXPECT_EQ(hd_invoke(op, inputs.data(), int(inputs.size()), list(params).data(), &out, &count), 0)
      << hd_last_error();
  return Owned<hd_array>(out);
}

Owned<hd_symbol> variable(const char* name) {
  hd_symbol* s = nullptr;
  EXPECT_EQ(hd_symbol_variable(name, nullptr, &s), 0) << hd_last_error();
  return Owned<hd_symbol>(s);
}

Owned<hd_symbol> apply(const char* op, const char* name, hd_symbol* input, Params params = {}) {
  hd_symbol* s = nullptr;
  EXPECT_EQ(hd_symbol_apply(op, name, list(params).data(), nullptr, &input, 1, &s), 0)
      << hd_last_error();
  return Owned<hd_symbol>(s);
}

std::vector<std::string> names(const hd_symbol* s, int kind) {
  const char* const* found = nullptr;
  int count = 0;
  EXPECT_EQ(hd_symbol_names(s, kind, &found, &count), 0) << hd_last_error();
  return {found, found + count};
}

std::string json(const char* kind, const char* name = nullptr) {
  const char* text = "";
  EXPECT_EQ(hd_describe(kind, name, &text), 0) << hd_last_error();
  return text;
}

TEST(CApi, TellsWhatThereIs) {
  const char* const* found = nullptr;
  int count = 0;
  for (const auto& [kind, one] : {std::pair("operator", "Convolution"),
                                  {"iterator", "MNISTIter"},
                                  {"optimizer", "adam"},
                                  {"kvstore", "local"},
                                  {"setting", "HEDDLE_THREADS"},
                                  {"device", "cpu(0)"}}) {
    OK(hd_list(kind, &found, &count));
    EXPECT_THAT(std::vector<std::string>(found, found + count), Contains(one));
    if (kind != std::string("kvstore")) {
      EXPECT_THAT(json(kind, one), HasSubstr(one));
    }
  }
  EXPECT_THAT(json("operator", "Convolution"), HasSubstr("\"num_filter\""));
  EXPECT_THAT(json("library"), HasSubstr("\"version\": \"" HD_VERSION "\""));
  EXPECT_EQ(hd_list("kettle", &found, &count), -1);
  EXPECT_THAT(hd_last_error(), HasSubstr("kettle"));
  const char* text = nullptr;
  EXPECT_EQ(hd_describe("iterator", "MNISTITer", &text), -1);
  EXPECT_EQ(hd_describe("operator", nullptr, &text), -1);
}

TEST(CApi, ArraysHoldWhatIsWritten) {
  const auto a = array({2, 3}, {1, 2, 3, 4, 5, 6});
  auto info = sized<hd_array_info>();
  OK(hd_array_describe(a.get(), &info));
  EXPECT_EQ(info.dtype, HD_FLOAT32);
  EXPECT_THAT(std::vector<int64_t>(info.shape, info.shape + info.rank), ElementsAre(2, 3));
  EXPECT_EQ(info.bytes, 24);
  EXPECT_STREQ(info.device, "cpu(0)");

  hd_array *row = nullptr, *flat = nullptr;
  const int64_t six = 6;
  OK(hd_array_slice(a.get(), 1, 2, &row));
  const Owned<hd_array> row_owned(row);
  OK(hd_array_reshape(a.get(), &six, 1, &flat));
  const Owned<hd_array> flat_owned(flat);
  const float sevens[] = {7, 7, 7};
  OK(hd_array_write(row, sevens, sizeof sevens));
  EXPECT_THAT(values(flat), ElementsAre(1, 2, 3, 7, 7, 7));  // one memory
  const void* data = nullptr;
  OK(hd_array_data(flat, &data));
  EXPECT_EQ(static_cast<const float*>(data)[5], 7);
}

TEST(CApi, SaysWhatIsWrongWithAnArgument) {
  hd_array* out = nullptr;
  const int64_t bad[] = {2, -1}, big[9] = {};
  EXPECT_EQ(hd_array_create(bad, 2, HD_FLOAT32, nullptr, &out), -1);
  EXPECT_THAT(hd_last_error(), HasSubstr("(2,?)"));
  EXPECT_EQ(hd_array_create(big, 9, HD_FLOAT32, nullptr, &out), -1);
  EXPECT_EQ(hd_array_create(nullptr, 2, HD_FLOAT32, nullptr, &out), -1);
  for (const int dtype : {-1, 8, 99, 1000}) {
    EXPECT_EQ(hd_array_create(bad, 1, dtype, nullptr, &out), -1);
    EXPECT_THAT(hd_last_error(), HasSubstr(std::to_string(dtype)));
  }
  EXPECT_EQ(hd_array_create(bad, 1, HD_FLOAT32, "cpuu(0)", &out), -1);
  EXPECT_EQ(hd_array_create(bad, 1, HD_FLOAT32, nullptr, nullptr), -1);
  EXPECT_EQ(out, nullptr);

  const auto a = array({2}, {1, 2});
  float one = 0;
  EXPECT_EQ(hd_array_read(a.get(), &one, sizeof one), -1);
  EXPECT_THAT(hd_last_error(), HasSubstr("8 bytes, found room for 4"));
  EXPECT_EQ(hd_array_read(nullptr, &one, sizeof one), -1);
  hd_array* null = nullptr;
  int count = 1;
  EXPECT_EQ(hd_invoke("relu", &null, 1, nullptr, &out, &count), -1);
  EXPECT_THAT(hd_last_error(), HasSubstr("input 0 of relu is null"));
  EXPECT_EQ(hd_invoke("rellu", nullptr, 0, nullptr, &out, &count), -1);
  EXPECT_THAT(hd_last_error(), HasSubstr("relu"));  // what it might be
  hd_array* in = a.get();
  EXPECT_EQ(hd_invoke("sum", &in, 1, list({"axis"}).data(), &out, &count), -1);
  EXPECT_THAT(hd_last_error(), HasSubstr("'axis' has no value"));
  count = 0;
  EXPECT_EQ(hd_invoke("relu", &in, 1, nullptr, nullptr, &count), -1);
  EXPECT_THAT(hd_last_error(), HasSubstr("room for 0 outputs, expected at least 1"));
  EXPECT_EQ(out, nullptr);
  OK(hd_free(nullptr));
}

TEST(CApi, StructsMayBeOfAnotherVersion) {
  const auto a = array({2, 3});
  // From an older header: only the first fields are there.
  struct {
    size_t size;
    int dtype, rank;
    int behind;
  } old{.size = offsetof(hd_array_info, shape), .dtype = 0, .rank = 0, .behind = 42};
  OK(hd_array_describe(a.get(), reinterpret_cast<hd_array_info*>(&old)));
  EXPECT_EQ(old.rank, 2);
  EXPECT_EQ(old.behind, 42);
  // From a newer one: what this library does not know must not be set.
  struct {
    hd_profiler_options known;
    int64_t more;
  } newer{};
  newer.known.size = sizeof newer;
  OK(hd_profiler_start(&newer.known));
  OK(hd_profiler_stop());
  newer.more = 1;
  EXPECT_EQ(hd_profiler_start(&newer.known), -1);
  EXPECT_THAT(hd_last_error(), HasSubstr("hd_profiler_options has size"));
  newer.known.size = 0;
  EXPECT_EQ(hd_profiler_start(&newer.known), -1);
  EXPECT_THAT(hd_last_error(), HasSubstr("sizeof"));
  // In an array of structs the first one's size is the step.
  struct Wide {
    hd_variable known;
    int64_t more[3];
  };
  const std::vector<int64_t> shape = {4, 3};
  std::vector<Wide> wide(2);
  wide[0].known = typed("data", shape);
  wide[0].known.size = sizeof(Wide);
  wide[1].known = typed("other", shape);
  hd_symbol* parts[] = {nullptr, nullptr};
  const auto data = variable("data"), other = variable("other");
  parts[0] = data.get(), parts[1] = other.get();
  hd_symbol* group = nullptr;
  OK(hd_symbol_group(parts, 2, &group));
  const Owned<hd_symbol> owned(group);
  const hd_variable* const* found = nullptr;
  int count = 0;
  OK(hd_symbol_infer(group, &wide[0].known, 2, HD_ARGUMENTS, &found, &count));
  ASSERT_EQ(count, 2);
  EXPECT_EQ(found[1]->rank, 2);
  EXPECT_STREQ(found[1]->name, "other");
}

TEST(CApi, BorrowedMemoryIsReleasedOnce) {
  float memory[] = {1, 2, 3};
  int released = 0;
  const int64_t three = 3;
  hd_array* a = nullptr;
  OK(hd_array_borrow(
      memory, &three, 1, HD_FLOAT32, [](void* user) { ++*static_cast<int*>(user); }, &released,
      &a));
  const auto twice = call("_mul_scalar", {a}, {"scalar", "2"});
  EXPECT_THAT(values(twice.get()), ElementsAre(2, 4, 6));
  EXPECT_EQ(released, 0);
  OK(hd_free(a));
  OK(hd_wait(nullptr));
  EXPECT_EQ(released, 1);
  EXPECT_EQ(hd_array_borrow(
                nullptr, &three, 1, HD_FLOAT32, [](void* user) { ++*static_cast<int*>(user); },
                &released, &a),
            -1);
  EXPECT_EQ(released, 1);  // a call that fails leaves it to the caller
}

TEST(CApi, ArraysGoThroughFiles) {
  const auto a = array({2}, {1, 2}), b = array({1, 1}, {3});
  hd_array* both[] = {a.get(), b.get()};
  const char* const called[] = {"arg:a", "arg:b"};
  const void* bytes = nullptr;
  size_t size = 0;
  OK(hd_arrays_save(nullptr, both, called, 2, &bytes, &size));
  hd_array* const* loaded = nullptr;
  const char* const* texts = nullptr;
  int count = 0;
  OK(hd_arrays_load(nullptr, bytes, size, &loaded, &texts, &count));
  ASSERT_EQ(count, 2);
  EXPECT_STREQ(texts[1], "arg:b");
  EXPECT_THAT(values(loaded[0]), ElementsAre(1, 2));
  for (int i = 0; i < count; ++i) OK(hd_free(loaded[i]));

  const std::string path = testing::TempDir() + "c_api.params";
  OK(hd_arrays_save(path.c_str(), both, nullptr, 2, nullptr, nullptr));
  OK(hd_arrays_load(path.c_str(), nullptr, 0, &loaded, &texts, &count));
  EXPECT_EQ(texts, nullptr);
  ASSERT_EQ(count, 2);
  for (int i = 0; i < count; ++i) OK(hd_free(loaded[i]));
  std::filesystem::remove(path);
  EXPECT_EQ(hd_arrays_load(path.c_str(), nullptr, 0, &loaded, &texts, &count), -1);
  EXPECT_THAT(hd_last_error(), HasSubstr("c_api.params"));
}

TEST(CApi, CallsWriteWhatIsThereAndMakeTheRest) {
  const auto a = array({2, 2}, {4, 1, 2, 3}), first = array({2, 2});
  hd_array* in = a.get();
  hd_array* out[] = {first.get(), nullptr, nullptr};
  int count = 3;
  OK(hd_invoke("topk", &in, 1, list({"k", "2", "ret_typ", "both"}).data(), out, &count));
  const Owned<hd_array> second(out[1]);
  EXPECT_EQ(count, 2);
  EXPECT_EQ(out[0], first.get());
  EXPECT_EQ(out[2], nullptr);
  EXPECT_THAT(values(first.get()), ElementsAre(4, 1, 3, 2));
  EXPECT_THAT(values(second.get()), ElementsAre(0, 1, 1, 0));
  // The same operator with other parameters, and with another number of inputs, is another call.
  EXPECT_THAT(values(call("sum", {in}, {"axis", "0"}).get()), ElementsAre(6, 4));
  EXPECT_THAT(values(call("sum", {in}, {"axis", "1"}).get()), ElementsAre(5, 5));
  EXPECT_EQ(values(call("Concat", {in, in}, {"dim", "0"}).get()).size(), 8u);
  EXPECT_EQ(values(call("Concat", {in, in, in}, {"dim", "0"}).get()).size(), 12u);
  for (int i = 0; i < 40; ++i)  // more than are remembered
    EXPECT_EQ(values(call("_plus_scalar", {in}, {"scalar", std::to_string(i).c_str()}).get())[0],
              4 + i);
}

TEST(CApi, ErrorsOfTasksComeWithTheWait) {
  const auto data = array({3}, {1, 2, 3}), index = array({1}, {7});
  hd_array* in[] = {data.get(), index.get()};
  hd_array* out = nullptr;
  int count = 1;
  OK(hd_invoke("take", in, 2, list({"mode", "raise"}).data(), &out, &count));
  const Owned<hd_array> owned(out);
  float v = 0;
  EXPECT_EQ(hd_array_read(out, &v, sizeof v), -1);
  EXPECT_THAT(hd_last_error(), HasSubstr("take"));
}

TEST(CApi, SeedsDecideDraws) {
  std::vector<std::vector<float>> draws;
  for (const char* device : {"", "", "cpu(0)", "cpu(0)"}) {
    OK(hd_seed(7, *device ? device : nullptr));
    draws.push_back(values(call("_random_uniform", {}, {"shape", "(4,)"}).get()));
  }
  EXPECT_EQ(draws[0], draws[1]);
  EXPECT_EQ(draws[2], draws[3]);
}

TEST(CApi, TheTapeGivesGradients) {
  const auto x = array({3}, {1, 2, 3}), grad = array({3});
  OK(hd_autograd_mark(x.get(), grad.get(), HD_GRAD_WRITE));
  int recording = -1, training = -1;
  OK(hd_autograd_mode(1, -1, &recording, &training));
  EXPECT_EQ(recording, 0);
  auto square = call("square", {x.get()});
  OK(hd_autograd_mode(0, 0, &recording, nullptr));
  EXPECT_EQ(recording, 1);
  hd_array* head = square.get();
  OK(hd_autograd_backward(&head, 1, nullptr));
  EXPECT_THAT(values(grad.get()), ElementsAre(2, 4, 6));

  // The gradient of the gradient, returned.
  OK(hd_autograd_mode(1, 1, nullptr, nullptr));
  auto cube = call("_mul", {call("square", {x.get()}).get(), x.get()});
  hd_array *variables[] = {x.get()}, *first = nullptr, *second = nullptr;
  auto o = sized<hd_backward_options>();
  o.create_graph = o.retain_graph = 1;
  o.variables = variables, o.variable_count = 1, o.gradients = &first;
  head = cube.get();
  OK(hd_autograd_backward(&head, 1, &o));
  const Owned<hd_array> first_owned(first);
  const auto heads = array({3}, {1, 10, 100});
  hd_array* head_grads[] = {heads.get()};
  o.gradients = &second, o.create_graph = o.retain_graph = 0, o.head_grads = head_grads;
  OK(hd_autograd_backward(&first, 1, &o));
  const Owned<hd_array> second_owned(second);
  OK(hd_autograd_mode(0, 0, nullptr, nullptr));
  EXPECT_THAT(values(first), ElementsAre(3, 12, 27));
  EXPECT_THAT(values(second), ElementsAre(6, 120, 1800));
  EXPECT_THAT(values(grad.get()), ElementsAre(2, 4, 6));  // what was marked stays

  EXPECT_EQ(hd_autograd_backward(&head, 1, nullptr), -1);  // the tape is gone
  EXPECT_EQ(hd_autograd_mark(x.get(), grad.get(), 7), -1);
}

TEST(CApi, SymbolsAreMadeSavedAndAsked) {
  const auto data = variable("data");
  const auto fc = apply("FullyConnected", "fc", data.get(),
                        {"num_hidden", "4", "__lr_mult__", "2", "no_bias", "False"});
  EXPECT_THAT(names(fc.get(), HD_ARGUMENTS), ElementsAre("data", "fc_weight", "fc_bias"));
  EXPECT_THAT(names(fc.get(), HD_OUTPUTS), ElementsAre("fc_output"));
  const auto bn = apply("BatchNorm", "bn", fc.get());
  EXPECT_THAT(names(bn.get(), HD_AUXILIARY), ElementsAre("bn_moving_mean", "bn_moving_var"));
  EXPECT_EQ(names(bn.get(), HD_INPUTS).size(), 7u);

  const char* text = nullptr;
  OK(hd_symbol_attribute(fc.get(), "name", &text));
  EXPECT_STREQ(text, "fc");
  OK(hd_symbol_attribute(fc.get(), "__lr_mult__", &text));
  EXPECT_STREQ(text, "2");
  OK(hd_symbol_attribute(fc.get(), "__wd_mult__", &text));
  EXPECT_EQ(text, nullptr);
  hd_symbol* other = nullptr;
  OK(hd_symbol_with_attributes(fc.get(), list({"__wd_mult__", "0"}).data(), &other));
  const Owned<hd_symbol> other_owned(other);
  OK(hd_symbol_attribute(other, "__wd_mult__", &text));
  EXPECT_STREQ(text, "0");

  OK(hd_symbol_to_json(bn.get(), &text));
  hd_symbol* again = nullptr;
  OK(hd_symbol_from_json(std::string(text).c_str(), &again));
  const Owned<hd_symbol> again_owned(again);
  EXPECT_EQ(names(again, HD_INPUTS), names(bn.get(), HD_INPUTS));
  hd_symbol *internals = nullptr, *part = nullptr, *wrong = nullptr;
  OK(hd_symbol_internals(again, &internals));
  const Owned<hd_symbol> internals_owned(internals);
  OK(hd_symbol_output(internals, "fc_output", 0, &part));
  const Owned<hd_symbol> part_owned(part);
  EXPECT_THAT(names(part, HD_ARGUMENTS), ElementsAre("data", "fc_weight", "fc_bias"));
  EXPECT_EQ(hd_symbol_output(part, nullptr, 1, &wrong), -1);
  EXPECT_EQ(hd_symbol_output(part, "nothing", 0, &wrong), -1);
  EXPECT_EQ(hd_symbol_from_json("{", &wrong), -1);
  EXPECT_THAT(hd_last_error(), HasSubstr("JSON"));

  // By name, and in the place of a variable.
  hd_symbol *input = data.get(), *named = nullptr, *composed = nullptr;
  const char* const weight = "weight";
  OK(hd_symbol_apply("FullyConnected", "by_name", list({"num_hidden", "2"}).data(), &weight, &input,
                     1, &named));
  const Owned<hd_symbol> named_owned(named);
  EXPECT_THAT(names(named, HD_ARGUMENTS), ElementsAre("by_name_data", "data", "by_name_bias"));
  const char* const place = "by_name_data";
  hd_symbol* put = fc.get();
  OK(hd_symbol_compose(named, &place, &put, 1, &composed));
  const Owned<hd_symbol> composed_owned(composed);
  EXPECT_THAT(names(composed, HD_ARGUMENTS),
              ElementsAre("data", "fc_weight", "fc_bias", "by_name_bias"));

  const auto a = apply("Flatten", nullptr, input), b = apply("Flatten", nullptr, input);
  EXPECT_THAT(names(a.get(), HD_OUTPUTS)[0], StartsWith("flatten"));
  EXPECT_NE(names(a.get(), HD_OUTPUTS), names(b.get(), HD_OUTPUTS));
  EXPECT_EQ(hd_symbol_apply("Convolution", "conv", nullptr, nullptr, &input, 1, &wrong), -1);
  EXPECT_THAT(hd_last_error(), StartsWith("Error in operator conv: "));
  EXPECT_EQ(wrong, nullptr);
}

TEST(CApi, TypesAreInferred) {
  const auto data = variable("data");
  const auto fc = apply("FullyConnected", "fc", data.get(), {"num_hidden", "4"});
  const std::vector<int64_t> open = {-1, 3}, full = {5, 3}, wrong = {4, 9};
  const hd_variable known = typed("data", open, HD_FLOAT16);
  const hd_variable* const* found = nullptr;
  int count = 0;
  OK(hd_symbol_infer(fc.get(), &known, 1, HD_ARGUMENTS, &found, &count));
  ASSERT_EQ(count, 3);
  EXPECT_STREQ(found[1]->name, "fc_weight");
  EXPECT_THAT(std::vector<int64_t>(found[1]->shape, found[1]->shape + 2), ElementsAre(4, 3));
  EXPECT_EQ(found[1]->dtype, HD_FLOAT16);
  OK(hd_symbol_infer(fc.get(), &known, 1, HD_OUTPUTS, &found, &count));
  EXPECT_THAT(std::vector<int64_t>(found[0]->shape, found[0]->shape + 2), ElementsAre(-1, 4));
  OK(hd_symbol_infer(fc.get(), nullptr, 0, HD_ARGUMENTS, &found, &count));
  EXPECT_EQ(found[0]->shape, nullptr);
  EXPECT_EQ(found[0]->dtype, HD_FLOAT32);
  const hd_variable both[] = {typed("data", full), typed("fc_weight", wrong)};
  EXPECT_EQ(hd_symbol_infer(fc.get(), both, 2, HD_ARGUMENTS, &found, &count), -1);
  EXPECT_THAT(hd_last_error(), HasSubstr("fc"));
}

struct Bound {
  Owned<hd_executor> executor;
  std::vector<hd_array*> all(int kind) const {
    hd_array* const* arrays = nullptr;
    int count = 0;
    EXPECT_EQ(hd_executor_arrays(executor.get(), kind, &arrays, &count), 0) << hd_last_error();
    return {arrays, arrays + count};
  }
};

TEST(CApi, ExecutorsRun) {
  const auto x = variable("x"), y = variable("y");
  hd_symbol *inputs[] = {x.get(), y.get()}, *product = nullptr;
  OK(hd_symbol_apply("_mul", "product", nullptr, nullptr, inputs, 2, &product));
  Owned<hd_symbol> owned(product);
  const std::vector<int64_t> two = {2}, three = {3};
  const auto given = array({2}, {3, 4}), gradient = array({2}, {100, 100});
  hd_variable variables[] = {typed("x", two), sized<hd_variable>()};
  variables[0].grad = HD_GRAD_NONE;
  variables[1].name = "y";
  variables[1].array = given.get();
  variables[1].gradient = gradient.get();
  variables[1].grad = HD_GRAD_ADD;
  hd_executor* e = nullptr;
  OK(hd_bind(product, variables, 2, nullptr, &e));
  const Bound bound{Owned<hd_executor>(e)};
  owned.reset();  // an executor outlives its symbol
  const float ones[] = {5, 6}, heads_values[] = {1, 10};
  OK(hd_array_write(bound.all(HD_ARGUMENTS)[0], ones, sizeof ones));
  OK(hd_executor_forward(e, 1));
  EXPECT_THAT(values(bound.all(HD_OUTPUTS)[0]), ElementsAre(15, 24));
  EXPECT_EQ(hd_executor_backward(e, nullptr, 0), -1);  // no loss
  auto heads = array({2}, {heads_values[0], heads_values[1]});
  hd_array* head = heads.get();
  OK(hd_executor_backward(e, &head, 1));
  EXPECT_THAT(values(gradient.get()), ElementsAre(105, 160));
  EXPECT_EQ(bound.all(HD_GRADIENTS)[0], nullptr);
  EXPECT_EQ(bound.all(HD_AUXILIARY).size(), 0u);

  std::vector<std::string> seen;
  OK(hd_executor_monitor(
      e,
      [](void* user, const char* name, hd_array* value) {
        static_cast<std::vector<std::string>*>(user)->push_back(name);
        EXPECT_EQ(values(value).size(), 2u);
      },
      &seen, 0));
  OK(hd_executor_forward(e, 0));
  EXPECT_THAT(seen, ElementsAre("product_output"));
  OK(hd_executor_monitor(e, nullptr, nullptr, 0));

  const hd_variable wider[] = {typed("x", three), typed("y", three)};
  hd_executor* reshaped = nullptr;
  OK(hd_executor_reshape(e, wider, 2, 1, 1, &reshaped));
  const Bound other{Owned<hd_executor>(reshaped)};
  EXPECT_EQ(values(other.all(HD_OUTPUTS)[0]).size(), 3u);
  const char* text = nullptr;
  OK(hd_executor_describe(e, &text));
  EXPECT_THAT(text, HasSubstr("product"));
  hd_array* const* arrays = nullptr;
  int count = 0;
  EXPECT_EQ(hd_executor_arrays(e, HD_INPUTS, &arrays, &count), -1);
}

TEST(CApi, UnknownShapesFailToBind) {
  const auto fc = apply("FullyConnected", "fc", variable("data").get(), {"num_hidden", "4"});
  hd_executor* e = nullptr;
  EXPECT_EQ(hd_bind(fc.get(), nullptr, 0, nullptr, &e), -1);
  EXPECT_THAT(hd_last_error(), HasSubstr("data"));
  hd_bind_options o{
      .size = sizeof o, .device = "nowhere", .predicting = 0, .grad = 0, .groups = nullptr};
  EXPECT_EQ(hd_bind(fc.get(), nullptr, 0, &o, &e), -1);
  EXPECT_EQ(e, nullptr);
}

TEST(CApi, StoresSumAndUpdate) {
  hd_kvstore* store = nullptr;
  OK(hd_kvstore_create("local", 0, &store));
  const Owned<hd_kvstore> owned(store);
  const auto a = array({2}, {1, 2}), b = array({1}, {3}), out = array({2});
  const char* const both[] = {"a", "b"};
  hd_array* first[] = {a.get(), b.get()};
  OK(hd_kvstore_init(store, both, first, 2));
  const char* const twice[] = {"a", "a"};
  hd_array* pushed[] = {a.get(), a.get()};
  OK(hd_kvstore_push(store, twice, pushed, 2, 0));
  hd_array* place = out.get();
  OK(hd_kvstore_pull(store, both, &place, 1, 0));
  EXPECT_THAT(values(out.get()), ElementsAre(2, 4));

  std::string told;
  OK(hd_kvstore_set_updater(
      store,
      [](void* user, const char* key, hd_array* sum, hd_array* stored) {
        *static_cast<std::string*>(user) += key;
        hd_array* in[] = {stored, sum};
        int count = 1;
        return hd_invoke(key[0] == 'a' ? "_plus" : "no such", in, 2, nullptr, &stored, &count);
      },
      &told));
  OK(hd_kvstore_push(store, twice, pushed, 2, 0));
  OK(hd_kvstore_pull(store, both, &place, 1, 0));
  EXPECT_THAT(values(out.get()), ElementsAre(4, 8));
  EXPECT_EQ(told, "a");
  EXPECT_EQ(hd_kvstore_push(store, both + 1, first + 1, 1, 0), -1);
  EXPECT_THAT(hd_last_error(), HasSubstr("the updater failed for key 'b': "));
  EXPECT_THAT(hd_last_error(), HasSubstr("no such"));  // the reason goes through

  const char* const unknown = "c";
  EXPECT_EQ(hd_kvstore_pull(store, &unknown, &place, 1, 0), -1);
  EXPECT_THAT(hd_last_error(), HasSubstr("'c'"));
  EXPECT_EQ(hd_kvstore_create("remote", 0, &store), -1);
  EXPECT_EQ(hd_kvstore_create("local", 0.5f, &store), -1);  // not in host memory
}

TEST(CApi, OptimizersFollowGradients) {
  hd_optimizer *o = nullptr, *other = nullptr;
  OK(hd_optimizer_create("sgd", list({"learning_rate", "0.5", "momentum", "0.5"}).data(), &o));
  const Owned<hd_optimizer> owned(o);
  const auto w = array({2}, {1, 2}), g = array({2}, {1, -1});
  hd_array *weight = w.get(), *grad = g.get();
  const char* const key = "w";
  OK(hd_optimizer_update(o, &key, &weight, &grad, 1, -1));
  EXPECT_THAT(values(weight), ElementsAre(0.5f, 2.5f));
  const void* bytes = nullptr;
  size_t size = 0;
  OK(hd_optimizer_states(o, nullptr, 0, &bytes, &size));
  OK(hd_optimizer_create("sgd", list({"learning_rate", "9", "momentum", "0.5"}).data(), &other));
  const Owned<hd_optimizer> other_owned(other);
  OK(hd_optimizer_states(other, bytes, size, nullptr, nullptr));
  OK(hd_optimizer_update(other, &key, &weight, &grad, 1,
                         0.5));  // half the step before, and a new one
  EXPECT_THAT(values(weight), ElementsAre(-0.25f, 3.25f));
  EXPECT_EQ(hd_optimizer_states(other, "nonsense", 8, nullptr, nullptr), -1);
  EXPECT_EQ(hd_optimizer_create("sdg", nullptr, &other), -1);
  EXPECT_THAT(hd_last_error(), HasSubstr("sdg"));
  EXPECT_EQ(hd_optimizer_create("sgd", list({"momentun", "0"}).data(), &other), -1);
  EXPECT_THAT(hd_last_error(), HasSubstr("momentun"));
  const auto wrong = array({3});
  hd_array* shape = wrong.get();
  EXPECT_EQ(hd_optimizer_update(o, &key, &weight, &shape, 1, -1), -1);
  EXPECT_THAT(values(weight), ElementsAre(-0.25f, 3.25f));
}

TEST(CApi, RecordsAndIterators) {
  const std::string path = testing::TempDir() + "c_api.rec";
  hd_record* file = nullptr;
  int64_t offsets[2] = {};
  OK(hd_record_open(path.c_str(), "w", &file));
  OK(hd_record_write(file, "one", 3, &offsets[0]));
  OK(hd_record_write(file, "three", 5, &offsets[1]));
  OK(hd_free(file));
  OK(hd_record_open(path.c_str(), "r", &file));
  const Owned<hd_record> owned(file);
  const void* data = nullptr;
  size_t size = 0;
  int64_t offset = -1;
  OK(hd_record_seek(file, offsets[1]));
  OK(hd_record_read(file, &data, &size, &offset));
  EXPECT_EQ(std::string(static_cast<const char*>(data), size), "three");
  EXPECT_EQ(offset, offsets[1]);
  OK(hd_record_read(file, &data, &size, nullptr));
  EXPECT_EQ(data, nullptr);
  EXPECT_EQ(hd_record_write(file, "no", 2, nullptr), -1);
  hd_record* other = nullptr;
  EXPECT_EQ(hd_record_open(path.c_str(), "rw", &other), -1);
  std::filesystem::remove(path);

  const std::string csv = testing::TempDir() + "c_api.csv";
  FILE* text = std::fopen(csv.c_str(), "w");
  ASSERT_NE(text, nullptr);
  std::fputs("1,2\n3,4\n5,6\n", text);
  std::fclose(text);
  hd_iterator* it = nullptr;
  OK(hd_iterator_create(
      "CSVIter", list({"data_csv", csv.c_str(), "data_shape", "(2,)", "batch_size", "2"}).data(),
      &it));
  const Owned<hd_iterator> it_owned(it);
  auto batch = sized<hd_batch>();
  int more = 0;
  OK(hd_iterator_next(it, &batch, &more));
  ASSERT_EQ(more, 1);
  EXPECT_THAT(values(batch.data), ElementsAre(1, 2, 3, 4));
  OK(hd_iterator_next(it, &batch, &more));
  EXPECT_EQ(batch.pad, 1);
  OK(hd_iterator_next(it, nullptr, &more));
  EXPECT_EQ(more, 0);
  OK(hd_iterator_reset(it));
  OK(hd_iterator_next(it, nullptr, &more));
  EXPECT_EQ(more, 1);
  hd_iterator* wrong = nullptr;
  EXPECT_EQ(hd_iterator_create("CSVIter", list({"data_cvs", "x"}).data(), &wrong), -1);
  EXPECT_THAT(hd_last_error(), HasSubstr("data_cvs"));
  std::filesystem::remove(csv);
}

TEST(CApi, TheProfilerTellsOfCalls) {
  OK(hd_profiler_start(nullptr));
  const auto a = call("exp", {array({2}, {0, 1}).get()});
  OK(hd_wait(a.get()));
  OK(hd_profiler_stop());
  EXPECT_THAT(json("profile"), HasSubstr("\"exp\""));
  const std::string path = testing::TempDir() + "c_api.json";
  OK(hd_profiler_write(path.c_str()));
  EXPECT_GT(std::filesystem::file_size(path), 10u);
  std::filesystem::remove(path);
}

TEST(CApi, EveryThreadHasItsOwnErrorsAndTexts) {
  hd_array* out = nullptr;
  EXPECT_EQ(hd_array_create(nullptr, 1, HD_FLOAT32, nullptr, &out), -1);
  const std::string here = hd_last_error();
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([t] {
      EXPECT_STREQ(hd_last_error(), "");
      const auto a = array({4}, {float(t), 1, 2, 3});
      for (int i = 0; i < 200; ++i) {
        const auto b = call("_plus_scalar", {a.get()}, {"scalar", std::to_string(i).c_str()});
        ASSERT_EQ(values(b.get())[0], float(t + i));
        const char* text = nullptr;
        EXPECT_EQ(hd_describe("operator", std::to_string(t).c_str(), &text), -1);
        ASSERT_THAT(hd_last_error(), HasSubstr(std::to_string(t)));
      }
    });
  for (auto& t : threads) t.join();
  EXPECT_EQ(hd_last_error(), here);
}

}  // namespace heddle
