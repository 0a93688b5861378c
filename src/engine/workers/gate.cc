// The gate at which fork() holds the engine's threads, and the slots they are seen by.
#include "engine/workers/gate.h"

#include <thread>

#include "engine/parts/spin_lock.h"
#include "engine/parts/system.h"

namespace heddle::engine {

// All of these live as long as the process: threads may end after main() has.
constinit std::atomic<int> Gate::closed_{0};
constinit EventCount Gate::opened_;
bool Gate::relies_on_kernel_ = false;

void Gate::set_up() { relies_on_kernel_ = system::set_up_barriers(); }
void Gate::make_visible() {
  if (relies_on_kernel_) system::barrier_on_all_threads();
}

namespace detail {

constinit thread_local Slot* my_slot = nullptr;
constinit std::atomic<void* (*)()> sleep_begins{nullptr};
constinit std::atomic<void (*)(void*)> sleep_ends{nullptr};
constinit std::atomic<Slot*> all{nullptr};
constinit std::atomic<uint64_t> threads_seen{0};
constinit std::atomic<int> slots_made{0};
constinit std::atomic<Slot*> drainer{nullptr};

// Gives the slot back when its thread ends.
struct Lease {
  Slot* slot = nullptr;
  ~Lease() {
    // exit() inside a task destroys this too, but the thread goes on, and is still in its task.
    if (!slot || slot->group || slot->current) return;
    my_slot = nullptr;
    slot->taken.store(false, std::memory_order_release);
  }
};

Slot* free_slot() {
  for (Slot* s = all.load(std::memory_order_acquire); s; s = s->next) {
    bool taken = false;
    if (!s->taken.load(std::memory_order_relaxed) &&
        s->taken.compare_exchange_strong(taken, true, std::memory_order_acquire))
      return s;
  }
  auto* const s = new Slot;
  s->taken.store(true);
  s->index = slots_made.fetch_add(1);
  s->next = all.load();
  while (!all.compare_exchange_weak(s->next, s)) {
  }
  return s;
}

Slot& take_slot() {
  thread_local Lease lease;
  Slot* const s = free_slot();
  s->thread = threads_seen.fetch_add(1) + 1;
  my_slot = s;
  // A thread that comes back while its thread-locals are destroyed keeps the slot for good.
  lease.slot = s;
  return *s;
}

template <class Busy>
void wait_for_others(const Busy& busy) {
  const Slot* const mine = &this_slot();
  for (Slot* s = all.load(std::memory_order_seq_cst); s; s = s->next) {
    if (s == mine) continue;
    for (int i = 0; busy(s->state.load(std::memory_order_seq_cst)); ++i) {
      if (i < 100) pause();
      else std::this_thread::yield();
    }
  }
}

}  // namespace detail

Asleep::Asleep() : held_(nullptr) {
  if (auto* const leave = detail::sleep_begins.load(std::memory_order_acquire)) held_ = leave();
}

Asleep::~Asleep() {
  if (auto* const enter = detail::sleep_ends.load(std::memory_order_acquire)) enter(held_);
}

Slot* Gate::all_slots() { return detail::all.load(std::memory_order_acquire); }

bool Gate::drained_by_me() {
  return detail::drainer.load(std::memory_order_relaxed) == &this_slot();
}

void Gate::drain() {
  Slot& mine = this_slot();
  // While another thread forks, this one counts as being outside, whatever it was doing.
  const int before = mine.state.exchange(Slot::kOutside);
  for (Slot* none = nullptr; !detail::drainer.compare_exchange_strong(none, &mine); none = nullptr)
    wait_until_open();
  mine.state.store(before);
  closed_.fetch_or(1, std::memory_order_seq_cst);
  make_visible();
  detail::wait_for_others([](int state) { return state != Slot::kOutside; });
}

void Gate::reopen() {
  closed_.fetch_and(~1, std::memory_order_seq_cst);
  detail::drainer.store(nullptr);
  opened_.notify();
}

void Gate::shut() {
  closed_.fetch_add(2, std::memory_order_seq_cst);
  make_visible();
  detail::wait_for_others([](int state) { return (state & Slot::kCritical) != 0; });
}

void Gate::unshut() {
  closed_.fetch_sub(2, std::memory_order_seq_cst);
  opened_.notify();
}

void Gate::start_over() {
  set_up();
  Slot* const mine = &this_slot();
  for (Slot* s = all_slots(); s; s = s->next) {
    if (s == mine) continue;
    s->state.store(Slot::kOutside);
    s->current = nullptr;
    s->later = s->kept = {};
    s->kept_count = s->bell_count = 0;
    s->rings_later = false;
    s->group = nullptr;
    s->taken.store(false);
  }
  detail::drainer.store(nullptr);
  closed_.store(0);
  opened_.start_over();
}

void Gate::wait_until_open() {
  const int c = closed_.load(std::memory_order_seq_cst);
  if (c == 0) return std::this_thread::yield();
  const Asleep asleep;  // the forking thread may need the interpreter's lock to go on
  opened_.await([c] { return closed_.load(std::memory_order_seq_cst) != c; });
}

}  // namespace heddle::engine
