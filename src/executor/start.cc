// Joins the engine, which owns threads, to the arena, on which kernels split their work.
#include "executor/start.h"

#include "heddle/engine.h"
#include "heddle/parallel.h"

namespace heddle {

void start_once() {
  [[maybe_unused]] static const bool started = (Engine::set_scope(&run_in_arena), true);
}

}  // namespace heddle
