// What has to be in place before the first task of this room runs.
#pragma once

namespace heddle {

// Makes the engine's workers run tasks inside the arena that kernels split their work on, so that
// runnable threads never exceed its slots plus the callers. Cheap after the first call.
void start_once();

}  // namespace heddle
