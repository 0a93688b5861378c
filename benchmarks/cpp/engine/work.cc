// Bodies of tasks, and checks.
#include "work.h"

#include <cstdio>
#include <cstdlib>

namespace bench {

Work the_work;

void set_work(const Workload& workload, int grain) {
  the_work = {};
  the_work.workload = &workload;
  the_work.grain = grain;
  the_work.runs.assign(workload.size(), 0);
  the_work.numbers.assign(workload.size(), 0.5);
  the_work.values.assign(workload.vars, 0);
}

// Each step needs the one before.
double chain_of_sums(double x, int length) {
  for (int i = 0; i < length; ++i) x = x * 0.999 + 0.001;
  return x;
}

uint64_t mix(uint64_t hash, uint64_t value) {
  hash = hash * 0x9e3779b97f4a7c15u + value;
  return hash ^ (hash >> 29);
}

// What the task's variables hold, in an order that matters.
uint64_t seen_by(int task) {
  const Step& s = the_work.workload->steps[task];
  uint64_t seen = task + 1;
  for (int v : s.reads) seen = mix(seen, the_work.values[v]);
  for (int v : s.writes) seen = mix(seen, the_work.values[v]);
  return seen;
}

void combine(int task) {
  // Looks twice, some time apart: who writes in between is found out.
  const uint64_t first = seen_by(task);
  the_work.numbers[task] = chain_of_sums(the_work.numbers[task], 100);
  const uint64_t both = mix(first, seen_by(task));
  for (int v : the_work.workload->steps[task].writes) the_work.values[v] = mix(both, v);
}

void do_long_task(int task) {
  if (the_work.checking) combine(task);
  else the_work.numbers[task] = chain_of_sums(the_work.numbers[task], the_work.grain);
}

[[noreturn]] void fail(const std::string& contender, const std::string& what) {
  std::fprintf(stderr, "bench_engine: %s, %s: %s\n", contender.c_str(),
               the_work.workload->name.c_str(), what.c_str());
  std::_Exit(1);
}

void check_runs(int64_t times, const std::string& contender) {
  for (size_t task = 0; task < the_work.runs.size(); ++task)
    if (const int64_t ran = the_work.runs[task]; ran != times)
      fail(contender, "task " + std::to_string(task) + " ran " + std::to_string(ran) +
                          " times, expected " + std::to_string(times));
}

void begin_check() {
  set_work(*the_work.workload, the_work.grain);
  the_work.checking = true;
}

void end_check(const std::string& contender) {
  check_runs(1, contender);
  const std::vector<uint64_t> found = the_work.values;
  begin_check();
  for (int task = 0; task < the_work.workload->size(); ++task) do_task(task);
  for (size_t v = 0; v < found.size(); ++v)
    if (found[v] != the_work.values[v])
      fail(contender, "variable " + std::to_string(v) +
                          " does not hold what it holds after the same tasks in order");
  set_work(*the_work.workload, the_work.grain);
}

}  // namespace bench
