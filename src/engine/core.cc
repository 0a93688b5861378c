// Pushing tasks, and where they run.
#include "engine/core.h"

#include <algorithm>
#include <array>
#include <mutex>

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
  {
    const Critical in(this_slot());
    std::lock_guard lock(groups_lock_);
    for (const auto& g : groups_)
      if (g->device == device && g->lane == lane) return g.get();
  }
  return add_group(device, lane);
}

Group* Core::add_group(Device device, Lane lane) {
  // On an asynchronous device one worker feeds a lane, so that its stream has one order.
  const bool host = device.kind == Device::kCpu;
  const int width = !host ? 1 : lane == Lane::kCompute ? width_ : kTransferWorkers;
  auto made = std::make_unique<Group>(device, lane, width);  // may load a driver: without the lock
  const Critical in(this_slot());
  std::lock_guard lock(groups_lock_);
  for (const auto& g : groups_)
    if (g->device == device && g->lane == lane) return g.get();
  groups_.push_back(std::move(made));
  return groups_.back().get();
}

// --- pushing ------------------------------------------------------------------------------------

TaskRef Core::prepare(Task task) { return std::make_shared<const Prepared>(std::move(task)); }

void Core::fill_in(Running* r, const Task& t, Group* group) {
  r->kind = Kind::kTask;
  r->engine = this;
  r->group = group;
  r->task = &t;
  r->priority = t.priority;
  r->name = t.name;
  r->place = t.place.file ? t.place : current_place();
  r->outer = nullptr;
  r->bytes = t.bytes;
  r->stage.store(Stage::kWaiting, std::memory_order_relaxed);
  r->set_count(static_cast<int>(t.uses.size()));
  for (int i = 0; i < r->count; ++i) {
    r->requests[i].owner = r;
    r->requests[i].var = t.uses[i].var.state();
    r->requests[i].access = t.uses[i].access;
  }
}

// Queues a record on all its variables at once: their locks are all held before the first request
// is placed, and taken in the order of addresses. So pushes have one total order that every
// variable agrees with. True when the record may run. `missing(n)` is called before others can see
// it.
template <class Missing>
bool submit(Running* r, const Missing& missing) {
  Request* const begin = r->requests;
  Request* const end = begin + r->count;
  int waits = 0;
  for (Request* q = begin; q != end; ++q) q->var->lock.lock();
  for (Request* q = begin; q != end; ++q) {
    VarState& v = *q->var;
    if (q->writes()) v.count_write();
    q->order = v.requests++;
    if (v.idle_for(q->access)) v.hold(*q);
    else v.enqueue(*q), ++waits;
  }
  r->missing.store(waits, std::memory_order_relaxed);
  missing(waits);
  for (Request* q = begin; q != end; ++q) q->var->lock.unlock();
  return waits == 0;
}

// If it is ready, may it run on the thread that pushes it? Then it is over when the push returns.
bool Core::may_run_here(const Task& t, const Group* group) const {
  if (!t.run || events_seen_.load(std::memory_order_relaxed)) return false;
  return runs_where_pushed() || (t.small && group == compute_);
}

// `keep(r)` makes the record own the task, or share it: needed unless it is over when the push is.
template <class Keep>
void Core::launch(const Task& t, const Keep& keep) {
  Slot& slot = this_slot();
  Group* const group = group_of(t.device, t.lane);
  if (!slot.current) cap_.admit_task(slot, tally_);
  cap_.admit_bytes(t.bytes, !slot.current);
  const int before = slot.state.load(std::memory_order_relaxed);
  const bool may_be_here = may_run_here(t, group);
  Running* r;
  bool here = false;
  {
    Critical in(slot);
    r = take_record(slot);
    fill_in(r, t, group);
    if (profile::on()) [[unlikely]]
      profile::pushed(slot, r);
    const bool ready = submit(r, [&](int missing) {
      here = missing == 0 && may_be_here;
      r->counted = !here;
      if (here) return;
      keep(r);
      tally_.pushed(slot);
    });
    if (here) {
      r->stage.store(Stage::kStarted, std::memory_order_relaxed);
      in.leave_to(Slot::kBody);
    } else if (ready) {
      dispatch(slot, r);
    }
  }
  if (here) {
    execute(slot, r, nullptr);
    if (!slot.later) slot.state.store(before, std::memory_order_release);
  }
  run_later(slot, before);
}

void Core::push(Task task) {
  Prepared::order_uses(task);
  launch(task, [&](Running* r) {
    r->own.task = std::move(task);
    r->task = &r->own.task;
  });
}

void Core::push(const TaskRef& task) {
  check(task != nullptr, "[engine] push was given no task");
  launch(task->task, [&](Running* r) { r->shared = task; });
}

}  // namespace heddle::engine
