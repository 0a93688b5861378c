// Letting go of variables. In a critical section; those who can go on because of it come into
// `ready`.
#pragma once
#include "engine/task/running.h"

namespace heddle::engine {

// All variables of a record, with what it leaves on them: a failure, which is logged, an event.
void release_all(Slot& slot, Job* r, const FailureRef& failure, const Pending* pending,
                 ReadyList& ready);
// One variable, on which nothing is left, or was left before.
void let_go(Slot& slot, Request& request, ReadyList& ready);

}  // namespace heddle::engine
