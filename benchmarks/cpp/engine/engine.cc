// What the engine costs: nanoseconds per empty task, best of many short runs.
#include "heddle/engine.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <random>
#include <string>
#include <vector>

namespace heddle {

double now() {
  using std::chrono::duration;
  return duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// Runs `once` again and again; prints the best time per task.
void report(const char* engine, const char* workload, int tasks,
            const std::function<void()>& once) {
  double best = 1e9;
  for (int i = 0; i < 25; ++i) {
    const double begin = now();
    once();
    best = std::min(best, now() - begin);
  }
  std::printf("%-10s  %-28s  %8.1f ns/task\n", engine, workload, best / tasks * 1e9);
  std::fflush(stdout);
}

struct Step {
  std::vector<int> reads, writes;
};
struct Workload {
  const char* name;
  int vars;
  std::vector<Step> steps;
};

Workload independent(int n) {
  Workload w{"independent", n, {}};
  for (int i = 0; i < n; ++i) w.steps.push_back({{}, {i}});
  return w;
}
Workload chain(int n) {
  Workload w{"chain", 1, {}};
  for (int i = 0; i < n; ++i) w.steps.push_back({{}, {0}});
  return w;
}
Workload fan(int rounds, int width) {
  Workload w{"fan out, fan in", width + 1, {}};
  for (int r = 0; r < rounds; ++r) {
    Step source{{}, {0}};
    for (int i = 1; i <= width; ++i) source.reads.push_back(i);
    w.steps.push_back(source);
    for (int i = 1; i <= width; ++i) w.steps.push_back({{0}, {i}});
  }
  return w;
}
Workload wavefront(int n) {
  Workload w{"wavefront", n * n, {}};
  for (int i = 0; i < n; ++i)
    for (int k = 0; k < n; ++k) {
      Step s{{}, {i * n + k}};
      if (i) s.reads.push_back((i - 1) * n + k);
      if (k) s.reads.push_back(i * n + k - 1);
      w.steps.push_back(s);
    }
  return w;
}
Workload random_sets(int n, int vars) {
  Workload w{"random read and write sets", vars, {}};
  std::mt19937 random(0xdeadbeef);
  for (int i = 0; i < n; ++i) {
    Step s{{}, {static_cast<int>(random() % vars)}};
    for (unsigned k = 2 + random() % 18; k > 0; --k)
      s.reads.push_back(static_cast<int>(random() % vars));
    w.steps.push_back(s);
  }
  return w;
}
Workload stencil(int width, int steps) {
  Workload w{"stencil", 2 * width, {}};
  for (int t = 0; t < steps; ++t)
    for (int i = 0; i < width; ++i) {
      const int from = t % 2 ? width : 0, to = t % 2 ? 0 : width;
      Step s{{}, {to + i}};
      for (int k = std::max(0, i - 1); k <= std::min(width - 1, i + 1); ++k)
        s.reads.push_back(from + k);
      w.steps.push_back(s);
    }
  return w;
}

void run(Engine& engine, const Workload& w) {
  std::vector<Var> vars(w.vars);
  for (Var& v : vars) v = Var::make();
  std::vector<double> sum(w.steps.size());
  auto uses_of = [&](const Step& s) {
    std::vector<Use> uses;
    for (int r : s.reads) uses.push_back({vars[r], Access::kRead});
    for (int v : s.writes) uses.push_back({vars[v], Access::kUpdate});
    return uses;
  };
  auto body = [&](size_t i) { return [&sum, i](RunContext&) { sum[i] += 1; }; };
  const int n = static_cast<int>(w.steps.size());
  const std::string name = w.name;
  for (bool small : {true, false})
    report(engine.name(), (name + (small ? ", small" : ", queued")).c_str(), n, [&] {
      for (size_t i = 0; i < w.steps.size(); ++i)
        engine.push(Task{.name = "t", .run = body(i), .uses = uses_of(w.steps[i]), .small = small});
      engine.wait_all();
    });
  for (bool small : {true, false}) {
    std::vector<TaskRef> tasks;
    for (size_t i = 0; i < w.steps.size(); ++i)
      tasks.push_back(engine.prepare(
          Task{.name = "t", .run = body(i), .uses = uses_of(w.steps[i]), .small = small}));
    report(engine.name(), (name + (small ? ", prepared small" : ", prepared")).c_str(), n, [&] {
      for (const TaskRef& t : tasks) engine.push(t);
      engine.wait_all();
    });
  }
  std::vector<GraphTask> nodes;
  for (size_t i = 0; i < w.steps.size(); ++i)
    nodes.push_back({Task{.name = "t", .run = body(i), .uses = uses_of(w.steps[i])}});
  GraphRef graph = engine.prepare(std::move(nodes));
  report(engine.name(), (name + ", graph").c_str(), n, [&] {
    engine.push(graph);
    engine.wait_all();
  });
}

void run_inline(Engine& engine) {
  Var a = Var::make(), b = Var::make(), c = Var::make();
  double x = 0;
  const Engine::BorrowedUse uses[] = {
      {&a, Access::kRead}, {&b, Access::kRead}, {&c, Access::kOverwrite}};
  report(engine.name(), "run_if_idle, 3 variables", 10000, [&] {
    for (int i = 0; i < 10000; ++i)
      engine.run_if_idle(
          uses, "t", [](void* p) { *static_cast<double*>(p) += 1; }, &x);
  });
  TaskRef small = engine.prepare(Task{.name = "t",
                                      .run = [&x](RunContext&) { x += 1; },
                                      .uses = {{c, Access::kUpdate}},
                                      .small = true});
  report(engine.name(), "push small and wait", 10000, [&] {
    for (int i = 0; i < 10000; ++i) engine.push(small), engine.wait(c);
  });
  TaskRef queued = engine.prepare(
      Task{.name = "t", .run = [&x](RunContext&) { x += 1; }, .uses = {{c, Access::kUpdate}}});
  report(engine.name(), "push and wait", 300, [&] {
    for (int i = 0; i < 300; ++i) engine.push(queued), engine.wait(c);
  });
  report(engine.name(), "wait for an idle variable", 10000, [&] {
    for (int i = 0; i < 10000; ++i) engine.wait(c);
  });
}

}  // namespace heddle

int main(int argc, char** argv) {
  auto engine =
      heddle::Engine::make(argc > 1 ? argv[1] : "threaded", argc > 2 ? std::atoi(argv[2]) : 0);
  heddle::run_inline(*engine);
  for (const heddle::Workload& w :
       {heddle::independent(20000), heddle::chain(20000), heddle::fan(300, 64),
        heddle::wavefront(128), heddle::random_sets(10000, 100), heddle::stencil(4, 4000)})
    heddle::run(*engine, w);
}
