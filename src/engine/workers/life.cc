// Beginning and end: the engine of the process, forks, exit.
#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <mutex>

#include "base/settings.h"
#include "device/system.h"
#include "engine/core.h"
#include "engine/graph/graph.h"
#include "engine/parts/system.h"
#include "engine/queue/release.h"

namespace heddle::engine {

constinit std::atomic<Engine::Scope> the_scope{nullptr};

// --- all engines --------------------------------------------------------------------------------

// Never destroyed: the engine of the process is not, either.
struct Engines {
  SpinLock lock;
  std::vector<Core*> all;
};
Engines& engines() {
  static Engines* const e = new Engines;
  return *e;
}

void for_each_core(void (*each)(Core&)) {
  std::vector<Core*> all;
  {
    const Critical in(this_slot());
    std::lock_guard lock(engines().lock);
    all = engines().all;
  }
  for (Core* c : all) each(*c);
}

void start_over_in_child();

void fork_begins() {
  if (!Gate::drained_by_me()) Gate::shut();
}
void fork_ended_in_parent() {
  if (!Gate::drained_by_me()) Gate::unshut();
}
void fork_ended_in_child() {
  if (!Gate::drained_by_me()) start_over_in_child();
}

void enlist(Core* core) {
  static std::once_flag once;
  std::call_once(once, [] {
    // Order matters at exit: everything here is made before the handler is registered, and so
    // outlives it.
    Gate::set_up();
    this_slot();
    engines();
    heddle::system::at_fork(fork_begins, fork_ended_in_parent, fork_ended_in_child);
    std::atexit(Engine::finish);
  });
  const Critical in(this_slot());
  std::lock_guard lock(engines().lock);
  engines().all.push_back(core);
}

void delist(Core* core) {
  const Critical in(this_slot());
  std::lock_guard lock(engines().lock);
  std::erase(engines().all, core);
}

// --- fork ---------------------------------------------------------------------------------------

void Core::before_fork() {
  const Asleep asleep;
  Gate::drain();
}

void Core::after_fork(bool child) {
  if (child) engine::start_over_in_child();
  else Gate::reopen();
}

bool on_this_thread(const Slot& slot, const Job* r) {
  for (const Job* at = slot.current; at; at = at->outer)
    if (at == r) return true;
  return false;
}

FailureRef lost_in_fork(const Job* r) {
  return make_failure(std::make_exception_ptr(Error("lost in a fork")), origin_of(r));
}

// Tasks that a thread has taken and not ended.
std::vector<Job*> started_jobs() {
  std::vector<Job*> started;
  auto look = [&](Job* r) {
    if (r->stage.load() == Stage::kStarted) started.push_back(r);
  };
  for_each_record([&](Running* any) {
    if (any->stage.load() == Stage::kFree || as<Waiter>(any)) return;
    look(static_cast<Job*>(any));
    const auto* head = as<RunningGraph>(any);
    if (!head || !head->has_nodes()) return;
    for (size_t i = 0; i < head->run->graph.nodes.size(); ++i) look(&head->run->nodes[i]);
  });
  return started;
}

// In the child there is one thread. What others were doing is lost: it fails, so that nobody waits
// for it for ever. What this thread is doing will fail when it ends.
void start_over_in_child() {
  Slot& slot = this_slot();
  Gate::start_over();
  const std::vector<Job*> lost = started_jobs();  // before new workers take more
  for_each_core([](Core& c) { c.start_over_in_child(); });
  for (Job* r : lost) {
    if (on_this_thread(slot, r)) {
      r->failure = lost_in_fork(r);
    } else {
      r->engine->lose(slot, r);
    }
  }
  Core::run_later(slot, slot.current ? Slot::kBody : Slot::kOutside);
}

void Core::start_over_in_child() {
  for (const auto& g : groups_) g->start_over();
  tally_.start_over();
  cap_.start_over();
  watcher_.start_over();
}

// Nothing of the record is used again: the thread, or the Done, that knows it may still exist.
void Core::lose(Slot& slot, Job* r) {
  r->failure = lost_in_fork(r);
  r->stage.store(Stage::kLost);
  if (auto* node = as<RunningNode>(r)) {
    r->run->keep_out = true;
    complete_node(slot, node, nullptr);
    return;
  }
  const Ending in(slot);
  ReadyList ready;
  release_all(slot, r, r->failure, nullptr, ready);
  hand_out(slot, ready, nullptr);
  cap_.give_back(r->bytes);
  if (r->counted) tally_.done(slot);
}

// --- exit ---------------------------------------------------------------------------------------

bool Core::quiet() const {
  Slot& slot = this_slot();
  const Critical in(slot);
  std::lock_guard lock(groups_lock_);
  for (const auto& g : groups_)
    if (!g->idle(slot.group == g.get())) return false;
  return watcher_.idle();
}

void Core::stop() {
  stopped_.store(true);
  for (const auto& g : groups_) g->stop();
  watcher_.stop();
}

}  // namespace heddle::engine

namespace heddle {

using engine::Core;

// Looks twice: a task that ends between the looks at two groups may have moved work from the one
// not yet seen to the one already seen.
void finish_core(Core& core) {
  for (int calm = 0; calm < 2;) {
    calm = core.quiet() ? calm + 1 : 0;
    if (calm == 0) std::this_thread::sleep_for(std::chrono::microseconds(50));
  }
  core.stop();
}

void Engine::finish() {
  const engine::Asleep asleep;
  engine::for_each_core(finish_core);
}

std::unique_ptr<Engine> Engine::make(std::string_view kind, int workers) {
  check(workers >= 0, "[engine] found {} workers, expected 0 (as many as may run) or more",
        workers);
  const Core::Style style = kind == "naive"      ? Core::Style::kNaive
                            : kind == "threaded" ? Core::Style::kThreaded
                            : kind == "per_device"
                                ? Core::Style::kPerDevice
                                : throw Error(format("[engine] found '{}', expected naive, "
                                                     "threaded or per_device",
                                                     kind));
  return std::make_unique<Core>(style, workers);
}

Engine& Engine::get() {
  static Engine* const the = [] {
    std::unique_ptr<Engine> made = make(setting("HEDDLE_ENGINE"));
    const int64_t bytes = setting_int("HEDDLE_INFLIGHT_BYTES");
    made->set_run_ahead({.bytes = bytes > 0 ? bytes : heddle::system::usable_bytes() / 2});
    return made.release();  // never destroyed: stopped at exit, see Engine::finish
  }();
  return *the;
}

void Engine::set_scope(Scope scope) { engine::the_scope.store(scope, std::memory_order_release); }

void Engine::set_sleep_hooks(void* (*leave)(), void (*enter)(void*)) {
  engine::detail::sleep_begins.store(leave, std::memory_order_release);
  engine::detail::sleep_ends.store(enter, std::memory_order_release);
}

Place& current_place() {
  static constinit thread_local Place place;
  return place;
}

Done::~Done() {
  if (task_)
    Core::finish_start(static_cast<engine::Job*>(task_),
                       std::make_exception_ptr(Error("its Done was dropped uncalled")), {});
}

void Done::operator()(std::exception_ptr error, EventRef event) {
  if (engine::Running* const task = std::exchange(task_, nullptr))
    Core::finish_start(static_cast<engine::Job*>(task), std::move(error), std::move(event));
}

}  // namespace heddle
