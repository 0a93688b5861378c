// Networks under a budget of bytes: plans keep to it, gradients keep their bits, and what cannot be
// had is refused, with the bytes that could.
#include <gmock/gmock.h>

#include <random>

#include "runtime/memory_use.h"
#include "runtime/session.h"

namespace heddle::test_recompute {

using testing::HasSubstr;

Symbol apply(const char* op, std::vector<Symbol> inputs, std::string name, Kwargs kwargs = {}) {
  return Symbol::apply(make_call(OpTable::get().at(op), std::move(kwargs)), std::move(inputs), {},
                       std::move(name));
}

// Layers of 24 features on what earlier ones made, at random: wide ones, norms, random ones, sums
// and products that skip some.
Symbol random_net(unsigned seed, int layers) {
  std::mt19937 random(seed);
  std::vector<Symbol> made = {Symbol::variable("data")};
  const auto dense = [&](const Symbol& x, const std::string& name) {
    return apply("FullyConnected", {x}, name, {{"num_hidden", "24"}});
  };
  made.push_back(dense(made[0], "first"));
  for (int i = 0; i < layers; ++i) {
    const std::string name = format("n{}", i);
    const Symbol& x = made.back();
    const Symbol& other = made[1 + random() % (made.size() - 1)];
    switch (random() % 8) {
      case 0:
        made.push_back(dense(x, name));
        break;
      case 1:
        made.push_back(
            apply("BatchNorm", {x}, name, {{"fix_gamma", random() % 2 ? "True" : "False"}}));
        break;
      case 2:
        made.push_back(apply("Dropout", {x}, name, {{"p", "0.3"}}));
        break;
      case 3:
        made.push_back(apply("elemwise_add", {x, other}, name));
        break;
      case 4:
        made.push_back(apply("elemwise_mul", {apply("tanh", {x}, name + "t"), other}, name));
        break;
      case 5:
        made.push_back(dense(apply("Concat", {x, other}, name + "c", {{"num_args", "2"}}), name));
        break;
      case 6:
        made.push_back(apply("LeakyReLU", {x}, name, {{"act_type", "rrelu"}}));
        break;
      default:
        made.push_back(apply("Activation", {x}, name, {{"act_type", "relu"}}));
    }
  }
  return apply("SoftmaxOutput", {dense(made.back(), "last")}, "softmax");
}

// A chain of dense layers with a norm, dropout and relu each.
Symbol tower(int layers) {
  Symbol x = Symbol::variable("data");
  for (int i = 0; i < layers; ++i) {
    x = apply("FullyConnected", {x}, format("fc{}", i), {{"num_hidden", "24"}});
    x = apply("BatchNorm", {x}, format("bn{}", i));
    x = apply("Dropout", {x}, format("drop{}", i));
    x = apply("Activation", {x}, format("relu{}", i), {{"act_type", "relu"}});
  }
  return apply("SoftmaxOutput", {x}, "softmax");
}

// `share`: of the time of a step, for what costs little.
Network network_of(const Symbol& s, int64_t budget, int64_t batch = 64, double share = 0) {
  NetworkSpec spec;
  spec.known["data"].shape = {batch, 24};
  spec.grad_req = {{"softmax_label", GradReq::kNone}};
  spec.memory_budget = budget;
  spec.recompute_share = share;
  return analyse(s, spec);
}

int64_t needed(const Plan& p, const Network& n) {
  return p.stated_bytes() + p.kept_bytes() + n.own_bytes();
}

// Everything that two steps leave behind.
std::vector<std::vector<float>> results(Network network) {
  Session run(std::move(network), {});
  std::mt19937 random(7);
  std::normal_distribution<float> normal;
  for (const Network::Variable& v : run.network().variables) {
    const Blob& b = run.variable(v.name);
    for (int64_t i = 0; i < b.size(); ++i)
      b.as<float>()[i] = v.name == "softmax_label" ? float(random() % 24)
                         : v.aux                   ? 1
                                                   : normal(random) * 0.3f;
  }
  std::vector<std::vector<float>> all;
  const auto note = [&](const Blob& b) {
    if (b.data) all.emplace_back(b.as<float>(), b.as<float>() + b.size());
  };
  for (uint64_t step = 1; step <= 2; ++step) {
    run.forward(true, step);
    run.backward();
    for (const Network::Variable& v : run.network().variables) {
      note(run.gradient(v.name));
      if (v.aux) note(run.variable(v.name));
    }
    for (const Blob& b : run.outputs()) note(b);
  }
  return all;
}

// The bytes that a refusal names.
int64_t least_bytes(const Symbol& s) {
  try {
    plan_training(network_of(s, 1));
  } catch (const Error& e) {
    const std::string text = e.what();
    const std::string before = "needs ";
    EXPECT_THAT(text, HasSubstr("Most is in use while"));
    return std::stoll(text.substr(text.find(before) + before.size()));
  }
  ADD_FAILURE() << "a budget of one byte was kept";
  return 0;
}

bool bits_equal(const std::vector<std::vector<float>>& a,
                const std::vector<std::vector<float>>& b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i)
    if (a[i].size() != b[i].size() ||
        std::memcmp(a[i].data(), b[i].data(), a[i].size() * sizeof(float)) != 0)
      return false;
  return true;
}

