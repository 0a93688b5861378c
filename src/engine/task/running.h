// The records of what is on its way, and the stores that they are taken from and given back to.
//
//   Running              what all share: enough to queue on variables and to be handed on
//     Job                what a thread runs
//       RunningTask      a task that was pushed, or runs inline
//       RunningNode      a node of a graph's run
//       RunningGraph     a run of a graph: queues for all its nodes, and runs them if it is serial
//     Waiter             a thread that waits for a variable
//
// docs/engine.md says who may touch which field when, and who moves a record from stage to stage.
#pragma once
#include <atomic>
#include <cstdint>
#include <vector>

#include "engine/parts/event_count.h"
#include "engine/profiler/profile.h"
#include "engine/queue/var_state.h"
#include "engine/task/list.h"
#include "engine/workers/gate.h"
#include "heddle/function_ref.h"

namespace heddle::engine {

class Core;
class Group;
struct GraphRun;
struct Waiter;

// A task whose uses are in the order in which their variables are locked, each variable once.
class Prepared {
 public:
  Prepared() = default;
  explicit Prepared(Task t);
  Task task;
};

// Throws Error when the task has not exactly one body, or a variable is none.
void check_task(const Task& task);

using StartBody = std::function<void(RunContext&, Done)>;  // owned, and rare: of asynchronous tasks

enum class Kind : uint8_t { kTask, kNode, kGraph, kWaiter };
enum class Stage : uint8_t {
  kFree,      // in a store; of a node: in no run yet
  kWaiting,   // for its variables, in a queue of ready tasks, or for a device
  kStarted,   // taken by a thread, or waiting for its Done
  kOverEven,  // of a node: done in a run of an even number,
  kOverOdd,   // or of an odd one
  kLost,      // in the child of a fork: its thread stayed in the parent
};

struct Running {
  explicit Running(Kind k) : kind(k) {}
  const Kind kind;
  Kind next_kind =
      Kind::kTask;  // in a queue of ready tasks: of `next`, so that it can be asked for
  std::atomic<Stage> stage{Stage::kFree};
  int count = 0;            // of `requests`
  Running* next = nullptr;  // in whatever list it is
  Core* engine = nullptr;
  Request* requests = nullptr;
};

// The record as a T, or null if it is none.
template <class T>
T* as(Running* r) {
  return r->kind == T::kKind ? static_cast<T*>(r) : nullptr;
}
template <class T>
const T* as(const Running* r) {
  return r->kind == T::kKind ? static_cast<const T*>(r) : nullptr;
}

// Its first two lines of cache hold all that running a graph's node needs, and the four behind
// `seldom` what a task needs beside them: these travel between the thread that pushes and the one
// that runs.
struct alignas(64) Job : Running {
  using Running::Running;
  bool counted = false;              // in the engine's tally
  bool small = false;                // see Task
  bool rich = false;                 // has a `start` or a `cancel`, or owns what outlives its body
  std::atomic<bool> suspect{false};  // a variable may be poisoned
  int priority = 0;
  std::atomic<int> missing{0};  // requests not granted, predecessors not done
  Group* group = nullptr;
  Job* outer = nullptr;  // what this one runs inside of, on the same thread

  alignas(64) const TaskBody* body = nullptr;  // what to run: the task's own, or somebody else's
  GraphRun* run = nullptr;                     // of a node, and of the graph itself
  Device device;
  FailureRef failure;
  EventRef event;     // the device's part, once the task is done on the host
  int64_t bytes = 0;  // that it counts for in the cap

  alignas(64) const StartBody* start = nullptr;  // instead of `body`
  const CancelToken* cancel = nullptr;
  std::atomic<int> parts{0};    // of an asynchronous task: the return of `start`, and Done
  FailureRef thrown;            // by `start`, while Done may be writing `failure`
  Waiter* asleep_on = nullptr;  // of a nested wait; guarded by Core::nested_
  std::vector<Pending> after;   // what the device, or this thread, must wait for first
  profile::Mark seen;           // for the profiler

  // Makes room for `n` requests: in `few`, or else in `many`, which keeps its room for the next
  // task.
  void make_room(int n, Request (&few)[4], std::vector<Request>& many) {
    if (n > 4 && many.size() < static_cast<size_t>(n)) many.resize(static_cast<size_t>(n));
    count = n;
    requests = n > 4 ? many.data() : few;
  }
  // One of its variables was granted. `suspect`: it needs a look before it runs.
  void note_poison(const VarState& v) {
    if (v.poisoned.load(std::memory_order_relaxed)) [[unlikely]]
      suspect.store(true, std::memory_order_relaxed);
  }
};

struct RunningTask : Job {
  static constexpr Kind kKind = Kind::kTask;
  RunningTask() : Job(kKind) {}

  alignas(64) TaskBody own;
  const char* name = "";
  Place place;
  Lane lane = Lane::kCompute;
  Request few[4];

  alignas(64) StartBody own_start;  // these where it is rich
  std::shared_ptr<const CancelToken> own_cancel;
  TaskRef shared;  // keeps `body`, `start`, `cancel`
  std::vector<Request> many;

  void set_count(int n) { make_room(n, few, many); }
};

// Its place among the nodes of `run` is its place in the graph.
struct RunningNode : Job {
  static constexpr Kind kKind = Kind::kNode;
  RunningNode() : Job(kKind) {}
  size_t index() const;
  const Task& task() const;
};

struct RunningGraph : Job {
  static constexpr Kind kKind = Kind::kGraph;
  RunningGraph() : Job(kKind) { counted = true; }
  GraphRef graph;
  Place place;
  Request few[4];
  std::vector<Request> many;

  // Nodes start on their own, as their variables are granted.
  bool has_nodes() const;
  void set_count(int n) { make_room(n, few, many); }
  // The variable of the graph that a request of this record is for.
  int var_of(const Request& q) const { return static_cast<int>(&q - requests); }
};

struct Waiter : Running {
  static constexpr Kind kKind = Kind::kWaiter;
  Waiter() : Running(kKind) { requests = &request, count = 1; }
  Request request;
  Var var;
  std::atomic<bool> met{false};  // what its thread sleeps on, with `bell`
  EventCount bell;
  FailureRef failure;           // of the variable, when it was met
  std::vector<Pending> events;  // that a device has not reached yet
};

// Asks for what running it needs, and another thread may have: all at once, early. Its kind is told
// by the caller, for to look at the record would be to wait for its first line.
inline void fetch(const Job* r, Kind kind) {
  const auto* const at = reinterpret_cast<const char*>(r);
  fetch_to_write(at);
  fetch_to_write(at + 64);
  if (kind != Kind::kTask) return;
  const auto* const own = reinterpret_cast<const char*>(&static_cast<const RunningTask*>(r)->own);
  for (int line = 0; line < 4; ++line) fetch_to_write(own + 64 * line);
}

// What a finished record held of the user's, to be destroyed outside critical sections.
struct Leftovers {
  TaskRef shared;
  GraphRef graph;
  StartBody start;
  std::shared_ptr<const CancelToken> cancel;
  std::vector<FailureRef> failures;
  std::vector<EventRef> events;
  void take_from(Job* r);
};

Origin origin_of(const Job* r);

// To be called in a critical section.
RunningTask* take_task(Slot& slot);
RunningGraph* take_graph(Slot& slot);
Waiter* take_waiter(Slot& slot);
void give_record(Slot& slot, Running* r);
// Calls each(record) for all there are, those in use and those not, but for nodes. Only while
// nothing moves.
void for_each_record(FunctionRef<void(Running*)> each);

}  // namespace heddle::engine
