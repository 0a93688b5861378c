// The dependency engine: runs tasks in parallel, in an order that every variable would agree with.
//
// A task states which variables it reads and writes. Reads of one variable overlap; a write runs
// alone; per variable, tasks run as if in the order they were pushed. A task that throws poisons
// what it writes: tasks that need it are skipped and carry the first cause, the next wait throws
// it, everything else keeps running. The engine knows nothing of arrays, operators or libraries.
#pragma once
#include <atomic>
#include <cstdint>
#include <exception>
#include <functional>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "heddle/device.h"
#include "heddle/task_body.h"

namespace heddle {

namespace engine {
struct VarState;  // the queue of one variable
struct Running;   // a task on its way
struct Failure;   // why a task failed
class Prepared;   // a task made ready to be pushed many times
class PreparedGraph;
struct Inside;  // how the engine gets at what these classes hold
HEDDLE_API void share(VarState* var);
HEDDLE_API void drop(VarState* var) noexcept;
}  // namespace engine

// A thing that tasks read and write, without saying what it is. Copying shares it. When the last
// handle goes, it is retired after the tasks already pushed on it. Thread-safe.
class HEDDLE_API Var {
 public:
  Var() = default;  // none
  static Var make();
  Var(const Var& o) : state_(o.state_) {
    if (state_) engine::share(state_);
  }
  Var(Var&& o) noexcept : state_(std::exchange(o.state_, nullptr)) {}
  Var& operator=(Var o) noexcept {
    std::swap(state_, o.state_);
    return *this;
  }
  ~Var() {
    if (state_) engine::drop(state_);
  }
  uint64_t version() const;  // writes pushed so far
  bool poisoned() const;     // did the last completed write fail?
  explicit operator bool() const { return state_ != nullptr; }
  bool operator==(const Var&) const = default;

 private:
  friend engine::Inside;
  engine::VarState* state_ = nullptr;
};

enum class Access : uint8_t {
  kRead,    // beside other readers
  kUpdate,  // alone; sees what was there, so a poisoned variable skips it (x += 1, writing a slice)
  kOverwrite,  // alone; success heals a poisoned variable (x[:] = 0)
};
struct HEDDLE_API Use {
  Var var;
  Access access = Access::kRead;
};

// Which workers of a device run the task.
enum class Lane : uint8_t { kCompute, kCopyIn, kCopyOut, kIo };

struct HEDDLE_API RunContext {
  Device device;
  Stream* stream = nullptr;  // of this lane; null on CPU
};

// Ends an asynchronous task: call it once, from any thread, with the error if there was one and the
// event that ends the device's part. Destroyed uncalled, the task fails; called twice, the second
// call is ignored.
class HEDDLE_API Done {
 public:
  Done(Done&& o) noexcept : task_(std::exchange(o.task_, nullptr)) {}
  Done& operator=(Done&&) = delete;
  ~Done();
  void operator()(std::exception_ptr error = nullptr, EventRef event = nullptr);

 private:
  friend engine::Inside;
  explicit Done(engine::Running* task) : task_(task) {}
  engine::Running* task_;
};

// Where the user asked for the work, for messages. Both live as long as the process.
struct HEDDLE_API Place {
  const char* file = nullptr;
  int line = 0;
};

// What waits throw: the text of the first cause, with the name of the task and the place that
// pushed it. `cause` is what the task threw.
struct HEDDLE_API TaskError : Error {
  TaskError(const std::string& text, std::shared_ptr<engine::Failure> failure);
  std::exception_ptr cause;
  std::shared_ptr<engine::Failure> root;
};

// A token that many tasks share. A cancelled task that has not started is skipped; what it writes
// is poisoned with "cancelled".
class HEDDLE_API CancelToken {
 public:
  CancelToken() : flag_(std::make_shared<std::atomic<bool>>(false)) {}
  void cancel() { flag_->store(true, std::memory_order_release); }
  bool cancelled() const { return flag_->load(std::memory_order_acquire); }