void expect_budgets_kept(const Symbol& s) {
  const Network free = network_of(s, 0);
  const int64_t most = needed(plan_training(free), free), least = least_bytes(s);
  EXPECT_LE(least, most);
  const auto expected = results(network_of(s, 0));
  for (const int64_t budget :
       {most, least + (most - least) * 2 / 3, least + (most - least) / 3, least}) {
    const Network n = network_of(s, budget);
    const Plan p = plan_training(n);
    EXPECT_LE(needed(p, n), budget);
    EXPECT_GE(p.stated_bytes(), memory_use(p).lower_bound);
    EXPECT_TRUE(bits_equal(results(network_of(s, budget)), expected))
        << "budget " << budget << " of " << most;
  }
}

TEST(Recompute, RandomNetsKeepTheirBudgetsAndTheirBits) {
  for (unsigned seed = 0; seed < 40; ++seed) {
    SCOPED_TRACE(seed);
    expect_budgets_kept(random_net(seed, 4 + int(seed) % 40));
  }
}

TEST(Recompute, WhatCostsLittleLowersThePeakOrIsLeft) {
  constexpr int64_t kBatch = 4096;
  int lower = 0;
  for (unsigned seed = 0; seed < 24; ++seed) {
    SCOPED_TRACE(seed);
    const Symbol s = random_net(seed, 4 + int(seed));
    const Network plain = network_of(s, 0, kBatch);
    const int64_t before = needed(plan_training(plain), plain);
    const auto expected = results(plain);
    for (const double share : {0.015, 0.1}) {
      const Network n = network_of(s, 0, kBatch, share);
      const Plan p = plan_training(n);
      const int64_t after = needed(p, n);
      EXPECT_LE(after, before);
      EXPECT_LE(p.seconds_again, share * 3 * p.seconds);
      if (after == before) {
        EXPECT_EQ(p.seconds_again, 0);
      }
      lower += after < before;
      EXPECT_TRUE(bits_equal(results(n), expected));
    }
  }
  EXPECT_GE(lower, 10);
}

TEST(Recompute, SmallArenasAreLeftAlone) {
  const Network n = network_of(tower(8), 0, 64, 0.5);
  EXPECT_EQ(plan_training(n).seconds_again, 0);
}

TEST(Recompute, TowersGetSmall) {
  const Symbol s = tower(60);
  expect_budgets_kept(s);
  const Network free = network_of(s, 0);
  const int64_t own = free.own_bytes(), arena = plan_training(free).stated_bytes();
  EXPECT_LE(least_bytes(s) - own, arena / 4);
}

