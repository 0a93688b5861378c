// The engine behind all three names: they differ in where a ready task runs.
//
//   naive       on the thread that made it ready, at once
//   threaded    on a pool of workers for all CPU lanes that compute, another for those that move
//   data per_device  on workers of its own device and lane
#pragma once
#include <memory>
#include <string_view>
#include <vector>

#include "engine/task/running.h"
#include "engine/workers/cap.h"
#include "engine/workers/group.h"
#include "engine/workers/watcher.h"
#include "heddle/engine.h"

namespace heddle::engine {

extern constinit std::atomic<Engine::Scope> the_scope;  // of Engine::set_scope

// Marks the task that the calling thread is inside of.
class Frame {
 public:
  // What a body completes by other ways than by returning is told at once: it may wait for that.
  Frame(Slot& slot, Job* r) : slot_(slot), rings_later_(std::exchange(slot.rings_later, false)) {
    r->outer = slot.current;
    slot.current = r;
  }
  ~Frame() {
    slot_.current = slot_.current->outer;
    slot_.rings_later = rings_later_;
  }
  Frame(const Frame&) = delete;
  Frame& operator=(const Frame&) = delete;

 private:
  Slot& slot_;
  const bool rings_later_;
};

// A critical section in which variables may be let go of for good: they are buried when it is over.
class Burying {
 protected:
  explicit Burying(Slot& slot) : slot_(slot) {}
  ~Burying() {
    if (slot_.dead) [[unlikely]]
      bury(slot_, std::exchange(slot_.dead, nullptr));
  }

 private:
  Slot& slot_;
};
class Ending : Burying, public Critical {
 public:
  explicit Ending(Slot& slot) : Burying(slot), Critical(slot) {}
};

class Core final : public Engine {
 public:
  enum class Style { kNaive, kThreaded, kPerDevice };
  Core(Style style, int workers);
  ~Core() override;  // waits for everything that was pushed

  TaskRef prepare(Task task) override;
  void push(const TaskRef& task) override;
  void push(Task task) override;
  void push(std::span<const BorrowedUse> uses, TaskBody body, const Traits& traits) override;
  GraphRef prepare(std::vector<GraphTask> nodes) override;
  void push(const GraphRef& graph) override;
  bool run_if_idle(std::span<const BorrowedUse> uses, const char* name, void (*body)(void*),
                   void* arg) override;
  void wait(const Var& var) override { wait_for(var, Access::kRead); }
  void wait_to_write(const Var& var) override { wait_for(var, Access::kUpdate); }
  void wait_all() override;
  void before_fork() override;
  void after_fork(bool child) override;
  void set_run_ahead(RunAhead cap) override { cap_.set(cap); }
  const char* name() const override;
  int workers() const override;

  // --- for the other files of this room ---------------------------------------------------------
  // Runs a record on the calling thread, in the place of a worker of `group` and inside the scope
  // of set_scope. With `on`, goes on with what becomes ready because of it.
  static void run_chain(Job* r, Group* group, bool on = true);
  Job* execute(Slot& slot, Job* r, Group* chain);
  static void run_kept(Slot& slot, Job* first, Group* chain);
  // The second half of an asynchronous task.
  static void finish_start(Job* r, std::exception_ptr error, EventRef event);
  // In a critical section: gives ready records to their groups; ends a record that is done.
  static void dispatch_all(Slot& slot, JobList& ready);
  static void dispatch(Slot& slot, Job* r);
  void retire(Slot& slot, Job* r, Leftovers* leftovers);
  static void drop_body(RunningTask* r);
  void log(const FailureRef& failure);  // for wait_all, once
  // Runs what dispatch() left to the calling thread, and puts its slot back to `before`.
  static void run_later(Slot& slot, int before);
  // After a push: `here`, if it may run on the thread that pushes, and what was left to it.
  void run_pushed(Slot& slot, Job* here, int before);

  bool quiet() const;  // nothing is ready, runs, or waits for a device
  void stop();         // the workers; from now on tasks run where they are pushed
  void start_over_in_child();
  void lose(Slot& slot, Job* r);

 private:
  bool runs_where_pushed() const {
    return style_ == Style::kNaive || stopped_.load(std::memory_order_relaxed);
  }
  Group* group_of(Device device, Lane lane);

  // What is pushed, wherever it is written down.
  struct Order {
    const Traits& traits;
    const TaskBody* body;
    const StartBody* start = nullptr;
    const CancelToken* cancel = nullptr;
  };
  template <class Uses, class Keep>
  void launch(const Order& order, const Uses& uses, const Keep& keep);
  void fill_in(RunningTask* r, const Order& order, Group* group);
  void submit_graph(RunningGraph* head, ReadyList& ready);
  bool may_run_here(const Order& order, const Group* group) const;

  RunningGraph* take_head(Slot& slot, const GraphRef& graph);
  Job* execute_serial(Slot& slot, RunningGraph* head, Group* chain);
  void run_carefully(Slot& slot, GraphRun& run, size_t from, const FailureRef& failure);
  Job* complete_serial(Slot& slot, RunningGraph* head, Group* chain);

  static FailureRef why_skip(const Job* r);
  Stream* prepare_stream(Job* r);
  void call_run(Slot& slot, Job* r);
  void call_start(Slot& slot, Job* r);
  Job* complete(Slot& slot, Job* r, Group* chain);
  Job* complete_on_device(Slot& slot, RunningTask* r, Group* chain);
  Job* complete_node(Slot& slot, RunningNode* r, Group* chain);
  void settle_node(RunningNode* r, const FailureRef& failure, const EventRef& event);
  void finish_graph(Slot& slot, GraphRun& run, ReadyList& ready, Leftovers* leftovers);
  Job* hand_out(Slot& slot, ReadyList& ready, Group* chain);
  static void leave_to(Slot& slot, Job* r);
  static void keep_small(Slot& slot, Job* r);
  static void wait_here(Job* r);
  static void give_back_kept(Slot& slot);
  // Fills r->after. True when the host must wait for a device before it runs `r`.
  bool must_wait_for_events(Job* r);

  void wait_for(const Var& var, Access access);
  bool help(Slot& slot, const Job* only);
  void help_with_all(Slot& slot);
  void sleep_on(Slot& slot, Waiter* waiter);
  void check_nested(Slot& slot, Waiter* waiter);
  bool leads_to(const Waiter* waiter, const Job* task);

  const Style style_;
  const int width_;
  std::atomic<bool> stopped_{false};
  std::atomic<bool> events_seen_{false};

  Group* compute_ = nullptr;  // of CPU devices, in the threaded engine
  mutable SpinLock groups_lock_;
  std::vector<std::unique_ptr<Group>> groups_;

  Tally tally_;
  Cap cap_;
  FailureLog failures_;
  SpinLock nested_;  // waits from inside tasks look for cycles one at a time
  Watcher watcher_;
};

// What engines share: all that live now.
void enlist(Core* core);
void delist(Core* core);
void for_each_core(void (*each)(Core&));

}  // namespace heddle::engine
