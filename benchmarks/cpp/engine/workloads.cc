// Makes the workloads.
#include "workloads.h"

#include <algorithm>
#include <random>
#include <utility>

namespace bench {

// A task waits for the last writer of everything it uses, and a writer also for those who read
// since.
Workload derive(Workload w) {
  std::vector<int> writer(w.vars, -1);
  std::vector<std::vector<int>> readers(w.vars);
  w.before.assign(w.size(), {});
  w.after.assign(w.size(), {});
  for (int task = 0; task < w.size(); ++task) {
    const Step& s = w.steps[task];
    std::vector<int>& before = w.before[task];
    for (int v : s.reads) before.push_back(writer[v]);
    for (int v : s.writes) {
      if (readers[v].empty()) before.push_back(writer[v]);
      before.insert(before.end(), readers[v].begin(), readers[v].end());
    }
    std::sort(before.begin(), before.end());
    before.erase(std::unique(before.begin(), before.end()), before.end());
    if (!before.empty() && before[0] < 0) before.erase(before.begin());
    for (int earlier : before) w.after[earlier].push_back(task);
    for (int v : s.reads) readers[v].push_back(task);
    for (int v : s.writes) writer[v] = task, readers[v].clear();
  }
  return w;
}

Workload independent(int tasks) {
  Workload w{"independent", tasks};
  for (int i = 0; i < tasks; ++i) w.steps.push_back({{}, {i}});
  return derive(std::move(w));
}

Workload chain(int tasks) {
  Workload w{"chain", 1};
  w.steps.assign(tasks, {{}, {0}});
  return derive(std::move(w));
}

Workload fan(int rounds, int width) {
  Workload w{"fan out, fan in", width + 1};
  Step source{{}, {0}};
  for (int i = 1; i <= width; ++i) source.reads.push_back(i);
  for (int round = 0; round < rounds; ++round) {
    w.steps.push_back(source);
    for (int i = 1; i <= width; ++i) w.steps.push_back({{0}, {i}});
  }
  return derive(std::move(w));
}

Workload wavefront(int side) {
  Workload w{"wavefront", side * side};
  for (int row = 0; row < side; ++row)
    for (int column = 0; column < side; ++column) {
      const int cell = row * side + column;
      Step s{{}, {cell}};
      if (row) s.reads.push_back(cell - side);
      if (column) s.reads.push_back(cell - 1);
      w.steps.push_back(std::move(s));
    }
  return derive(std::move(w));
}

Workload random_sets(int tasks, int vars) {
  Workload w{"random sets", vars};
  std::mt19937 random(0xdeadbeef);
  auto below = [&](int n) { return static_cast<int>(random() % n); };
  for (int i = 0; i < tasks; ++i) {
    const int written = below(vars);
    Step s{{}, {written}};
    for (int tries = 2 + below(18); tries > 0; --tries) {
      const int v = below(vars);
      const bool known = std::find(s.reads.begin(), s.reads.end(), v) != s.reads.end();
      if (v != written && !known) s.reads.push_back(v);
    }
    w.steps.push_back(std::move(s));
  }
  return derive(std::move(w));
}

Workload stencil(int width, int rounds) {
  Workload w{"stencil", 2 * width};
  for (int round = 0; round < rounds; ++round)
    for (int cell = 0; cell < width; ++cell) {
      const int from = round % 2 ? width : 0, to = width - from;
      Step s{{}, {to + cell}};
      for (int near = std::max(0, cell - 1); near <= std::min(width - 1, cell + 1); ++near)
        s.reads.push_back(from + near);
      w.steps.push_back(std::move(s));
    }
  return derive(std::move(w));
}

std::vector<Workload> workloads() {
  return {independent(20000),      chain(20000),    fan(300, 64), wavefront(128),
          random_sets(10000, 100), stencil(4, 4000)};
}

}  // namespace bench
