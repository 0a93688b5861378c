// Lets contenders take turns, and times them.
#pragma once
#include <vector>

#include "backend.h"

namespace bench {

// Seconds of one run.
struct Figure {
  double median = 0, best = 0;
};

// Every contender runs the workload once and then once more with the clock running, `rounds` times
// in turn; each turn begins when the threads of all others are asleep. After each turn every task
// must have run twice. `check` runs it three times beforehand, looking at the order. Who has used a
// second on the clock sits the rest out, but not before its third turn. A figure for each.
std::vector<Figure> race(const std::vector<Contender*>& contenders, const Workload& workload,
                         int grain, int rounds, bool check);

// How many turns of this process began although another thread of it had not gone to sleep.
int disturbed_turns();

// The processors that all contenders share: the first kThreads of those this process may use.
void keep_to_few_processors();

}  // namespace bench
