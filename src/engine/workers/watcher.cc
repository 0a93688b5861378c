// Two-stage completion: what depends on work that a device has not finished.
#include "engine/workers/watcher.h"

#include <chrono>
#include <mutex>

#include "engine/core.h"
#include "engine/graph/graph.h"
#include "engine/parts/system.h"

namespace heddle::engine {

// Collects the events `r` comes after. Work on the same stream is in order by itself; another
// stream is told to wait; the host has to wait itself.
bool Core::must_wait_for_events(Job* r) {
  if (!events_seen_.load(std::memory_order_relaxed)) [[likely]]
    return false;
  r->after.clear();
  auto look = [&](VarState& v, Access access) {
    if (!v.has_events.load(std::memory_order_acquire)) return;
    std::lock_guard lock(v.lock);
    v.collect_events(access, r->after);
  };
  each_use(r, look);
  const Stream* const stream = r->group->stream();
  if (const auto* node = as<RunningNode>(r)) {
    const PreparedGraph& graph = r->run->graph;
    look(*state_of(graph.vars[graph.self]), Access::kUpdate);
    for (int p : graph.nodes[node->index()].after)
      if (const EventRef& e = r->run->events[p]; e && !e->done())
        r->after.push_back({e, r->run->nodes[p].group->stream(), true});
  }
  std::erase_if(r->after, [&](const Pending& p) { return stream && p.stream == stream; });
  return !stream && !r->after.empty();
}

// A device that fails has nothing more to wait for; the next call to it will say why.
bool over(const EventRef& event) {
  try {
    return event->done();
  } catch (...) {
    return true;
  }
}

void Watcher::add(Job* r, bool retire) {
  bool begin = false;
  {
    std::lock_guard lock(lock_);
    watched_.push_back({r, retire});
    begin = !thread_.joinable() && !stopping_;
    if (begin) thread_ = system::start_thread([this] { watch(); });
  }
  bell_.notify();
}

bool Watcher::idle() const {
  std::lock_guard lock(lock_);
  return watched_.empty();
}

bool Watcher::look(Slot& slot) {
  Critical in(slot);
  std::lock_guard lock(lock_);
  std::erase_if(watched_, [&](const Watched& w) {
    for (const Pending& p : w.record->after)
      if (!over(p.event)) return false;
    ended_.push_back(w);
    return true;
  });
  if (!ended_.empty()) in.leave_to(Slot::kBody);
  return !ended_.empty();
}

void Watcher::pass_on_ended(Slot& slot) {
  while (!ended_.empty()) {
    const Watched w = ended_.back();
    if (auto* task = as<RunningTask>(w.record); task && w.retire) Core::drop_body(task);
    Leftovers leftovers;
    const Critical in(slot);
    ended_.pop_back();
    w.record->after.clear();
    if (w.retire) core_.retire(slot, w.record, &leftovers);
    else core_.dispatch(slot, w.record);
  }
}

void Watcher::watch() {
  Slot& slot = this_slot();
  constexpr auto kShortest = std::chrono::microseconds(5),
                 kLongest = std::chrono::microseconds(100);
  for (auto nap = kShortest;;) {
    if (look(slot)) {
      pass_on_ended(slot);
      Core::run_later(slot, Slot::kBody);
      slot.state.store(Slot::kOutside, std::memory_order_release);
      nap = kShortest;
      continue;
    }
    bool any = false;
    bell_.await([&] {
      const Critical in(slot);
      std::lock_guard lock(lock_);
      any = !watched_.empty();
      return any || stopping_;
    });
    if (!any) return;
    std::this_thread::sleep_for(nap);
    nap = std::min(nap * 2, kLongest);
  }
}

void Watcher::stop() {
  std::thread thread;
  {
    const Critical in(this_slot());
    std::lock_guard lock(lock_);
    stopping_ = true;
    thread.swap(thread_);
  }
  bell_.notify();
  if (!thread.joinable()) return;
  if (thread.get_id() == std::this_thread::get_id()) thread.detach();
  else thread.join();
}

// A device's work does not follow a fork: what the child waits for is taken as done.
void Watcher::start_over() {
  if (thread_.joinable()) new std::thread(std::move(thread_));
  bell_.start_over();
  ended_.insert(ended_.end(), watched_.begin(), watched_.end());
  watched_.clear();
  pass_on_ended(this_slot());
}

}  // namespace heddle::engine
