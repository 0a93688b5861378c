// Pushing tasks, and where they run.
#include "engine/core.h"

#include <algorithm>
#include <array>
#include <mutex>

#include "engine/queue/acquire.h"
#include "engine/queue/requests.h"

namespace heddle::engine {

constexpr int kTransferWorkers = 2;  // of a pool that moves data: they mostly wait for it

Core::Core(Style style, int workers)
    : style_(style), width_(workers > 0 ? workers : threads()), watcher_(*this) {
  if (style_ == Style::kThreaded) compute_ = group_of({}, Lane::kCompute);
  enlist(this);
}

Core::~Core() {
  tally_.wait_until(0);
  stop();
  delist(this);
}

const char* Core::name() const {
  return style_ == Style::kNaive ? "naive" : style_ == Style::kThreaded ? "threaded" : "per_device";
}

int Core::workers() const {
  int alive = 0;
  const Critical in(this_slot());
  std::lock_guard lock(groups_lock_);
  for (const auto& g : groups_) alive += g->workers();
  return alive;
}

// --- groups -------------------------------------------------------------------------------------

Group* Core::group_of(Device device, Lane lane) {
  const bool host = device.kind == Device::kCpu || device.kind == Device::kPinned;
  if (host) {
    device.kind = Device::kCpu;
    if (style_ != Style::kPerDevice) {  // one pool that computes, one that moves data
      if (lane == Lane::kCompute && compute_) return compute_;
      device.id = 0;
      if (lane != Lane::kCompute) lane = Lane::kIo;
    }
  }
  auto find = [&]() -> Group* {
    for (const auto& g : groups_)
      if (g->device == device && g->lane == lane) return g.get();
    return nullptr;
  };
  {
    const Critical in(this_slot());
    std::lock_guard lock(groups_lock_);
    if (Group* const g = find()) return g;
  }
  // On an asynchronous device one worker feeds a lane, so that its stream has one order.
  const int width = !host ? 1 : lane == Lane::kCompute ? width_ : kTransferWorkers;
  auto made = std::make_unique<Group>(device, lane, width);  // may load a driver: without the lock
  const Critical in(this_slot());
  std::lock_guard lock(groups_lock_);
  if (Group* const g = find()) return g;
  groups_.push_back(std::move(made));
  return groups_.back().get();
}

// --- pushing ------------------------------------------------------------------------------------

TaskRef Core::prepare(Task task) { return std::make_shared<const Prepared>(std::move(task)); }

void Core::fill_in(RunningTask* r, const Order& order, Group* group) {
  const Traits& t = order.traits;
  r->engine = this;
  r->group = group;
  r->body = order.body;
  if (order.start || order.cancel) {
    r->start = order.start;
    r->cancel = order.cancel;
    r->rich = true;
  }
  r->device = t.device;
  r->lane = t.lane;
  r->small = t.small;
  r->priority = t.priority;
  r->name = t.name;
  r->place = t.place.file ? t.place : current_place();
  r->bytes = t.bytes;
  r->suspect.store(false, std::memory_order_relaxed);
  r->stage.store(Stage::kWaiting, std::memory_order_relaxed);
}

// If it is ready, may it run on the thread that pushes it? Then it is over when the push returns.
bool Core::may_run_here(const Order& order, const Group* group) const {
  if (order.start || events_seen_.load(std::memory_order_relaxed)) return false;
  return runs_where_pushed() || (order.traits.small && group == compute_);
}

// `uses(r)` fills in the requests. `keep(r)` makes the record own the body, or share it: needed
// unless it is over when the push is.
template <class Uses, class Keep>
void Core::launch(const Order& order, const Uses& uses, const Keep& keep) {
  const Traits& t = order.traits;
  Slot& slot = this_slot();
  const bool usual = compute_ && t.device.kind == Device::kCpu && t.lane == Lane::kCompute;
  Group* const group = usual ? compute_ : group_of(t.device, t.lane);
  cap_.admit(slot, tally_, t.bytes);
  const int before = slot.state.load(std::memory_order_relaxed);
  const bool may_be_here = may_run_here(order, group);
  RunningTask* r;
  bool here = false;
  {
    Critical in(slot);
    r = take_task(slot);
    fill_in(r, order, group);
    uses(r);
    if (profile::on()) [[unlikely]]
      profile::pushed(slot, r);
    bool ready;
    {
      const AllLocked locked(r);
      const int waits = locked.place_task();
      r->missing.store(waits, std::memory_order_relaxed);
      ready = waits == 0;
      here = ready && may_be_here;
      r->counted = !here;
      if (!here) {
        keep(r);
        tally_.pushed(slot);
      }
    }
    if (here) {
      r->stage.store(Stage::kStarted, std::memory_order_relaxed);
      in.leave_to(Slot::kBody);
    } else if (ready) {
      dispatch(slot, r);
    }
  }
  run_pushed(slot, here ? r : nullptr, before);
}

Traits traits_of(const Task& t) {
  return {t.name, t.device, t.lane, t.priority, t.small, t.bytes, t.place};
}

void Core::push(Task task) {
  check_task(task);
  const Traits traits = traits_of(task);
  const Order order{traits, &task.run, task.start ? &task.start : nullptr, task.cancel.get()};
  const auto uses = [&](RunningTask* r) { order_requests(r, task.uses); };
  launch(order, uses, [&](RunningTask* r) {
    if (r->rich) {
      r->own_start = std::move(task.start);
      r->own_cancel = std::move(task.cancel);
      if (r->start) r->start = &r->own_start;
    }
    r->own = std::move(task.run);
    r->body = &r->own;
  });
}

void Core::push(std::span<const BorrowedUse> uses, TaskBody body, const Traits& traits) {
  check(bool(body), "[engine] task {} has no body", traits.name);
  check_uses(uses, traits.name);
  launch(
      {traits, &body}, [&](RunningTask* r) { order_requests(r, uses); },
      [&](RunningTask* r) {
        r->own = std::move(body);
        r->body = &r->own;
      });
}

void Core::push(const TaskRef& task) {
  check(task != nullptr, "[engine] push was given no task");
  const Task& t = task->task;
  const Traits traits = traits_of(t);
  const Order order{traits, &t.run, t.start ? &t.start : nullptr, t.cancel.get()};
  launch(
      order, [&](RunningTask* r) { set_requests(r, t.uses); },
      [&](RunningTask* r) {
        r->shared = task;
        r->rich = true;
      });
}

}  // namespace heddle::engine
