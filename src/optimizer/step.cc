// A step: what is checked when it is asked for, and the tasks that do it.
#include "optimizer/step.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <utility>

#include "executor/start.h"
#include "heddle/imperative.h"
#include "ndarray/chunk.h"

namespace heddle::optimizer {

// --- states --------------------------------------------------------------------------------------
NDArray copy_of(const NDArray& a, Dtype dtype) {
  const NDArray made(a.shape(), a.device(), dtype);
  copy(a, made);
  return made;
}

NDArray make_master(const NDArray& weight) { return copy_of(weight, Dtype::kFloat32); }

NDArray make_state(const Rule& rule, const State& state, const NDArray& weight) {
  if (state.form == State::kCopy) return copy_of(weight, weight.dtype());
  Shape shape = weight.shape();
  if (state.form == State::kPerRow) {
    check(shape.rank() == 2, "ValueError: [{}] weight has shape {}, expected two axes",
          rule.def.name, shape);
    shape = {shape[0], 1};
  }
  return invoke("_zeros", {},
                {{"shape", param::print(shape)}, {"dtype", param::print(weight.dtype())}},
                weight.device())[0];
}

std::vector<NDArray> make_states(const Rule& rule, const NDArray& weight) {
  std::vector<NDArray> made;
  for (const State& state : rule.states) made.push_back(make_state(rule, state, weight));
  return made;
}

// --- checks --------------------------------------------------------------------------------------
std::string unlike(std::string_view what, const NDArray& a, const Shape& shape) {
  if (!a) return format("{} is missing", what);
  if (!(a.shape() == shape)) return format("{} has shape {}, expected {}", what, a.shape(), shape);
  if (!is_float(a.dtype()))
    return format("{} has dtype {}, expected a floating type", what, a.dtype());
  if (device_api(a.device()).asynchronous())
    return format("{} is on {}, expected host memory", what, a.device());
  return {};
}

// A rule with momentum does without where there is no state for it, and takes one that is there
// although the parameter is 0 by now.
bool fits(const Rule& rule, size_t found) {
  const size_t all = rule.states.size();
  const bool expects_momentum = all > 0 && rule.states[0].name == "mom";
  return found == all ||
         (expects_momentum ? found + 1 == all : found == all + 1 && rule.def.momentum);
}

// What is wrong with a tensor; empty: nothing.
std::string complaint(const Rule& rule, const Tensor& t) {
  if (!t.weight) return "weight is missing";
  const Shape& shape = t.weight.shape();
  if (auto wrong = unlike("weight", t.weight, shape); !wrong.empty()) return wrong;
  if (auto wrong = unlike("grad", t.grad, shape); !wrong.empty()) return wrong;
  if (t.grad.dtype() != t.weight.dtype() && !(t.master && t.grad.dtype() == Dtype::kFloat32))
    return format("grad has dtype {}, expected {}", t.grad.dtype(), t.weight.dtype());
  if (t.master)
    if (auto wrong = unlike("the float32 weight", t.master, shape); !wrong.empty()) return wrong;
  if (!fits(rule, t.states.size()))
    return format("the state has {} arrays, expected {}", t.states.size(), rule.states.size());
  for (const NDArray& state : t.states) {
    const bool per_row = !rule.states.empty() && rule.states[0].form == State::kPerRow;
    if (per_row && shape.rank() != 2)
      return format("weight has shape {}, expected two axes", shape);
    if (auto wrong = unlike("the state", state, per_row ? Shape{shape[0], 1} : shape);
        !wrong.empty())
      return wrong;
    const Dtype exact = t.master ? t.master.dtype() : t.weight.dtype();
    if (per_row && state.dtype() != exact)
      return format("the state has dtype {}, expected {}", state.dtype(), exact);
  }
  return {};
}

// --- tasks ---------------------------------------------------------------------------------------
struct Work {
  Rule rule;
  Common common;
  Device device;
  std::vector<Tensor> tensors = {};
  std::vector<Numbers> numbers = {};
  std::vector<uint64_t> seeds = {};