// Two halves, where the second reads what the first made, as in U-Net (Ronneberger et al. 2015): no
// chain of blocks, so single changes of an order are what saves memory and time.
TEST(Recompute, HalvesThatReadEachOtherGetSmall) {
  Symbol x = Symbol::variable("data");
  std::vector<Symbol> made;
  const auto layer = [&](const std::string& name) {
    x = apply("FullyConnected", {x}, name, {{"num_hidden", "24"}});
    x = apply("Activation", {apply("BatchNorm", {x}, name + "_bn")}, name + "_relu",
              {{"act_type", "relu"}});
  };
  for (int i = 0; i < 6; ++i) {
    layer(format("down{}", i)), layer(format("down{}_2", i));
    made.push_back(x);
  }
  for (int i = 6; i-- > 0;) {
    x = apply("Concat", {made[size_t(i)], x}, format("join{}", i), {{"num_args", "2"}});
    layer(format("up{}", i)), layer(format("up{}_2", i));
  }
  const Symbol s = apply("SoftmaxOutput", {x}, "softmax");
  expect_budgets_kept(s);
  const Network free = network_of(s, 0);
  const int64_t own = free.own_bytes(), arena = plan_training(free).stated_bytes();
  EXPECT_LE(least_bytes(s) - own, arena / 4);
  const Plan part = plan_training(network_of(s, own + arena * 6 / 10));
  EXPECT_LE(part.seconds_again, 0.125 * 3 * part.seconds);
}

TEST(Recompute, StatisticsMoveOnce) {
  const Symbol s = tower(8);
  const Plan p = plan_training(network_of(s, least_bytes(s)));
  std::map<int, int> moves, again;
  for (const Graph::Node& n : p.graph.nodes) {
    if (!n.call || n.call->op->name != "_backward_BatchNorm") continue;
    for (size_t k = 0; k < n.inputs.size(); ++k)
      if (n.call->inputs[k].role == Role::kAux) ++moves[n.inputs[k]];
  }
  EXPECT_EQ(moves.size(), 16u);
  for (const auto& [value, times] : moves) EXPECT_EQ(times, 1);
  int recomputed = 0;
  for (const Graph::Node& n : p.graph.nodes)
    recomputed += n.phase == Phase::kRecomputed && n.call->op->name == "BatchNorm";
  EXPECT_GT(recomputed, 0);
}

// A chain cut where its user says is one more to choose from.
TEST(Recompute, StagesAreTried) {
  const auto deep = [](bool marked) {
    Symbol x = Symbol::variable("data");
    for (int i = 0; i < 48; ++i) {
      Kwargs stage;
      if (marked && i % 7 == 6) stage = {{"__mirror_stage__", "True"}};
      x = apply("FullyConnected", {x}, format("fc{}", i), {{"num_hidden", "24"}});
      x = Symbol::apply(make_call(OpTable::get().at("Activation"), {{"act_type", "tanh"}}), {x}, {},
                        format("tanh{}", i), stage);
    }
    return apply("SoftmaxOutput", {x}, "softmax");
  };
  expect_budgets_kept(deep(true));
  const Symbol marked = deep(true), plain = deep(false);
  const int64_t most = needed(plan_training(network_of(plain, 0)), network_of(plain, 0));
  for (const int64_t part : {2, 3, 4}) {
    const int64_t budget = network_of(plain, 0).own_bytes() +
                           plan_training(network_of(plain, 0)).stated_bytes() / part;
    ASSERT_LT(budget, most);
    EXPECT_LE(plan_training(network_of(marked, budget)).seconds_again,
              plan_training(network_of(plain, budget)).seconds_again);
  }
}

TEST(Recompute, ForcedNodesAreComputedAgainWhereThatLowersThePeak) {
  Symbol x = Symbol::variable("data");
  for (int i = 0; i < 12; ++i) {
    x = apply("FullyConnected", {x}, format("fc{}", i), {{"num_hidden", "24"}});
    x = apply("BatchNorm", {x}, format("bn{}", i));
    x = Symbol::apply(make_call(OpTable::get().at("Activation"), {{"act_type", "relu"}}), {x}, {},
                      format("relu{}", i), {{"__force_mirroring__", "True"}});
  }
  const Network n = network_of(apply("SoftmaxOutput", {x}, "softmax"), 0);
  const Plan p = plan_training(n);
  int again = 0;
  for (const Graph::Node& node : p.graph.nodes)
    again += node.phase == Phase::kRecomputed && node.call->op->name == "Activation";
  EXPECT_GE(again, 10);
}

}  // namespace heddle::test_recompute
