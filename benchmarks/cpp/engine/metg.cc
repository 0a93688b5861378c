// Looks for the granularity at which each contender becomes efficient.
#include "metg.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>

#include "work.h"

namespace bench {

// The bodies alone, each begun when the one before has ended: a processor would otherwise do the
// end of one and the beginning of the next at once, which no engine that runs them in turn can, and
// efficiency is a share of what the processors do on work without end.
class Serial : public Backend {
 public:
  void load(const Workload& workload) override { tasks_ = workload.size(); }
  void run() override {
    for (int i = 0; i < tasks_; ++i) {
      if (i > 0) the_work.numbers[i] += 0.0 * the_work.numbers[i - 1];
      do_task(i);
    }
  }
  void unload() override {}

 private:
  int tasks_ = 0;
};

// One point of a contender's curve.
struct Point {
  double granularity = 0, efficiency = 0;
};

Point point_of(double elapsed, double serial, int tasks) {
  return {elapsed * kThreads / tasks, serial / (kThreads * elapsed)};
}

// Where the line from `a` to `b` crosses; granularity on a logarithmic scale.
double crossing(Point a, Point b, double efficiency) {
  if (a.granularity == 0) return b.granularity;  // efficient from the first point
  const double part = (efficiency - a.efficiency) / (b.efficiency - a.efficiency);
  return a.granularity * std::pow(b.granularity / a.granularity, part);
}

// Follows one contender until it is efficient.
struct Search {
  std::vector<Point> points = {};
  double found = std::numeric_limits<double>::infinity();

  bool over() const { return std::isfinite(found); }
  void add(Point p, double efficiency) {
    if (!over() && p.efficiency >= efficiency)
      found = crossing(points.empty() ? Point{} : points.back(), p, efficiency);
    points.push_back(p);
  }
};

void print_curve(const std::string& name, int width, const Search& search) {
  std::printf("width %d, %s, us a task and efficiency:", width, name.c_str());
  for (const Point& p : search.points)
    std::printf("  %.2f %.0f%%", p.granularity * 1e6, p.efficiency * 100);
  std::printf("\n");
}

std::vector<Figure> metg(const std::vector<Contender*>& contenders, int width, double efficiency,
                         int rounds) {
  constexpr double kStepSeconds = 3e-9, kRunSeconds = 4e-3;  // about
  Contender serial{"serial", Kind::kReplay, false, std::make_unique<Serial>()};
  std::vector<Search> medians(contenders.size()), bests(contenders.size());
  for (int grain = 16; grain <= 1 << 16; grain *= 2) {
    std::vector<Contender*> still = {&serial};
    std::vector<size_t> who;
    for (size_t i = 0; i < contenders.size(); ++i) {
      if (medians[i].over() && bests[i].over()) continue;
      still.push_back(contenders[i]);
      who.push_back(i);
    }
    if (who.empty()) break;
    const double tasks = kRunSeconds * kThreads / (kStepSeconds * grain + 100e-9);
    const Workload w = stencil(width, std::clamp(static_cast<int>(tasks / width), 20, 4000));
    const std::vector<Figure> times = race(still, w, grain, rounds, false);
    for (size_t k = 0; k < who.size(); ++k) {
      const Figure &alone = times[0], &with = times[k + 1];
      medians[who[k]].add(point_of(with.median, alone.median, w.size()), efficiency);
      bests[who[k]].add(point_of(with.best, alone.best, w.size()), efficiency);
    }
  }
  std::vector<Figure> found;
  for (size_t i = 0; i < contenders.size(); ++i) {
    print_curve(contenders[i]->name, width, medians[i]);
    found.push_back({.median = medians[i].found, .best = bests[i].found});
  }
  return found;
}

}  // namespace bench
