// Turns, clocks and processors.
#include "measure.h"

#include <sched.h>
#include <time.h>

#include <algorithm>
#include <chrono>
#include <numeric>
#include <thread>

#include "work.h"

namespace bench {

constexpr double kPatience = 1;  // seconds

int the_disturbed_turns = 0;

int disturbed_turns() { return the_disturbed_turns; }

double processor_seconds() {
  timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

// Pools spin for a while before their threads sleep, libgomp's for milliseconds: waits until this
// process uses no processor.
void settle() {
  for (int i = 0; i < 100; ++i) {
    const double before = processor_seconds();
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    if (processor_seconds() - before < 0.0001) return;
  }
  ++the_disturbed_turns;
}

double seconds_of(Backend& backend) {
  using clock = std::chrono::steady_clock;
  const auto begin = clock::now();
  backend.run();
  return std::chrono::duration<double>(clock::now() - begin).count();
}

Figure figure_of(std::vector<double> times) {
  std::sort(times.begin(), times.end());
  return {.median = times[times.size() / 2], .best = times[0]};
}

std::vector<Figure> race(const std::vector<Contender*>& contenders, const Workload& workload,
                         int grain, int rounds, bool check) {
  set_work(workload, grain);
  for (Contender* c : contenders) {
    c->backend->load(workload);
    for (int times = check ? 3 : 0; times > 0; --times)
      check_order(c->name, [&] { c->backend->run(); });
  }
  const size_t n = contenders.size();
  std::vector<std::vector<double>> times(n);
  auto slow = [&](size_t who) {
    const double sum = std::accumulate(times[who].begin(), times[who].end(), 0.0);
    return times[who].size() >= 3 && sum > kPatience;
  };
  for (int round = 0; round < rounds; ++round)
    for (size_t turn = 0; turn < n; ++turn) {
      const size_t who = (turn + round) % n;  // not always after the same one
      if (slow(who)) continue;
      Contender& c = *contenders[who];
      settle();
      set_work(workload, grain);
      c.backend->run();
      times[who].push_back(seconds_of(*c.backend));
      check_runs(2, c.name);
    }
  std::vector<Figure> figures;
  for (size_t i = 0; i < n; ++i) {
    contenders[i]->backend->unload();
    figures.push_back(figure_of(times[i]));
  }
  return figures;
}

void keep_to_few_processors() {
  cpu_set_t may, few;
  CPU_ZERO(&few);
  if (sched_getaffinity(0, sizeof may, &may) != 0) return;
  for (int cpu = 0; cpu < CPU_SETSIZE && CPU_COUNT(&few) < kThreads; ++cpu)
    if (CPU_ISSET(cpu, &may)) CPU_SET(cpu, &few);
  sched_setaffinity(0, sizeof few, &few);
}

}  // namespace bench
