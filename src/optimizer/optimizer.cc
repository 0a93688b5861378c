// The optimizer that R, C and stores hold: what it keeps of every key, and a step of many.
#include "heddle/optimizer.h"

#include <algorithm>
#include <map>
#include <utility>

#include "optimizer/step.h"

namespace heddle {
namespace optimizer {

using Key = Optimizer::Key;

// Parameters of every rule. The rate's default is the rule's.
struct CommonParam {
  double learning_rate = 0.01, wd = 0, rescale_grad = 1;
  std::optional<double> clip_gradient;
  bool multi_precision = false;
  int64_t begin_num_update = 0;
  void fields(auto&& f) {
    f("learning_rate", learning_rate, "How far a step goes.");
    f("wd", wd, "Weight decay.");
    f("rescale_grad", rescale_grad, "Multiplies gradients first.");
    f("clip_gradient", clip_gradient, "Then limits them to [-c, c]; None: no limit.");
    f("multi_precision", multi_precision, "Half weights get a float32 one beside them.");
    f("begin_num_update", begin_num_update, "How many updates count as done.").at_least(0);
  }
};

// What is kept of one key.
struct Kept {
  int64_t count = 0;
  double of_rate = 1, of_decay = 1;
  bool there = false;  // have states been made?
  std::vector<NDArray> states = {};
  NDArray master = {};
};

bool is_common(std::string_view name) {
  for (const FieldInfo& field : schema<CommonParam>().describe())
    if (field.name == name) return true;
  return false;
}

Kwargs chosen(const Kwargs& all, bool common) {
  Kwargs some;
  for (const auto& [name, value] : all)
    if (is_common(name) == common) some[name] = value;
  return some;
}

std::string text_of(const Key& key) {
  if (const auto* number = std::get_if<int64_t>(&key)) return format("{}", *number);
  return std::get<std::string>(key);
}

struct Keeper {
  Keeper(std::string_view name, const Kwargs& all)
      : rule(name, chosen(all, false)),
        common(*std::static_pointer_cast<const CommonParam>(
            schema<CommonParam>().parse(name, chosen(all, true)))),
        rate(all.contains("learning_rate") ? common.learning_rate : rule.def.learning_rate),
        num_update(common.begin_num_update),
        memory(rule.def.remembered) {}

  double current_rate() const { return schedule ? schedule(num_update) : rate; }
  const Kept* find(const Key& key) const {
    const auto at = keys.find(key);
    return at == keys.end() ? nullptr : &at->second;
  }
  Kept& at(const Key& key) {
    const auto [place, made] = keys.try_emplace(key);
    if (made) place->second.count = common.begin_num_update;
    return place->second;
  }
  bool is_precise(const NDArray& weight) const {
    return common.multi_precision && is_half(weight.dtype());
  }

  // The tensors of a step. States of keys that are new are made, and kept only when all fit.
  std::vector<Tensor> gather(std::span<const Key> which, std::span<const NDArray> weights,
                             std::span<const NDArray> grads) {
    std::vector<Tensor> tensors;
    std::map<Key, Tensor> fresh;
    for (size_t i = 0; i < which.size(); ++i) {
      Tensor t{weights[i], grads[i], {}};
      const Kept* kept = find(which[i]);
      check(bool(t.weight), "ValueError: [{}] key {}: weight is missing", rule.def.name,
            text_of(which[i]));
      if (kept && kept->there) {
        t.states = kept->states, t.master = kept->master;
      } else {
        const auto [made, first] = fresh.try_emplace(which[i]);
        if (first) {
          if (is_precise(t.weight)) made->second.master = make_master(t.weight);
          made->second.states =
              make_states(rule, made->second.master ? made->second.master : t.weight);
        }
        t.states = made->second.states, t.master = made->second.master;
      }
      check_tensor(rule, t, [&] { return text_of(which[i]); });
      tensors.push_back(std::move(t));
    }
    for (auto& [key, t] : fresh) {
      Kept& kept = at(key);
      kept.there = true, kept.states = std::move(t.states), kept.master = std::move(t.master);
    }
    return tensors;
  }

