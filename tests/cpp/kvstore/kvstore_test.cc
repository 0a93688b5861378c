// The store without Python: sums in order, few tasks, errors before anything happens.
#include "heddle/kvstore.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "device/fake_device.h"
#include "kvstore/reduce.h"

namespace heddle {

using Item = KVStore::Item;
using Key = KVStore::Key;

NDArray array(std::vector<float> values) {
  return NDArray::from_host(values.data(), {int64_t(values.size())}, Dtype::kFloat32);
}

std::vector<float> values(const NDArray& a) {
  std::vector<float> v(size_t(a.size()));
  a.copy_to(v.data());
  return v;
}

std::vector<float> pulled(KVStore& store, Key key, int64_t size) {
  const NDArray out({size}, Device{});
  const Item item{key, {out}};
  store.pull({&item, 1});
  return values(out);
}

void push(KVStore& store, std::vector<Item> items) { store.push(items); }

std::string error_of(const std::function<void()>& f) {
  try {
    f();
  } catch (const Error& e) {
    return e.what();
  }
  return "none";
}

TEST(KVStore, SumsFromTheFirstToTheLast) {
  KVStore store("local");
  const Item start{Key(int64_t{3}), {array({0, 0})}};
  store.init({&start, 1});
  // (1e8 + 1) - 1e8 is 0 in float32; in another order it would be 1.
  push(store, {{Key(int64_t{3}), {array({1e8f, 1}), array({1, 2}), array({-1e8f, 3})}}});
  EXPECT_EQ(pulled(store, Key(int64_t{3}), 2), (std::vector<float>{0, 6}));
}

TEST(KVStore, AddsUpAKeyThatComesTwice) {
  KVStore store("device");
  const Item start{Key(std::string("w")), {array({5})}};
  store.init({&start, 1});
  push(store, {{start.key, {array({1})}}, {start.key, {array({2})}}});
  EXPECT_EQ(pulled(store, start.key, 1), (std::vector<float>{3}));
}

TEST(KVStore, CallsTheUpdaterOncePerPush) {
  KVStore store("local");
  std::vector<Item> start, gradients;
  for (int64_t k = 0; k < 50; ++k) {
    start.push_back({Key(k), {array({float(k)})}});
    gradients.push_back({Key(k), {array({1}), array({2})}});
  }
  store.init(start);
  int calls = 0;
  store.set_updater([&](std::span<const Key> keys, std::span<const NDArray> sums,
                        std::span<const NDArray> stored) {
    ++calls;
    EXPECT_EQ(keys.size(), 50u);
    for (size_t i = 0; i < keys.size(); ++i) copy(sums[i], stored[i]);
  });
  push(store, gradients);
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(pulled(store, Key(int64_t{49}), 1), (std::vector<float>{3}));
}

TEST(KVStore, ManyKeysAreFewTasks) {
  KVStore store("local");
  std::vector<Item> start, gradients;
  for (int64_t k = 0; k < 64; ++k) {
    start.push_back({Key(k), {array({0})}});
    gradients.push_back({Key(k), {array({1}), array({2})}});
  }
  store.init(start);
  const NDArray watched({1}, Device{});
  // Everything that one task writes has the same task: a failure in one of them reaches all.
  Engine::get().push({{&gradients[7].values[0].var(), Access::kUpdate}},
                     [](RunContext&) { fail("broken"); });
  push(store, gradients);
  EXPECT_NE(error_of([&] { pulled(store, Key(int64_t{60}), 1); }).find("broken"),
            std::string::npos);
  gradients[7].values[0] = array({1});
  push(store, gradients);  // what is written over is whole again
  EXPECT_EQ(pulled(store, Key(int64_t{60}), 1), (std::vector<float>{3}));
}

TEST(KVStore, CompressionKeepsWhatItDoesNotSend) {
  KVStore store("device");
  const Item start{Key(int64_t{0}), {array({0, 0, 0})}};
  store.init({&start, 1});
  store.set_compression(0.5f);
  push(store, {{start.key, {array({0.3f, 0.6f, -2}), array({0.5f, 0, 0})}}});
  EXPECT_EQ(pulled(store, start.key, 3), (std::vector<float>{0.5f, 0.5f, -0.5f}));
  push(store, {{start.key, {array({0.3f, 0.1f, 0}), array({0, 0, 0})}}});
  EXPECT_EQ(pulled(store, start.key, 3), (std::vector<float>{0.5f, 0, -0.5f}));
}

TEST(KVStore, OtherDtypes) {
  KVStore store("local");
  const int8_t small[] = {100, -100};
  auto bytes = [&] { return NDArray::from_host(small, {2}, Dtype::kInt8); };
  const Item start{Key(int64_t{0}), {bytes()}};
  store.init({&start, 1});
  push(store, {{start.key, {bytes(), bytes(), bytes()}}});
  EXPECT_EQ(pulled(store, start.key, 2), (std::vector<float>{44, -44}));  // wraps
}

TEST(KVStore, ValuesOfOtherDevicesComeToTheHostAndGoBack) {
  fake::FakeDevice& device = fake::FakeDevice::install();
  const Device zero{Device::kFake, 0}, one{Device::kFake, 1};
  KVStore store("local");
  const Item start{Key(int64_t{0}), {array({0, 0})}};
  store.init({&start, 1});
  const NDArray a({2}, zero), b({2}, one);
  copy(array({1, 2}), a);
  copy(array({10, 20}), b);
  device.gate().close();
  push(store,
       {{start.key, {a, array({100, 200}), b}}});  // returns although the device stands still
  const Item out{start.key, {a, b}};
  store.pull({&out, 1});
  device.gate().open();
  EXPECT_EQ(pulled(store, start.key, 2), (std::vector<float>{111, 222}));
  EXPECT_EQ(values(a), (std::vector<float>{111, 222}));
  EXPECT_EQ(values(b), (std::vector<float>{111, 222}));
  Engine::get().wait_all();
}

TEST(KVStore, ErrorsNameTheKeyAndNothingHappens) {
  KVStore store("local");
  std::vector<Item> start = {{Key(std::string("w")), {array({1})}},
                             {Key(std::string("v")), {array({1, 2})}}};
  store.init(start);
  EXPECT_NE(error_of([&] { store.init(start); }).find("duplicate init of key 'w'"),
            std::string::npos);
  const Item number{Key(int64_t{1}), {array({1})}};
  EXPECT_NE(error_of([&] { store.init({&number, 1}); }).find("inconsistent"), std::string::npos);
  EXPECT_NE(
      error_of([&] {
        push(store, {{Key(std::string("w")), {array({9})}}, {Key(std::string("u")), {array({9})}}});
      }).find("key 'u' has not been inited"),
      std::string::npos);
  EXPECT_NE(error_of([&] {
              push(store, {{Key(std::string("v")), {array({9})}}});
            }).find("key 'v' was given an array of shape (1,), expected (2,)"),
            std::string::npos);
  EXPECT_EQ(pulled(store, Key(std::string("w")), 1), (std::vector<float>{1}));
  EXPECT_NE(error_of([] { KVStore store("remote"); }).find("'remote'"), std::string::npos);
  EXPECT_NE(error_of([&] { store.set_compression(0.5f); }).find("expected device"),
            std::string::npos);
}

TEST(KVStore, AnOptimizerUpdatesWhatIsStored) {
  KVStore store("local");
  store.set_optimizer(Optimizer("sgd", {{"learning_rate", "0.5"}}));
  const Item first{Key(7), {array({1, 2})}}, both{Key(7), {array({2, 4}), array({4, 8})}};
  store.init({&first, 1});
  store.push({&both, 1});
  EXPECT_EQ(pulled(store, Key(7), 2), (std::vector<float>{-2, -4}));
}

}  // namespace heddle
