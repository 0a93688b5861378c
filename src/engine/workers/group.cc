// Workers: when they start, spin, sleep and stop.
#include "engine/workers/group.h"

#include <algorithm>
#include <chrono>
#include <mutex>

#include "engine/core.h"
#include "engine/parts/system.h"

namespace heddle::engine {

void ReadyQueue::add(Job* r) {
  if (r->priority == 0) {
    (usual_.empty() ? first_kind_ : usual_.last->next_kind) = r->kind;
    return usual_.add(r);
  }
  others_.push_back({r->priority, added_++, r});
  std::push_heap(others_.begin(), others_.end());
}

Job* ReadyQueue::take() {
  if (other_is_next()) {
    std::pop_heap(others_.begin(), others_.end());
    Job* const r = others_.back().record;
    others_.pop_back();
    return r;
  }
  Job* const r = usual_.take();
  first_kind_ = r->next_kind;
  return r;
}

void ReadyQueue::fetch_front() const {
  if (other_is_next()) fetch(others_.front().record, Kind::kNode);  // at least what nodes need
  else fetch(usual_.first, first_kind_);
}

int ReadyQueue::top() const {
  if (others_.empty()) return 0;
  return !usual_.empty() ? std::max(0, others_.front().priority) : others_.front().priority;
}

constinit std::atomic<int> asleep_outside{0};

Group::Group(Device d, Lane l, int width)
    : device(d), lane(l), width_(width), processors_(threads()) {
  if (d.kind == Device::kCpu || d.kind == Device::kPinned) return;
  try {
    stream_ = device_api(d).make_stream(d);
  } catch (...) {
    stream_error_ = std::current_exception();  // the tasks of this group will fail with it
  }
}

void Group::check_stream() const {
  if (stream_error_) std::rethrow_exception(stream_error_);
}

void Group::note_queue() {
  waiting_.store(queued_, std::memory_order_relaxed);
  top_.store(queued_ ? ready_.top() : INT32_MIN, std::memory_order_relaxed);
}

Group::Change::~Change() {
  Group& g = group_;
  int wake = 0, spawn = 0;
  while (!g.stopping_ && g.queued_ > g.spinning_ + g.tokens_ &&
         g.busy_ + g.spinning_ + g.tokens_ < g.width_) {
    if (g.sleeping_ > 0) {
      --g.sleeping_;
      ++g.tokens_;
      ++wake;
    } else if (g.alive_.load(std::memory_order_relaxed) - g.asleep_in_task_ < g.width_) {
      g.alive_.fetch_add(1, std::memory_order_relaxed);
      ++g.spinning_;  // a new worker begins as one that looks for work
      ++g.being_made_;
      ++spawn;
    } else {
      break;
    }
  }
  g.lock_.unlock();
  if (wake > 0) g.bell_.notify(wake);
  for (; spawn > 0; --spawn) g.spawn();
}

bool Group::add(JobList& list) {
  const Change change(*this);
  if (stopping_) return false;
  while (Job* const r = list.take()) {
    ready_.add(r);
    ++queued_;
  }
  note_queue();
  return true;
}

// With lock_ held, when can_take().
Job* Group::take_next() {
  Job* const r = ready_.take();
  if (!ready_.empty()) ready_.fetch_front();
  fetch(r, r->kind);
  --queued_;
  ++busy_;
  note_queue();
  r->stage.store(Stage::kStarted, std::memory_order_relaxed);
  return r;
}

Job* Group::take(bool was_busy) {
  std::lock_guard lock(lock_);
  if (was_busy) --busy_;
  return can_take() ? take_next() : nullptr;
}

Job* Group::lend(const Job* only, int* loan) {
  std::lock_guard lock(lock_);
  if (!can_take() || (only && ready_.front() != only)) return nullptr;
  *loan = forks_;
  return take_next();
}

void Group::end_loan(int loan) {
  const Change change(*this);
  if (loan == forks_) --busy_;  // a fork in between has forgotten it
}

void Group::fall_asleep() {
  const Change change(*this);
  --busy_;
  ++asleep_in_task_;
}

void Group::wake_up() {
  std::lock_guard lock(lock_);
  ++busy_;  // perhaps beyond width_: then a stand-in goes to sleep after its task
  --asleep_in_task_;
}

void Group::spawn() {
  try {
    std::thread made = system::start_thread([this] { work(); });
    std::lock_guard lock(lock_);
    threads_.push_back(std::move(made));
    --being_made_;
  } catch (const std::exception&) {
    // The machine gives no more threads: those that live go on; with none, the task waits for the
    // next push to try again.
    std::lock_guard lock(lock_);
    alive_.fetch_sub(1, std::memory_order_relaxed);
    --spinning_;
    --being_made_;
  }
}

void Group::work() {
  Slot& slot = this_slot();
  bool busy = false;
  bool fresh = true;
  int forks = 0;
  for (;;) {
    Job* r = nullptr;
    {
      Critical in(slot);
      if (fresh) {
        std::lock_guard lock(lock_);
        --spinning_;
        forks = forks_;
        fresh = false;
      }
      if (forks != forks_) {  // this thread forked inside a task, and this is the child
        forks = forks_;
        busy = false;
        alive_.fetch_add(1, std::memory_order_relaxed);
      }
      r = take(busy);
      busy = r != nullptr;
      if (r) in.leave_to(Slot::kBody);
    }
    if (r) {
      Core::run_chain(r, this);
      slot.state.store(Slot::kOutside, std::memory_order_release);
    } else if (!spin_then_sleep(slot)) {
      return;
    }
  }
}

// False when the worker should end.
bool Group::spin_then_sleep(Slot& slot) {
  constexpr auto kSpin = std::chrono::microseconds(20);  // waking a thread costs about ten
  // A thread that only looks for work is one too many where tasks split their work themselves, as
  // they may in a scope, and where it takes a processor from who pushes or runs tasks.
  bool quietly = the_scope.load(std::memory_order_relaxed) == nullptr;
  {
    const Critical in(slot);
    std::lock_guard lock(lock_);
    if (can_take()) return true;
    ++spinning_;
    const int pushing = asleep_outside.load(std::memory_order_relaxed) > 0 ? 0 : 1;
    if (busy_ + spinning_ + pushing > processors_) quietly = false;
  }
  const auto until = std::chrono::steady_clock::now() + (quietly ? kSpin : kSpin.zero());
  while (waiting_.load(std::memory_order_relaxed) == 0) {
    for (int i = 0; i < 4; ++i) pause();
    if (std::chrono::steady_clock::now() >= until) break;
  }
  {
    const Critical in(slot);
    std::lock_guard lock(lock_);
    --spinning_;
    if (can_take()) return true;
    ++sleeping_;
  }
  bool goes_on = false;
  bell_.await([&] {
    const Critical in(slot);
    std::lock_guard lock(lock_);
    if (tokens_ > 0) {
      --tokens_;
      goes_on = true;
    } else if (stopping_) {
      --sleeping_;
      alive_.fetch_sub(1, std::memory_order_relaxed);
    } else {
      return false;
    }
    return true;
  });
  return goes_on;
}

bool Group::idle(bool but_for_me) const {
  std::lock_guard lock(lock_);
  return queued_ == 0 && busy_ == (but_for_me ? 1 : 0);
}

void Group::stop() {
  std::vector<std::thread> threads;
  bool all_will_end;
  auto all_made = [this] {
    const Critical in(this_slot());
    std::lock_guard lock(lock_);
    stopping_ = true;  // from now on no more are asked for
    return being_made_ == 0;
  };
  while (!all_made()) std::this_thread::yield();  // another thread is about to list one
  {
    const Critical in(this_slot());
    std::lock_guard lock(lock_);
    all_will_end = asleep_in_task_ == 0;
    threads.swap(threads_);
    bell_.notify();
  }
  for (std::thread& t : threads) {
    if (all_will_end && t.get_id() != std::this_thread::get_id()) t.join();
    else t.detach();
  }
}

void Group::start_over() {
  // Handles of threads that are not here can be neither joined nor destroyed.
  if (!threads_.empty()) new std::vector<std::thread>(std::move(threads_));
  threads_.clear();
  busy_ = asleep_in_task_ = spinning_ = sleeping_ = tokens_ = being_made_ = 0;
  ++forks_;
  alive_.store(0);
  bell_.start_over();
  const Change change(*this);  // workers for what is ready
}

}  // namespace heddle::engine
