// The profiler: when every task was pushed, became ready and ran, on which thread, with which
// variables; as a trace for Perfetto (ui.perfetto.dev) or chrome://tracing, and as totals per name.
// Beside it: what blocking reads waited for, and a picture of the tasks that are pending.
//
// Costs one relaxed load per task while it is off; while it is on, about 0.1 us per task that runs
// on the thread that pushes it, and 0.3 us where another thread runs it.
// Thread-safe. In the child of a fork it is off and empty.
#pragma once
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "heddle/engine.h"

namespace heddle::engine::profile {
struct WaitTraces;
}

namespace heddle::profiler {

struct HEDDLE_API Options {
  bool eager = true;  // tasks that were pushed one by one, or run at once
  bool graph = true;  // nodes of graphs
  bool waits = true;  // calls that block
  // How much may be kept, some 130 bytes per task. What was recorded first goes first; totals() and
  // dropped() still count it. Each thread that records keeps at least 64 KiB.
  int64_t bytes = int64_t{128} << 20;
};

HEDDLE_API void start(const Options& options = {});  // adds to what is there
HEDDLE_API void stop();                              // keeps what is there
HEDDLE_API bool running();
HEDDLE_API void clear();
HEDDLE_API int64_t dropped();  // events that had to go since clear()

// What was recorded, in the trace-event format. May be called while it goes on.
//   "X" a task's body, on its thread: category "operator", or "graph" for nodes of graphs; args
//   tell
//       the time it waited for its variables and then for a worker, where it was pushed, the
//       variables it used (the first 1000)
//   "s", "f" an arrow from the push to the body     "b", "e" an asynchronous task until its Done
//   "X" of category "wait": a call that blocked, and for what
HEDDLE_API std::string trace();
HEDDLE_API void write_trace(const std::string& path);  // appears whole or not at all; throws Error

// Per category and name. Times are in milliseconds; a counter's are its values.
struct HEDDLE_API Total {
  std::string category, name;
  bool counter = false;
  int64_t count = 0;
  double total = 0, least = 0, most = 0;
};
HEDDLE_API std::vector<Total> totals();

// --- what the program adds ------------------------------------------------------------------
// All of it is recorded only while running().

// A moment, to begin a range at; 0 while not running.
HEDDLE_API int64_t now();
enum class Track : uint8_t {
  kThread,  // of the calling thread: ranges there nest
  kOwn,     // of its own: may overlap others and end on another thread
};
HEDDLE_API void range(std::string_view category, std::string_view name, int64_t begin, Track track);
HEDDLE_API void counter(std::string_view category, std::string_view name, double value);
enum class Scope : char { kThread = 't', kProcess = 'p', kGlobal = 'g' };
HEDDLE_API void mark(std::string_view category, std::string_view name,
                     Scope scope = Scope::kProcess);

// The rest of the scope, on the calling thread.
class HEDDLE_API Range {
 public:
  explicit Range(std::string name, std::string category = "range")
      : name_(std::move(name)), category_(std::move(category)), begin_(now()) {}
  ~Range() {
    if (begin_) range(category_, name_, begin_, Track::kThread);
  }
  Range(const Range&) = delete;
  Range& operator=(const Range&) = delete;

 private:
  const std::string name_, category_;
  const int64_t begin_;
};

// A part of the task that this thread runs, where one task does the work of several operators: of
// category "operator", recorded if nodes of graphs are.
class HEDDLE_API Part {
 public:
  explicit Part(const char* name) : name_(name), begin_(now_of_graphs()) {}
  ~Part() {
    if (begin_) [[unlikely]]
      range("operator", name_, begin_, Track::kThread);
  }
  Part(const Part&) = delete;
  Part& operator=(const Part&) = delete;

 private:
  static int64_t now_of_graphs();
  const char* const name_;
  const int64_t begin_;
};

// A number that is looked at as tasks end, at most some ten thousand times a second, and recorded
// as a counter when it changed. `read` must be quick and not throw; any thread may call it. Null
// takes it away. Up to 8 names, which are literals.
HEDDLE_API void gauge(const char* category, const char* name, int64_t (*read)());

// --- what waits wait for ----------------------------------------------------------------------

struct HEDDLE_API Wait {
  std::string call;  // see Call; "wait" where nobody said
  Place at;          // current_place() of the waiting thread
  double ms = 0;
  std::string task;  // the last of those it waited for; "" when only a device was waited for
  Place pushed;      // where that was pushed
  // Of a wait for everything: how many. -1: it was a push, held back at the cap on work in flight.
  int64_t tasks = 0;
  // "blocked 812 ms in asnumpy() at train.py:42 waiting for Convolution pushed at net.py:17"
  std::string text() const;
};

// Remembers every wait that blocks, on any thread, while it lives; the last 65536 of them.
class HEDDLE_API WaitTrace {
 public:
  WaitTrace();
  ~WaitTrace();
  WaitTrace(const WaitTrace&) = delete;
  WaitTrace& operator=(const WaitTrace&) = delete;
  std::vector<Wait> take();  // those since the last call, in the order in which they ended

 private:
  friend struct engine::profile::WaitTraces;
  std::deque<Wait> waits_;
};

// Asked on the waiting thread when a wait ends that is watched: may change what is known of the
// call and its place; what it gives must live as long as the process. For the bindings of a
// language.
HEDDLE_API void set_describe(void (*describe)(const char** call, Place* at));

// The call of the user's that this thread is inside of, for Wait::call; the outermost one counts.
class HEDDLE_API Call {
 public:
  explicit Call(const char* name);  // a literal
  ~Call();
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

 private:
  const bool outermost_;
};

// --- what is pending ----------------------------------------------------------------------------

// The tasks that were pushed and are not done, as text for Graphviz: their states, and for each
// variable the order in which they use it. Holds the engine's threads for the moment it takes.
HEDDLE_API std::string pending_dot(Engine& engine);

}  // namespace heddle::profiler