  void run(RunContext& where) {
    OpContext ctx(where.device, where.stream, false);
    const ScratchScope scope;
    std::vector<Target> targets;
    targets.reserve(tensors.size());
    for (size_t i = 0; i < tensors.size(); ++i) {
      const Tensor& t = tensors[i];
      Target& target = targets.emplace_back();
      target.weight = t.weight.blob(), target.grad = t.grad.blob();
      for (const NDArray& s : t.states) target.states.push_back(s.blob());
      if (t.master) target.master = t.master.blob();
      target.numbers = numbers[i], target.seed = seeds[i];
    }
    Batch batch{ctx, common, targets, rule.clip(common)};
    rule.def.run(rule.params.get(), batch);
  }
};

// What a tensor's update writes, and all it touches.
template <class Add>
void each_written(const Tensor& t, Add&& add) {
  add(t.weight);
  for (const NDArray& s : t.states) add(s);
  if (t.master) add(t.master);
}

// How many of the tensors may be updated side by side, on one device: none touches what another
// writes.
size_t count_apart(std::span<const Tensor> tensors) {
  std::vector<std::pair<const Chunk*, size_t>> written, read;  // and by which tensor
  size_t count = 0;
  for (; count < tensors.size(); ++count) {
    const Tensor& t = tensors[count];
    if (!(t.weight.device() == tensors[0].weight.device())) break;
    each_written(t, [&](const NDArray& a) { written.emplace_back(a.chunk().get(), count); });
    read.emplace_back(t.grad.chunk().get(), count);
  }
  std::sort(written.begin(), written.end());
  size_t apart = count;
  const auto meet = [&](size_t a, size_t b) {
    if (a != b) apart = std::min(apart, std::max(a, b));
  };
  for (size_t i = 1; i < written.size(); ++i)
    if (written[i].first == written[i - 1].first) meet(written[i].second, written[i - 1].second);
  for (const auto& [chunk, tensor] : read) {
    auto at = std::lower_bound(written.begin(), written.end(), std::pair(chunk, size_t(0)));
    for (; at != written.end() && at->first == chunk; ++at) meet(at->second, tensor);
  }
  return std::max<size_t>(1, apart);
}

void push_work(std::shared_ptr<Work> work, int priority) {
  constexpr int64_t kSmallBytes = 512 << 10;  // as for eager calls
  Task task{.name = work->rule.def.name.c_str(),
            .device = work->device,
            .priority = priority,
            .place = current_place()};
  int64_t bytes = 0;
  size_t uses = 0;
  for (const Tensor& t : work->tensors) uses += 3 + t.states.size();
  task.uses.reserve(uses);
  for (const Tensor& t : work->tensors) {
    task.uses.push_back({t.grad.var(), Access::kRead});
    task.bytes += t.grad.bytes();
    each_written(t, [&](const NDArray& a) {
      task.uses.push_back({a.var(), Access::kUpdate});
      bytes += a.bytes();
    });
  }
  task.small = bytes + task.bytes <= kSmallBytes;
  task.run = [work = std::move(work)](RunContext& where) { work->run(where); };
  Engine::get().push(std::move(task));
}

void push_step(const Rule& rule, const Common& common, Step step, std::vector<Tensor> tensors,
               int priority) {
  start_once();
  if (autograd::is_recording())
    for (const Tensor& t : tensors) autograd::check_inplace(t.weight);
  if (rule.def.prepare) rule.def.prepare(rule.params.get(), step);
  for (size_t from = 0; from < tensors.size();) {
    const size_t count = count_apart(std::span(tensors).subspan(from)), to = from + count;
    auto work = std::make_shared<Work>(Work{rule, common, tensors[from].weight.device()});
    for (size_t i = from; i < to; ++i) {
      Tensor& t = tensors[i];
      for (NDArray* a : {&t.weight, &t.grad, &t.master}) a->tape = nullptr;
      for (NDArray& s : t.states) s.tape = nullptr;
      work->seeds.push_back(rule.def.draws ? next_seed(t.weight.device()) : 0);
    }
    work->numbers.assign(step.numbers.begin() + long(from), step.numbers.begin() + long(to));
    work->tensors.assign(std::make_move_iterator(tensors.begin() + long(from)),
                         std::make_move_iterator(tensors.begin() + long(to)));
    push_work(std::move(work), priority);
    from = to;
  }
}

}  // namespace heddle::optimizer
