// Binding a network to parameters of its own, and steps that change them.
#include "predict/trainer.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "device/scratch.h"
#include "operator/random/philox.h"

namespace heddle::predict {

namespace training {

Tensor zeros(const Shape& shape, Dtype dtype) {
  Tensor t{{nullptr, shape, dtype, Device{}}, nullptr};
  t.memory = std::make_shared<Memory>(t.blob.bytes());
  t.blob.data = t.memory->data();
  return t;
}

void fill(const Blob& b, FunctionRef<float(int64_t)> value) {
  with_dtype(b.dtype, "train", [&]<class T>(T) {
    for (int64_t i = 0; i < b.size(); ++i) b.as<T>()[i] = T(value(i));
  });
}

bool ends(std::string_view name, std::initializer_list<std::string_view> endings) {
  return std::any_of(endings.begin(), endings.end(),
                     [&](std::string_view e) { return name.ends_with(e); });
}

// By the name, as MXNet's initializers have it: biases, betas and means are 0, gammas and variances
// 1. Weights are uniform in [-s, s), s = sqrt(6 / (fan in + fan out)) (Glorot and Bengio 2010): of
// numbers that no mathematical function makes, so every machine has the same.
void initial(const Network::Variable& v, const Blob& to, uint64_t seed) {
  if (ends(v.name, {"bias", "beta", "mean"})) return;
  if (ends(v.name, {"gamma", "var"})) return fill(to, [](int64_t) { return 1.f; });
  const Shape& shape = to.shape;
  check(ends(v.name, {"weight"}) && shape.rank() >= 2,
        "[train] '{}' of shape {} has no initial value, expected it in params", v.name, shape);
  const int64_t window = to.size() / std::max<int64_t>(shape[0] * shape[1], 1);
  const float scale = float(std::sqrt(6.0 / double((shape[0] + shape[1]) * window)));
  fill(to, [&](int64_t i) {
    return (2 * ops::philox::to_unit(ops::philox::word(seed, i)) - 1) * scale;
  });
}

// The network with its gradients, and every variable that is no input in memory of its own.
Session session_for(const Model& model, const InputTypes& inputs, const TrainerSpec& how) {
  NetworkSpec spec;
  for (const auto& [name, type] : inputs) {
    spec.known[name] = {type.shape, type.dtype, Stype::kDense};
    spec.inputs.insert(name);
    spec.grad_req[name] = GradReq::kNone;
  }
  for (const auto& [name, t] : model.params)
    if (!inputs.contains(name)) spec.known[name] = {t.blob.shape, t.blob.dtype, Stype::kDense};
  for (const std::string& name : how.fixed) spec.grad_req[name] = GradReq::kNone;
  const Graph graph = Graph::of(model.symbol);
  Network network = analyse(model.symbol, std::move(spec));
  const auto expect = [&](const std::string& name, std::string_view what) {
    check(network.find(name) >= 0, "[train] found {} '{}', expected a variable of the network",
          what, name);
  };
  for (const auto& [name, type] : inputs) expect(name, "input");
  for (const std::string& name : how.fixed) expect(name, "fixed parameter");
  std::map<std::string, Tensor, std::less<>> own;
  for (const Network::Variable& v : network.variables) {
    if (inputs.contains(v.name)) continue;
    const auto given = model.params.find(v.name);
    check(given != model.params.end() || !is_label(graph, v.name),
          "[train] the label '{}' is missing, expected it among the inputs", v.name);
    Tensor t = zeros(v.type.shape, v.type.dtype);
    if (given == model.params.end()) initial(v, t.blob, how.seed + own.size());
    else if (t.blob.bytes() > 0)
      std::memcpy(t.blob.data, given->second.blob.data, size_t(t.blob.bytes()));
    own.emplace(v.name, std::move(t));
  }
  return Session(std::move(network), std::move(own));
}

}  // namespace training

Trainer::Trainer(const Model& model, const InputTypes& inputs, TrainerSpec spec)
    : inputs_(inputs),
      names_(model.symbol.outputs()),
      session_(training::session_for(model, inputs, spec)),
      rule_(spec.rule, spec.parameters),
      decay_(spec.decay),
      seed_(spec.seed),
      memory_(rule_.def.remembered) {
  common_.rescale_grad = spec.rescale;
  if (spec.clip > 0) common_.clip_gradient = spec.clip;
  const auto& variables = session_.network().variables;
  for (size_t i = 0; i < variables.size(); ++i) {
    if (is_input(variables[i].name)) continue;
    kept_.push_back(i);
    bytes_ += session_.variable(variables[i].name).bytes();
    if (variables[i].req != GradReq::kNone) add_learner(i);
  }
  for (int i = 0; i < outputs(); ++i) {
    Blob head = session_.outputs()[size_t(i)];
    head.data = nullptr;
    if (session_.wants_head(i)) {
      head.data = owned_.emplace_back(head.bytes()).data();
      training::fill(head, [](int64_t) { return 1.f; });
    }
    heads_.push_back(head);
  }
}

void Trainer::add_learner(size_t variable) {
  const Blob& weight = session_.variable(session_.network().variables[variable].name);
  check(is_float(weight.dtype), "[train] '{}' has dtype {}, expected a floating type, or it fixed",
        session_.network().variables[variable].name, weight.dtype);
  Learner& learner = learners_.emplace_back(Learner{variable, {}});
  for (const optimizer::State& state : rule_.states) {
    Blob b = weight;
    if (state.form == optimizer::State::kPerRow) {
      check(b.shape.rank() == 2, "[train] '{}' has shape {}, {} expects two axes",
            session_.network().variables[variable].name, b.shape, rule_.def.name);
      b.shape = {b.shape[0], 1};
    }
    b.data = owned_.emplace_back(b.bytes()).data();
    if (state.form == optimizer::State::kCopy)
      std::memcpy(b.data, weight.data, size_t(weight.bytes()));
    learner.states.push_back(b);
  }
}

const Blob& Trainer::input(std::string_view name) const {
  check(is_input(name), "[train] found no input '{}'", name);
  return session_.variable(name);
}

const Blob& Trainer::output(int i) const {
  check(i >= 0 && i < outputs(), "[train] found output {}, expected 0 to {}", i, outputs() - 1);
  return session_.outputs()[size_t(i)];
}

const std::string& Trainer::parameter_name(int i) const {
  check(i >= 0 && i < parameters(), "[train] found parameter {}, expected 0 to {}", i,
        parameters() - 1);
  return session_.network().variables[kept_[size_t(i)]].name;
}

const Blob& Trainer::parameter(int i) const { return session_.variable(parameter_name(i)); }

void Trainer::step(double rate) {
  session_.forward(true, seed_ + uint64_t(count_));
  session_.backward(heads_);
  ++count_;
  std::vector<optimizer::Numbers> numbers;
  std::vector<optimizer::Target> targets;
  for (const Learner& l : learners_) {
    const std::string& name = name_of(l);
    // As Module has it: a rule that treats gammas like biases does not let them decay either.
    const bool exempt = optimizer::is_exempt(name);
    const bool decays =
        training::ends(name, {"_weight", "_gamma"}) && !(rule_.def.exempts && exempt);
    numbers.push_back({.lr = rate, .wd = decays ? decay_ : 0, .count = count_, .exempt = exempt});
    targets.push_back({session_.variable(name), session_.gradient(name), l.states, {}, {}, 0});
  }
  optimizer::Step step{rate, 0, memory_, numbers};
  if (rule_.def.prepare) rule_.def.prepare(rule_.params.get(), step);
  for (size_t i = 0; i < targets.size(); ++i) {
    targets[i].numbers = numbers[i];
    targets[i].seed = ops::philox::word(seed_, count_ * parameters() + int64_t(i));
  }
  OpContext ctx(Device{}, nullptr, false);
  const ScratchScope scope;
  optimizer::Batch batch{ctx, common_, targets, rule_.clip(common_)};
  rule_.def.run(rule_.params.get(), batch);
}

void Trainer::read(char* to) const {
  for (int i = 0; i < parameters(); to += parameter(i).bytes(), ++i)
    if (parameter(i).bytes() > 0) std::memcpy(to, parameter(i).data, size_t(parameter(i).bytes()));
}

void Trainer::write(const char* from) {
  for (int i = 0; i < parameters(); from += parameter(i).bytes(), ++i)
    if (parameter(i).bytes() > 0)
      std::memcpy(parameter(i).data, from, size_t(parameter(i).bytes()));
}

namespace training {

void add(ParamsWriter& to, std::string name, std::span<const double> numbers) {
  to.add(std::move(name), Blob{const_cast<double*>(numbers.data()),
                               {int64_t(numbers.size())},
                               Dtype::kFloat64,
                               Device{}});
}

std::span<const double> numbers_of(const NamedTensor& t, size_t count) {
  const Blob& b = t.tensor.blob;
  check(b.data && b.dtype == Dtype::kFloat64 && b.size() == int64_t(count),
        "[train] the states' '{}' has shape {} and dtype {}, expected {} numbers of float64",
        t.name, b.shape, b.dtype, count);
  return {b.as<double>(), count};
}

}  // namespace training

std::string Trainer::save() const {
  ParamsWriter file;
  for (int i = 0; i < parameters(); ++i) {
    const bool aux = session_.network().variables[kept_[size_t(i)]].aux;
    file.add((aux ? "aux:" : "arg:") + parameter_name(i), parameter(i));
  }
  return file.file();
}

std::string Trainer::save_states() const {
  ParamsWriter file;
  std::vector<double> head{double(count_)};
  head.insert(head.end(), memory_.begin(), memory_.end());
  training::add(file, "rule:" + rule_.def.name, head);
  for (const Learner& l : learners_) {
    const std::string key = "s:" + name_of(l) + ":";
    training::add(file, key + "count", std::span(head).first(1));
    for (size_t i = 0; i < l.states.size(); ++i) file.add(key + rule_.states[i].name, l.states[i]);
  }
  return file.file();
}

void Trainer::load_states(std::string_view bytes) {
  const std::vector<NamedTensor> all = read_tensors(bytes);
  const std::string rule = "rule:" + rule_.def.name;
  check(!all.empty() && all[0].name == rule,
        "[train] found states that begin with '{}', expected '{}'", all.empty() ? "" : all[0].name,
        rule);
  const auto head = training::numbers_of(all[0], 1 + memory_.size());
  const auto find = [&](const std::string& name) -> const NamedTensor& {
    const auto it =
        std::find_if(all.begin(), all.end(), [&](const NamedTensor& t) { return t.name == name; });
    check(it != all.end(), "[train] the states have no '{}'", name);
    return *it;
  };
  std::vector<std::pair<Blob, Blob>> copies;
  for (const Learner& l : learners_) {
    const std::string key = "s:" + name_of(l) + ":";
    const double count = training::numbers_of(find(key + "count"), 1)[0];
    check(count == head[0], "[train] the states hold {} updates of '{}', expected {}, as of all",
          count, name_of(l), head[0]);
    for (size_t i = 0; i < l.states.size(); ++i) {
      const NamedTensor& t = find(key + rule_.states[i].name);
      const Blob &from = t.tensor.blob, &to = l.states[i];
      check(from.data && from.shape == to.shape && from.dtype == to.dtype,
            "[train] the states' '{}' has shape {} and dtype {}, expected {} and {}", t.name,
            from.shape, from.dtype, to.shape, to.dtype);
      copies.emplace_back(from, to);
    }
  }
  const size_t expected = 1 + learners_.size() * (1 + rule_.states.size());
  check(all.size() == expected,
        "[train] found {} arrays in the states, expected {}: those of what learns here", all.size(),
        expected);
  check(head[0] >= 0 && head[0] < 1e15, "[train] the states hold {} updates", head[0]);
  count_ = int64_t(head[0]);
  memory_.assign(head.begin() + 1, head.end());
  for (const auto& [from, to] : copies)
    if (to.bytes() > 0) std::memcpy(to.data, from.data, size_t(to.bytes()));
}

}  // namespace heddle::predict
