// METG: how small tasks may be before the engine eats a given part of the machine.
#pragma once
#include <vector>

#include "backend.h"
#include "measure.h"

namespace bench {

// For each contender, the processor time per task of a stencil, in seconds, at which the tasks
// themselves get the part `efficiency` of kThreads processors; infinite when even long tasks do
// not. Efficiency is the time that the bodies take on one thread without an engine / (kThreads *
// elapsed).
std::vector<Figure> metg(const std::vector<Contender*>& contenders, int width, double efficiency,
                         int rounds);

}  // namespace bench
