// What the engine tells the profiler.
#include "engine/profile.h"

#include "engine/graph.h"

namespace heddle::engine::profile {

constinit std::atomic<uint32_t> watched{0};

void pushed(Slot&, Running*) {}
void pushed(Slot&, GraphRun&) {}
void ready(Running*) {}
void done(Slot&, Running*) {}
void Body::begin() {}
void Body::end() {}
void Wait::for_tasks(const VarState&, Access) {}
void Wait::for_device() {}
void Wait::for_all(int64_t) {}
void Wait::end() {}

}  // namespace heddle::engine::profile
