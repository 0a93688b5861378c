// One run is one prepared graph of the engine: a first task that takes the arena, the steps, and a
// last task that gives it back.
//
// The first task overwrites the arena's variable and the last one updates it, after every other
// task. So runs take turns on the arena without naming it in every node; a step that fails skips
// the last task, which poisons the arena, and backward then carries the cause of a failed forward.
#include "executor/program.h"

#include <algorithm>
#include <array>
#include <set>

#include "executor/start.h"
#include "heddle/profiler.h"
#include "ndarray/chunk.h"

namespace heddle {

namespace program {

// Steps that touch so few bytes are run together: starting a task would cost as much as they do.
constexpr int64_t kTinyBytes = 32 << 10;
// Waking a worker and waiting for it costs as much as work on so many bytes.
constexpr int64_t kSmallBytes = 1 << 20;

}  // namespace program

Program::Program(Plan plan, FunctionRef<NDArray(Home)> array_of, Arenas& arenas)
    : work_(std::make_shared<Work>(std::move(plan), array_of, arenas)) {
  start_once();
  for (int i = 0; i < steps().size(); ++i) {
    work_->uses.push_back(places().uses(steps(), i));
    if (steps().is_part(i, Part::kPrepare)) prepared_.push_back({i, read_by(i), {}});
  }
  find_passing();
  find_small();
}

// Steps stand in order: the last reader of what passes comes last.
void Program::find_passing() {
  std::set<int> found;
  for (auto p = prepared_.rbegin(); p != prepared_.rend(); ++p)
    for (int v : steps().node(p->step).inputs)
      if (steps().plan().passing[v] && found.insert(v).second)
        p->passing.push_back(places().own(v));
}

// Addresses are found at the first run: arrays get their memory late.
void Program::Work::run(int step, RunContext& where, bool training) {
  const Step& s = steps[step];
  if (s.idle) return;
  if (!s.located)
    steps.locate(
        step, [&](int value) { return places.address(steps.plan(), value); },
        steps.has_scratch(step) ? places.arena(steps.device(step)) : nullptr);
  const profiler::Part part(steps.node(step).call->op->name.c_str());
  if (s.kernel) return steps.run(step, where.device, where.stream, training, seed);
  const Blob &from = s.in[0], &to = s.out[0];
  device_api(to.device.kind == Device::kCpu ? from.device : to.device)
      .copy(to.data, to.device, from.data, from.device, size_t(from.bytes()), where.stream);
}

// Only what can be repeated: a small run that fails is pushed after all.
void Program::find_small() {
  int64_t bytes = 0;
  for (const NDArray& arena : places().arenas())
    small_uses_.push_back({arena.var(), Access::kOverwrite});
  for (int i = 0; i < steps().size(); ++i) {
    const Step& s = steps()[i];
    if (!steps().is_part(i, Part::kForward)) continue;
    if (!s.kernel || steps().device(i).kind != Device::kCpu) return;
    if ((bytes += s.bytes) > program::kSmallBytes) return;
    for (const Use& u : work_->uses[i]) {
      if (u.access == Access::kUpdate) return;
      auto same = std::find_if(small_uses_.begin(), small_uses_.end(),
                               [&](const Use& have) { return have.var == u.var; });
      if (same == small_uses_.end()) small_uses_.push_back(u);
      else if (same->access == Access::kRead && u.access != Access::kRead) return;
    }
  }
  small_ = true;
}

// Runs forward on this thread if nothing is in its way. False when it was not run, or failed: which
// outputs a failure reaches is for the graph to find out.
bool Program::run_here(bool training, uint64_t seed) const {
  constexpr size_t kFewUses = 64;
  if (!small_ || small_uses_.size() > kFewUses) return false;
  Engine::BorrowedUse uses[kFewUses];
  for (size_t i = 0; i < small_uses_.size(); ++i)
    uses[i] = {&small_uses_[i].var, small_uses_[i].access};
  struct Run {
    Work& work;
    bool training;
    uint64_t seed;
    bool done = false;
  } run{*work_, training, seed};
  const auto body = [](void* arg) {
    Run& r = *static_cast<Run*>(arg);
    const Steps& steps = r.work.steps;
    r.work.places.touch_arenas();
    r.work.seed = r.seed;
    try {
      for (int i = 0; i < steps.size(); ++i) {
        if (!steps.is_part(i, Part::kForward)) continue;
        RunContext where{steps.device(i), nullptr};
        r.work.run(i, where, r.training);
      }
      r.done = true;
    } catch (...) {
      r.done = false;
    }
  };
  const std::span<const Engine::BorrowedUse> all(uses, small_uses_.size());
  return Engine::get().run_if_idle(all, "forward", body, &run) && run.done;
}

std::vector<NDArray> Program::read_by(int prepared) const {
  std::vector<NDArray> all;
  for (int v : steps().node(prepared).inputs) {
    const int producer = steps().of_node(steps().plan().producer[v]);
    if (producer < 0) all.push_back(places().own(v));
    for (const Prepared& p : prepared_)  // those before are there
      if (p.step == producer) all.insert(all.end(), p.variables.begin(), p.variables.end());
  }
  return all;
}

// Memory may have come and gone since the step ran last, so that it is looked for each time.
Task Program::preparing(const Prepared& p, bool training) const {
  Task task = task_of({p.step}, training);
  for (const NDArray& a : p.passing)
    for (Use& u : task.uses)
      if (u.var == a.var()) u.access = Access::kUpdate;
  task.run = [work = work_, step = p.step, passing = p.passing, training](RunContext& where) {
    work->steps.locate(step,
                       [&](int value) { return work->places.address(work->steps.plan(), value); });
    work->run(step, where, training);
    for (const NDArray& a : passing) memory_of(a).release();
  };
  return task;
}

// Makes again what depends on variables that were written since. Writes that are pushed from now on
// come after this run anyway.
void Program::prepare_variables(bool training) {
  std::vector<uint64_t> now;
  for (Prepared& p : prepared_) {
    now.clear();
    for (const NDArray& a : p.variables) now.push_back(a.var().version());
    if (p.made && p.versions == now) continue;
    Engine::get().push(preparing(p, training));
    p.versions = now, p.made = true;
  }
}

void Program::push(Part part, bool training, uint64_t seed) {
  if (part == Part::kForward) prepare_variables(training);
  if (part == Part::kForward && run_here(training, seed)) return;
  GraphRef& graph = graphs_[part == Part::kBackward][training];
  if (!graph) graph = prepare(part, training);
  if (part == Part::kForward && steps().draws()) {
    std::lock_guard lock(work_->mutex);
    work_->seeds.push_back(seed);
  }
  Engine::get().push(graph);
}

bool Program::writes_own(int step) const {
  const auto& uses = work_->uses[step];
  return std::any_of(uses.begin(), uses.end(),
                     [](const Use& u) { return u.access != Access::kRead; });
}

// Runs of steps, in order, that become one task each.
std::vector<std::vector<int>> Program::segments(Part part) const {
  const Steps& s = steps();
  std::vector<std::vector<int>> all;
  int64_t bytes = 0;
  bool open = false;
  for (int i = 0; i < s.size(); ++i) {
    if (!s.is_part(i, part)) continue;
    const bool tiny = s[i].kernel && s.device(i).kind == Device::kCpu &&
                      bytes + s[i].bytes <= program::kTinyBytes;
    const bool joins = open && tiny && s.device(i) == s.device(all.back().back());
    if (joins) {
      all.back().push_back(i);
      bytes += s[i].bytes;
    } else {
      all.push_back({i});
      bytes = s[i].bytes;
    }
    // What users can see is released as soon as it is done: nothing joins after it.
    open = s[i].kernel && bytes <= program::kTinyBytes && !writes_own(i);
  }
  return all;
}

Task Program::begin(Part part) const {
  Task task{.name = "begin", .small = true};
  for (const NDArray& arena : places().arenas())
    task.uses.push_back(
        {arena.var(), part == Part::kForward ? Access::kOverwrite : Access::kUpdate});
  const bool draws = part == Part::kForward && steps().draws();
  task.run = [work = work_, draws](RunContext&) {
    work->places.touch_arenas();
    if (!draws) return;
    std::lock_guard lock(work->mutex);
    work->seed = work->seeds.front();
    work->seeds.pop_front();
  };
  return task;
}

Task Program::end() const {
  Task task{.name = "end", .run = [work = work_](RunContext&) {}, .small = true};
  for (const NDArray& arena : places().arenas())
    task.uses.push_back({arena.var(), Access::kUpdate});
  return task;
}

Task Program::task_of(std::vector<int> segment, bool training) const {
  const Steps& s = steps();
  const int first = segment.front();
  const Graph::Node& n = s.node(first);
  Task task{.name = n.name.empty() ? n.call->op->name.c_str() : n.name.c_str(),
            .device = s.device(first)};
  if (!s[first].kernel) task.lane = Lane::kCopyIn;
  int64_t bytes = 0;
  for (int i : segment) {
    bytes += s[i].bytes;
    for (const Use& u : work_->uses[i]) {
      auto same = std::find_if(task.uses.begin(), task.uses.end(),
                               [&](const Use& have) { return have.var == u.var; });
      if (same == task.uses.end()) task.uses.push_back(u);
      // What was overwritten first may be read after; what was read first is not healed.
      else if (u.access != Access::kRead && same->access == Access::kRead)
        same->access = Access::kUpdate;
    }
  }
  task.small = s[first].kernel && bytes <= program::kTinyBytes;
  if (segment.size() == 1)
    task.run = [work = work_, first, training](RunContext& where) {
      work->run(first, where, training);
    };
  else
    task.run = [work = work_, segment = std::move(segment), training](RunContext& where) {
      for (int i : segment) work->run(i, where, training);
    };
  return task;
}

GraphRef Program::prepare(Part part, bool training) const {
  const Steps& s = steps();
  const Plan& plan = s.plan();
  const auto all = segments(part);
  std::vector<int> task_of_step(s.size(), -1);
  for (size_t k = 0; k < all.size(); ++k)
    for (int i : all[k]) task_of_step[i] = int(k) + 1;
  std::vector<GraphTask> tasks;
  tasks.push_back({begin(part)});
  std::vector<int> sinks(all.size() + 1, 1);
  for (size_t k = 0; k < all.size(); ++k) {
    GraphTask t{task_of(all[k], training)};
    auto wait_for = [&](int node) {
      const int step = s.of_node(node);
      if (step < 0 || task_of_step[step] < 0 || task_of_step[step] == int(k) + 1) return;
      t.after.push_back(task_of_step[step]);
    };
    for (int i : all[k]) {
      for (int v : s.node(i).inputs) wait_for(plan.producer[v]);
      for (int node : s.node(i).after) wait_for(node);
      for (int node : plan.after[s[i].node]) wait_for(node);
    }
    if (t.after.empty()) t.after.push_back(0);
    std::sort(t.after.begin(), t.after.end());
    t.after.erase(std::unique(t.after.begin(), t.after.end()), t.after.end());
    for (int before : t.after) sinks[before] = 0;
    tasks.push_back(std::move(t));
  }
  GraphTask last{end()};
  for (size_t k = 0; k < sinks.size(); ++k)
    if (sinks[k]) last.after.push_back(int(k));
  tasks.push_back(std::move(last));
  return Engine::get().prepare(std::move(tasks));
}

// Copies of values, made by the task that has just computed them.
std::vector<NDArray> Program::show_all(const std::vector<int>& values, Task& task) const {
  std::vector<NDArray> copies;
  for (int v : values) {
    const Blob b = steps().plan().describe(v);
    copies.emplace_back(b.shape, b.device, b.dtype);
    task.uses.push_back({copies.back().var(), Access::kOverwrite});
  }
  auto run = std::move(task.run);
  task.run = [work = work_, run = std::move(run), values, copies](RunContext& where) {
    if (run) run(where);
    for (size_t i = 0; i < values.size(); ++i) {
      const Blob from = work->places.blob(work->steps.plan(), values[i]);
      Blob to = copies[i].blob();
      if (!from.stored.plain()) {
        OpContext ctx(where.device, where.stream, false);
        run_kernel(*make_reorder({}), ctx, {&from, 1}, {&to, 1});
        continue;
      }
      device_api(to.device).copy(to.data, to.device, from.data, from.device, size_t(to.bytes()),
                                 where.stream);
    }
  };
  return copies;
}

void Program::push_watched(Part part, bool training, uint64_t seed, const Monitor& each,
                           bool inputs_too) {
  const Steps& s = steps();
  if (part == Part::kForward) prepare_variables(training);
  if (part == Part::kForward && s.draws()) {
    std::lock_guard lock(work_->mutex);
    work_->seeds.push_back(seed);
  }
  Engine::get().push(begin(part));
  auto push = [&](Task task, const std::vector<int>& values,
                  const std::vector<std::string>& names) {
    for (const NDArray& arena : places().arenas())
      task.uses.push_back({arena.var(), Access::kUpdate});
    const auto copies = show_all(values, task);
    Engine::get().push(std::move(task));
    for (size_t i = 0; i < copies.size(); ++i) each(names[i], copies[i]);
  };
  for (int i = 0; i < s.size(); ++i) {
    if (!s.is_part(i, part)) continue;
    const Graph::Node& n = s.node(i);
    std::vector<int> values;
    std::vector<std::string> names;
    if (inputs_too && n.phase != Phase::kRecomputed) {
      Task look{.name = "monitor", .device = s.device(i)};
      look.uses = places().looks(s, i);
      for (size_t k = 0; k < n.inputs.size(); ++k) {
        const int v = n.inputs[k];
        if (!s.plan().outside(v) && n.call->inputs[k].shape_only)
          continue;  // memory of others by now
        if (s.plan().home[v].kind == Home::kVariable) {
          values.push_back(v);
          names.push_back(s.plan().graph.nodes[s.plan().producer[v]].name);
        }
        values.push_back(v);
        names.push_back(n.name + "_" + n.call->inputs[k].name);
      }
      push(std::move(look), values, names);
      values.clear(), names.clear();
    }
    // What is recomputed has been shown in the forward run.
    if (n.phase == Phase::kRecomputed) {
      push(task_of({i}, training), {}, {});
      continue;
    }
    for (int k = 0; k < n.outputs(); ++k) {
      if (!s.plan().wanted[n.first_output + k]) continue;
      values.push_back(n.first_output + k);
      names.push_back(shown_name(n, k));
    }
    push(task_of({i}, training), values, names);
  }
}

}  // namespace heddle
