// The interpreter's lock, and what becomes of threads when the program ends.
#include <cxxabi.h>
#include <unistd.h>

#include <atomic>

#include "common.h"

namespace heddle::python {

constinit std::atomic<unsigned long> finishing{0};  // the thread that ends the program

// The process ends without this thread.
[[noreturn]] void stop_here() {
  for (;;) pause();
}

void lock_python(PyThreadState* state) {
  try {
    PyEval_RestoreThread(state);
  } catch (abi::__forced_unwind&) {  // pthread_exit, by an interpreter that is going down
    stop_here();
  }
}

Locked::Locked() {
  try {
    state_ = PyGILState_Ensure();
  } catch (abi::__forced_unwind&) {
    stop_here();
  }
}

void check_going_on() {
  const unsigned long by = finishing.load(std::memory_order_relaxed);
  if (by == 0 || by == PyThread_get_thread_ident()) [[likely]]
    return;
  PyErr_SetNone(PyExc_SystemExit);
  throw py::error_already_set();
}

void go_on_in_child() { finishing.store(0, std::memory_order_relaxed); }

void finish() {
  finishing.store(PyThread_get_thread_ident(), std::memory_order_relaxed);
  const Unlocked u;
  Engine::finish();
}

}  // namespace heddle::python