  void update(std::span<const Key> which, std::span<const NDArray> weights,
              std::span<const NDArray> grads, int priority) {
    check(which.size() == weights.size() && which.size() == grads.size(),
          "ValueError: [{}] found {} keys, {} weights and {} gradients, expected as many of each",
          rule.def.name, which.size(), weights.size(), grads.size());
    std::vector<Tensor> tensors = gather(which, weights, grads);
    std::vector<Numbers> numbers(which.size());
    for (size_t i = 0; i < which.size(); ++i) {
      numbers[i].count = ++at(which[i]).count;
      num_update = std::max(num_update, numbers[i].count);
    }
    const double now = current_rate();
    for (size_t i = 0; i < which.size(); ++i) {
      const Kept& kept = at(which[i]);
      numbers[i].lr = now * kept.of_rate, numbers[i].wd = common.wd * kept.of_decay;
      numbers[i].exempt = is_exempt(text_of(which[i]));
    }
    push_step(rule, {common.rescale_grad, common.clip_gradient},
              {now, common.begin_num_update, memory, numbers}, std::move(tensors), priority);
  }

  Rule rule;
  CommonParam common;
  double rate;
  std::function<double(int64_t)> schedule;
  int64_t num_update;
  std::vector<double> memory;
  std::map<Key, Kept> keys;
};

// --- states as bytes -----------------------------------------------------------------------------
// The first array is named "rule:NAME" and holds num_update and what the rule remembers; those of a
// key are named "i:KEY:WHAT" or "s:KEY:WHAT", where WHAT is "count", "weight32" or a state.
constexpr std::string_view kRule = "rule:";

NDArray numbers_array(const std::vector<double>& numbers) {
  return NDArray::from_host(numbers.data(), {int64_t(numbers.size())}, Dtype::kFloat64);
}
std::vector<double> numbers_of(const NDArray& a) {
  check(a.dtype() == Dtype::kFloat64, "ValueError: [Optimizer] states hold numbers of dtype {}",
        a.dtype());
  std::vector<double> numbers(size_t(a.size()));
  a.copy_to(numbers.data());
  return numbers;
}

std::string write(const Keeper& k) {
  NamedArrays all;
  auto add = [&](std::string name, const NDArray& a) {
    all.names.push_back(std::move(name)), all.arrays.push_back(a);
  };
  std::vector<double> head{double(k.num_update)};
  head.insert(head.end(), k.memory.begin(), k.memory.end());
  add(std::string(kRule) + k.rule.def.name, numbers_array(head));
  for (const auto& [key, kept] : k.keys) {
    const std::string name =
        format("{}:{}:", std::holds_alternative<int64_t>(key) ? "i" : "s", text_of(key));
    add(name + "count", numbers_array({double(kept.count)}));
    if (!kept.there) continue;
    if (kept.master) add(name + "weight32", kept.master);
    for (size_t i = 0; i < kept.states.size(); ++i)
      add(name + k.rule.states[i].name, kept.states[i]);
  }
  return save_arrays_to_bytes(all);
}

Key key_of(std::string_view name, size_t end) {
  const std::string text(name.substr(2, end - 2));
  if (name[0] == 's') return text;
  int64_t number = 0;
  check(param::parse(text, number), "ValueError: [Optimizer] states hold key '{}'", text);
  return number;
}

void read(Keeper& k, std::string_view bytes) {
  const NamedArrays all = load_arrays_from_bytes(bytes, "the states of an optimizer");
  const std::string head = std::string(kRule) + k.rule.def.name;
  check(!all.names.empty() && all.names[0] == head,
        "ValueError: [Optimizer] found states that begin with '{}', expected '{}'",
        all.names.empty() ? "" : all.names[0], head);
  std::vector<double> memory = numbers_of(all.arrays[0]);
  check(memory.size() == 1 + k.memory.size(),
        "ValueError: [Optimizer] the states hold {} numbers, expected {}", memory.size(),
        1 + k.memory.size());
  std::map<Key, Kept> keys;
  for (size_t i = 1; i < all.names.size(); ++i) {
    const std::string& name = all.names[i];
    const size_t end = name.rfind(':');
    check(end != std::string::npos && end >= 2 && name[1] == ':',
          "ValueError: [Optimizer] the states hold an array '{}'", name);
    Kept& kept = keys[key_of(name, end)];
    const std::string what = name.substr(end + 1);
    if (what == "count") {
      kept.count = int64_t(numbers_of(all.arrays[i]).at(0));
      continue;
    }
    kept.there = true;
    if (what == "weight32") kept.master = all.arrays[i];
    else kept.states.push_back(all.arrays[i]);
  }
  for (auto& [key, kept] : keys) {  // factors are not states
    if (const Kept* before = k.find(key))
      kept.of_rate = before->of_rate, kept.of_decay = before->of_decay;
  }
  for (const auto& [key, kept] : k.keys)
    if (!keys.contains(key))
      keys[key] = {
          .count = k.common.begin_num_update, .of_rate = kept.of_rate, .of_decay = kept.of_decay};
  k.num_update = int64_t(memory[0]);
  k.memory.assign(memory.begin() + 1, memory.end());
  k.keys = std::move(keys);
}

}  // namespace optimizer

Optimizer::Optimizer(std::string_view rule, const Kwargs& parameters)
    : keeper_(std::make_shared<optimizer::Keeper>(rule, parameters)) {}

std::vector<std::string> Optimizer::rules() {
  std::vector<std::string> names;
  for (const optimizer::RuleDef& rule : optimizer::all_rules()) names.push_back(rule.name);
  return names;
}

Optimizer::Description Optimizer::describe(std::string_view rule) {
  const optimizer::RuleDef& def = optimizer::find_rule(rule);
  Description d{def.doc, def.params.describe()};
  for (FieldInfo& field : schema<optimizer::CommonParam>().describe()) {
    if (field.name == "learning_rate") field.default_value = param::print(def.learning_rate);
    d.parameters.push_back(std::move(field));
  }
  return d;
}

const std::string& Optimizer::rule() const { return keeper_->rule.def.name; }
void Optimizer::set_learning_rate(double rate) { keeper_->rate = rate; }
void Optimizer::set_schedule(std::function<double(int64_t)> schedule) {
  keeper_->schedule = std::move(schedule);
}
double Optimizer::learning_rate() const { return keeper_->current_rate(); }
void Optimizer::set_rescale_grad(double by) { keeper_->common.rescale_grad = by; }
void Optimizer::set_multipliers(const Key& key, double of_rate, double of_decay) {
  optimizer::Kept& kept = keeper_->at(key);
  kept.of_rate = of_rate, kept.of_decay = of_decay;
}
void Optimizer::update(std::span<const Key> keys, std::span<const NDArray> weights,
                       std::span<const NDArray> grads, int priority) {
  keeper_->update(keys, weights, grads, priority);
}
int64_t Optimizer::num_update() const { return keeper_->num_update; }
int64_t Optimizer::count(const Key& key) const {
  const optimizer::Kept* kept = keeper_->find(key);
  return kept ? kept->count : keeper_->common.begin_num_update;
}
std::vector<std::string> Optimizer::state_names() const {
  std::vector<std::string> names;
  for (const optimizer::State& state : keeper_->rule.states) names.push_back(state.name);
  return names;
}
std::vector<NDArray> Optimizer::states(const Key& key) const {
  const optimizer::Kept* kept = keeper_->find(key);
  return kept ? kept->states : std::vector<NDArray>{};
}
NDArray Optimizer::master(const Key& key) const {
  const optimizer::Kept* kept = keeper_->find(key);
  return kept ? kept->master : NDArray{};
}
std::string Optimizer::states_to_bytes() const { return optimizer::write(*keeper_); }
void Optimizer::states_from_bytes(std::string_view bytes) { optimizer::read(*keeper_, bytes); }

}  // namespace heddle
