// Counting what is on its way, and holding back who runs too far ahead.
#include "engine/workers/cap.h"

#include <cstdio>

#include "engine/parts/spin_lock.h"
#include "engine/profiler/profile.h"

namespace heddle::engine {

void Tally::tell(Slot& slot) {
  // Of two threads that count the last two tasks at once, one must see both.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  const int64_t left = on_their_way();
  if (left == 0) ring(slot, all_done_);
  if (left <= limit_.load(std::memory_order_seq_cst)) ring(slot, few_enough_);
}

// All of `done` is read before any of `pushed`. Both only grow, so the difference is never below
// what was on its way in between; when it is zero, nothing was.
int64_t Tally::on_their_way() const {
  int64_t done = 0, pushed = 0;
  for (const Shard& s : shards_) done += s.done.load(std::memory_order_seq_cst);
  for (const Shard& s : shards_) pushed += s.pushed.load(std::memory_order_seq_cst);
  return pushed - done;
}

bool Tally::all_done() const { return on_their_way() == 0; }

void Tally::wait_until(int64_t limit) {
  for (int i = 0; i < 200; ++i) {
    if (on_their_way() <= limit) return;
    pause();
  }
  const Asleep asleep;
  if (limit > 0) limit_.store(limit, std::memory_order_seq_cst);
  EventCount& here = limit > 0 ? few_enough_ : all_done_;
  // Makes visible what was counted before, here; that there is a sleeper, to the others.
  here.await([&] { return on_their_way() <= limit; }, Gate::make_visible);
}

void Cap::set(Engine::RunAhead cap) {
  check(cap.tasks > 0 && cap.bytes > 0,
        "[engine] found a run-ahead of {} tasks and {} bytes, expected both above 0", cap.tasks,
        cap.bytes);
  max_tasks_.store(cap.tasks);
  max_bytes_.store(cap.bytes);
}

// Below three quarters before it goes on, so that it does not wake for every task.
void Cap::wait_for_room(Tally& tally, int64_t most) {
  if (tally.on_their_way() < most) return;
  profile::Wait seen(this_slot());
  if (profile::on()) [[unlikely]]
    seen.for_room();
  tally.wait_until(most - most / 4 - 1);
}

void Cap::admit_bytes(int64_t bytes, bool may_block) {
  const int64_t most = max_bytes_.load(std::memory_order_relaxed);
  auto take = [&] {
    int64_t now = bytes_.load(std::memory_order_seq_cst);
    while (!may_block || now == 0 || now <= most - bytes)
      if (bytes_.compare_exchange_weak(now, now + bytes)) return true;
    return false;
  };
  if (take()) {
    if (bytes > most && !warned_.exchange(true))
      std::fprintf(stderr,
                   "heddle: a task of %lld bytes exceeds the %lld bytes that may be in flight "
                   "(HEDDLE_INFLIGHT_BYTES); such tasks run alone\n",
                   static_cast<long long>(bytes), static_cast<long long>(most));
    return;
  }
  profile::Wait seen(this_slot());
  if (profile::on()) [[unlikely]]
    seen.for_room();
  const Asleep asleep;
  given_back_.await(take);
}

void Cap::give_back(int64_t bytes) {
  if (bytes <= 0) return;
  bytes_.fetch_sub(bytes, std::memory_order_seq_cst);
  given_back_.notify();
}

}  // namespace heddle::engine