 private:
  std::shared_ptr<std::atomic<bool>> flag_;
};

// What a push says of a task, beside its body and the variables it uses.
struct HEDDLE_API Traits {
  const char* name = "";  // must outlive the task; operators' names do
  Device device = {};
  Lane lane = Lane::kCompute;
  int priority = 0;    // larger first, among ready tasks
  bool small = false;  // takes microseconds and waits for nothing: may run on the pushing thread
  int64_t bytes = 0;  // memory it keeps alive until done: counts towards the cap on bytes in flight
  Place place = {};
};

struct HEDDLE_API Task {
  const char* name = "";
  // One of the two. `run` is done when it returns (or throws); `start` when its Done is called.
  TaskBody run = {};
  std::function<void(RunContext&, Done)> start = {};
  std::vector<Use> uses = {};  // a variable named twice counts once, with the stronger access
  Device device = {};
  Lane lane = Lane::kCompute;
  int priority = 0;
  bool small = false;
  int64_t bytes = 0;
  Place place = {};
  std::shared_ptr<const CancelToken> cancel = {};
};
using TaskRef = std::shared_ptr<const engine::Prepared>;

// One node of a graph that is pushed as a whole. `after` names earlier nodes of the same graph;
// nodes that use the same variable, one of them writing, are ordered as listed without being told.
struct HEDDLE_API GraphTask {
  Task task;
  std::vector<int> after = {};
};
using GraphRef = std::shared_ptr<engine::PreparedGraph>;

class HEDDLE_API Engine {
 public:
  virtual ~Engine() = default;

  struct BorrowedUse {
    const Var* var;
    Access access;
  };

  // Prepared once, pushed many times.
  virtual TaskRef prepare(Task task) = 0;
  virtual void push(const TaskRef& task) = 0;
  // Pushed once. May run a small ready task here; blocks only at the cap on work in flight.
  virtual void push(Task task) = 0;
  // The same, at the lowest cost: the uses are only borrowed for the call, and nothing is
  // allocated if the closure fits into a TaskBody and the uses are few.
  virtual void push(std::span<const BorrowedUse> uses, TaskBody body, const Traits& traits) = 0;
  void push(std::initializer_list<BorrowedUse> uses, TaskBody body, const Traits& traits = {}) {
    push(std::span(uses.begin(), uses.size()), std::move(body), traits);
  }

  // A prepared graph: acquires its variables together when pushed, releases each when the last node
  // that uses it has finished. A node that fails poisons what it writes and skips what follows it.
  virtual GraphRef prepare(std::vector<GraphTask> nodes) = 0;
  virtual void push(const GraphRef& graph) = 0;

  // Runs body(arg) on the calling thread if nothing runs or waits on these variables and returns
  // true; otherwise does nothing and returns false. What the body throws poisons the written
  // variables like any task's error. No allocation, no queue.
  virtual bool run_if_idle(std::span<const BorrowedUse> uses, const char* name, void (*body)(void*),
                           void* arg) = 0;

  // Until the writes pushed so far are done (wait_to_write: reads too); throws the root failure
  // that reached `var`, once per waiting thread. From inside a task that owns `var`, throws at
  // once.
  virtual void wait(const Var& var) = 0;
  virtual void wait_to_write(const Var& var) = 0;
  virtual void wait_all() = 0;

  // Before fork() and in both processes after it. Python calls them through os.register_at_fork.
  virtual void before_fork() = 0;
  virtual void after_fork(bool child) = 0;

  // How far pushes from outside tasks may run ahead before they are held back. A task larger than
  // `bytes` runs alone.
  struct RunAhead {
    int64_t tasks = 1 << 16;
    int64_t bytes = INT64_MAX;
  };
  virtual void set_run_ahead(RunAhead cap) = 0;

  virtual const char* name() const = 0;  // "naive", "threaded" or "per_device"
  virtual int workers() const = 0;       // worker threads alive now

  static Engine& get();  // the one of the process; HEDDLE_ENGINE = naive | threaded | per_device
  // Another engine with variables of its own world: for tests.
  static std::unique_ptr<Engine> make(std::string_view kind, int workers = 0);

  // Ends what can end and stops the workers of every engine; pushes after it run where they are
  // made. Happens at exit by itself; an interpreter calls it before it takes itself down.
  static void finish();

  // How workers call a task's body; by default directly. The library installs run_in_arena.
  using Scope = void (*)(void (*body)(void*), void* arg);
  static void set_scope(Scope scope);

  // Called around every sleep in wait(), at the cap and at fork: bindings let go of their
  // interpreter's lock there, if this thread holds it. leave() returns what enter() is given back.
  static void set_sleep_hooks(void* (*leave)(), void (*enter)(void*));
};

// The place that pushes from this thread will report. Bindings set it.
HEDDLE_API Place& current_place();

}  // namespace heddle
