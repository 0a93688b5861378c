// What blocking calls wait for: told by the engine, kept for the trace and for WaitTrace.
#include <algorithm>
#include <cstdio>
#include <cstring>

#include "engine/graph/graph.h"
#include "engine/profiler/recorder.h"

namespace heddle::engine::profile {

// All that live. Never destroyed; guarded by recorder_lock().
struct WaitTraces {
  static constexpr size_t kMost = 65536;
  std::vector<profiler::WaitTrace*> all;

  static WaitTraces& get() {
    static WaitTraces* const t = new WaitTraces;
    return *t;
  }
  void add(profiler::WaitTrace* t) {
    std::lock_guard lock(recorder_lock());
    all.push_back(t);
    watch(kReports);
  }
  void remove(profiler::WaitTrace* t) {
    std::lock_guard lock(recorder_lock());
    std::erase(all, t);
    if (all.empty()) unwatch(kReports);
  }
  void tell(const profiler::Wait& wait) {
    std::lock_guard lock(recorder_lock());
    for (profiler::WaitTrace* t : all) {
      if (t->waits_.size() >= kMost) t->waits_.pop_front();
      t->waits_.push_back(wait);
    }
  }
  static std::vector<profiler::Wait> take(profiler::WaitTrace* t) {
    std::lock_guard lock(recorder_lock());
    std::vector<profiler::Wait> waits(std::make_move_iterator(t->waits_.begin()),
                                      std::make_move_iterator(t->waits_.end()));
    t->waits_.clear();
    return waits;
  }
};

constinit std::atomic<void (*)(const char**, Place*)> describer{nullptr};

const char*& current_call() {
  static constinit thread_local const char* call = nullptr;
  return call;
}

// --- whom a wait waits for ----------------------------------------------------------------------

// The last pending request that `access` must wait for. The variable's lock is held.
const Request* last_before(const VarState& v, Access access) {
  const bool all = access != Access::kRead;
  if (v.last && (all || v.last->writes())) return v.last;
  const Request* found = nullptr;
  for (const Request* q = v.first; q; q = q->next)
    if (q->writes()) found = q;
  if (found) return found;
  v.each_holder([&](const Request& q) {
    if ((all || q.writes()) && (!found || q.order > found->order)) found = &q;
  });
  return found;
}

// Of a graph that holds a variable, the last node that uses it in a way that counts.
Origin node_behind(const RunningGraph& head, const Request& q, Access access) {
  const GraphRun& run = *head.run;
  const int var = head.var_of(q);
  for (size_t i = run.graph.nodes.size(); i-- > 0;) {
    const PreparedGraph::Node& node = run.graph.nodes[i];
    const Task& t = node.prepared.task;
    for (size_t k = 0; k < node.vars.size(); ++k)
      if (node.vars[k] == var && (access != Access::kRead || t.uses[k].access != Access::kRead))
        return run.origin_of(t);
  }
  return origin_of(&head);
}

void Wait::for_tasks(const VarState& v, Access access) {
  begin_ = Ticks::now();
  tasks_ = 0;
  name_[0] = '\0';
  const Request* const q = last_before(v, access);
  if (!q) return;
  const auto* const head = as<RunningGraph>(q->owner);
  const Origin blamed =
      head ? node_behind(*head, *q, access) : origin_of(static_cast<const Job*>(q->owner));
  const size_t length = std::min(std::strlen(blamed.name), sizeof name_ - 1);
  std::memcpy(name_, blamed.name, length);
  name_[length] = '\0';
  pushed_ = blamed.place;
}

void Wait::for_device() {
  if (begin_) return;  // it already waited for tasks, and still waits for those
  begin_ = Ticks::now();
  tasks_ = 0;
  name_[0] = '\0';
}

void Wait::for_all(int64_t tasks) {
  if (tasks == 0) return;
  begin_ = Ticks::now();
  tasks_ = tasks;
  name_[0] = '\0';
}

void Wait::for_room() {
  begin_ = Ticks::now();
  tasks_ = -1;
  name_[0] = '\0';
}

// Who waits when nobody said.
const char* usual_call(int64_t tasks) {
  return tasks == 0 ? "wait" : tasks > 0 ? "wait_all" : "push";
}

void Wait::end() {
  const int64_t end = Ticks::now();
  const uint32_t watched_now = watched.load(std::memory_order_relaxed);
  const char* call = current_call() ? current_call() : usual_call(tasks_);
  Place at = current_place();
  try {
    if (auto* const describe = describer.load(std::memory_order_acquire)) describe(&call, &at);
  } catch (const std::bad_alloc&) {  // then it stays as it is known
  }
  if (watched_now & kBlocking) {
    Writer e(slot_, What::kWait, name_, {}, 4);
    if (e) {
      e->begin = begin_;
      e->end = end;
      e->file = pushed_.file;
      e->line = pushed_.line;
      e->word()[0] = reinterpret_cast<uintptr_t>(call);
      e->word()[1] = reinterpret_cast<uintptr_t>(at.file);
      e->word()[2] = static_cast<uint64_t>(at.line);
      e->word()[3] = static_cast<uint64_t>(tasks_);
      e.publish();
    }
  }
  if (!(watched_now & kReports)) return;
  const Ticks::Scale to_ns = scale();
  const double ms = static_cast<double>(to_ns(end) - to_ns(begin_)) * 1e-6;
  try {
    WaitTraces::get().tell({call, at, ms, name_, pushed_, tasks_});
  } catch (const std::bad_alloc&) {  // then this one is not told
  }
}

}  // namespace heddle::engine::profile

namespace heddle::profiler {

using engine::profile::WaitTraces;

WaitTrace::WaitTrace() { WaitTraces::get().add(this); }
WaitTrace::~WaitTrace() { WaitTraces::get().remove(this); }
std::vector<Wait> WaitTrace::take() { return WaitTraces::take(this); }

void set_describe(void (*describe)(const char** call, Place* at)) {
  engine::profile::describer.store(describe, std::memory_order_release);
}

Call::Call(const char* name) : outermost_(!engine::profile::current_call()) {
  if (outermost_) engine::profile::current_call() = name;
}
Call::~Call() {
  if (outermost_) engine::profile::current_call() = nullptr;
}

std::string Wait::text() const {
  char time[32];
  std::snprintf(time, sizeof time, ms >= 100 ? "%.0f" : ms >= 1 ? "%.1f" : "%.3f", ms);
  std::string text = format("blocked {} ms in {}()", std::string_view(time), call);
  auto place = [&](const char* word, const Place& p) {
    if (p.file) text += format("{} {}:{}", word, p.file, p.line);
  };
  place(" at", at);
  if (tasks < 0) return text + " waiting for room among the work in flight";
  if (tasks) return text + format(" waiting for {} {}", tasks, tasks == 1 ? "task" : "tasks");
  text += format(" waiting for {}", task.empty() ? "a device" : task);
  place(" pushed at", pushed);
  return text;
}

}  // namespace heddle::profiler
