// The shapes of work that the engine and its peers are compared on.
#pragma once
#include <string>
#include <vector>

namespace bench {

// What one task reads and writes, as numbers of variables. A written variable is also read.
struct Step {
  std::vector<int> reads, writes;
};

// Tasks in the order a serial program would run them.
struct Workload {
  std::string name;
  int vars = 0;
  std::vector<Step> steps = {};
  // What follows from the reads and writes, for peers that cannot see it themselves: which tasks a
  // task has to wait for, and which wait for it.
  std::vector<std::vector<int>> before = {}, after = {};

  int size() const { return static_cast<int>(steps.size()); }
};

Workload independent(int tasks);
Workload chain(int tasks);
Workload fan(int rounds, int width);  // one task, `width` that read what it wrote, and again
Workload wavefront(int side);         // a task per cell of a square, after its left and upper one
Workload random_sets(int tasks, int vars);  // each writes one variable and reads 2 to 19 others
Workload stencil(int width, int rounds);    // each cell from its neighbours in the round before

// The six above at the sizes of the tables.
std::vector<Workload> workloads();

}  // namespace bench
