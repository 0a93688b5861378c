// The record of a task on its way, and the store that records are taken from and given back to.
#pragma once
#include <atomic>
#include <cstdint>
#include <vector>

#include "engine/parts/event_count.h"
#include "engine/profiler/profile.h"
#include "engine/queue/var_state.h"
#include "engine/workers/gate.h"

namespace heddle::engine {

class Core;
class Group;
struct GraphRun;

// A task whose uses are in the order in which their variables are locked, each variable once.
class Prepared {
 public:
  Prepared() = default;
  explicit Prepared(Task t);
  Task task;
};

// Throws Error when the task has not exactly one body, or a variable is none.
void check_task(const Task& task);

using StartBody = std::function<void(RunContext&, Done)>;

enum class Kind : uint8_t { kTask, kInline, kNode, kGraph, kWaiter };
enum class Stage : uint8_t {
  kFree,
  kWaiting,  // for its variables, or in a queue of ready tasks
  kStarted,  // taken by a thread, or waiting for its Done
  kLost,     // in the child of a fork: its thread stayed in the parent
};

// The first two lines of cache hold all that running a graph's node needs, the first six what a
// plain task needs: they travel between the thread that pushes and the one that runs.
struct alignas(64) Running {
  Kind kind = Kind::kTask;
  std::atomic<Stage> stage{Stage::kFree};
  bool counted = false;              // in the engine's tally
  bool small = false;                // see Task
  bool rich = false;                 // some of the members below `few` may be set
  std::atomic<bool> suspect{false};  // a variable may be poisoned
  int priority = 0;
  std::atomic<int> missing{0};  // requests not granted, predecessors not done
  int count = 0;                // of `requests`
  int node = -1;                // of a graph
  uint32_t round = 0;           // of the graph's run in which this node was last done
  Running* next = nullptr;      // in whatever list it is
  Core* engine = nullptr;
  Group* group = nullptr;
  Request* requests = few;

  alignas(64) const TaskBody* body = nullptr;  // what to run: `own`, or somebody else's
  GraphRun* run = nullptr;                     // of a node, or of the graph itself
  Running* outer = nullptr;  // the task this one runs inside of, on the same thread
  Device device;
  FailureRef failure;
  EventRef event;  // the device's part, once the task is done on the host

  alignas(64) TaskBody own;
  const char* name = "";
  Place place;
  int64_t bytes = 0;  // that it counts for in the cap
  Lane lane = Lane::kCompute;
  Request few[4];

  alignas(64) const StartBody* start = nullptr;  // instead of `body`
  const CancelToken* cancel = nullptr;
  StartBody own_start;
  std::shared_ptr<const CancelToken> own_cancel;
  TaskRef shared;                // keeps `body`, `start`, `cancel`
  GraphRef graph;                // of a graph's head
  std::atomic<int> parts{0};     // of an asynchronous task: the return of `start`, and Done
  FailureRef thrown;             // by `start`, while Done may be writing `failure`
  Var var;                       // of a waiter
  std::atomic<bool> met{false};  // of a waiter: what its thread sleeps on
  EventCount bell;               // of a waiter
  Running* asleep_on = nullptr;  // the waiter of a nested wait; guarded by Core::nested_
  std::vector<Pending> after;    // what the device, or this thread, must wait for first
  std::vector<Request> many;     // instead of `few`; keeps its room for the next task
  profile::Mark seen;            // for the profiler

  // One of its variables was granted. `suspect`: it needs a look before it runs.
  void note_poison(const VarState& v) {
    if (v.poisoned.load(std::memory_order_relaxed)) [[unlikely]]
      suspect.store(true, std::memory_order_relaxed);
  }
  void set_count(int n) {
    count = n;
    if (n <= 4) {
      requests = few;
    } else {
      if (many.size() < static_cast<size_t>(n)) many.resize(static_cast<size_t>(n));
      requests = many.data();
    }
  }
};

// Asks for what running it needs, and another thread may have: all at once, early.
inline void fetch(const Running* r) {
  const auto* const end = reinterpret_cast<const char*>(&r->start);
  for (auto* at = reinterpret_cast<const char*>(r); at < end; at += 64) fetch_to_write(at);
}

// What a finished record held of the user's, to be destroyed outside critical sections.
struct Leftovers {
  TaskRef shared;
  GraphRef graph;
  StartBody start;
  std::shared_ptr<const CancelToken> cancel;
  std::vector<FailureRef> failures;
  std::vector<EventRef> events;
};

// A list of records through Running::next, first in, first out.
struct RunningList {
  Running* first = nullptr;
  Running* last = nullptr;
  void add(Running* r) {
    r->next = nullptr;
    (last ? last->next : first) = r;
    last = r;
  }
  Running* take() {
    Running* const r = first;
    if (r && !(first = r->next)) last = nullptr;
    return r;
  }
};

// To be called in a critical section.
Running* take_record(Slot& slot);
void give_record(Slot& slot, Running* r);
// Calls each(record) for all there are, those in use and those not. Only while nothing moves.
void for_each_record(void (*each)(Running*, void*), void* arg);

}  // namespace heddle::engine
