// How much is on its way: the count of tasks that wait_all waits for, and the caps on run-ahead.
#pragma once
#include <atomic>
#include <cstdint>

#include "engine/parts/event_count.h"
#include "engine/workers/gate.h"
#include "heddle/engine.h"

namespace heddle::engine {

// Pushed and done, counted by each of the first threads in a line of cache of its own, and by all
// the others in one.
class Tally {
 public:
  void pushed(const Slot& slot) { count(slot, &Shard::pushed); }
  void done(Slot& slot) {
    count(slot, &Shard::done);
    // Pairs with wait_until(): either this sees the sleeper, or the sleeper sees the new count.
    if (all_done_.anyone() || few_enough_.anyone()) tell(slot);
  }
  bool all_done() const;
  int64_t on_their_way() const;
  // Sleeps until all_done(), where `limit` is 0, or until at most `limit` are on their way.
  void wait_until(int64_t limit);
  void start_over() {
    all_done_.start_over();
    few_enough_.start_over();
  }

 private:
  static constexpr int kOwn = 31;
  struct alignas(64) Shard {
    std::atomic<int64_t> pushed{0}, done{0};
  };
  void count(const Slot& slot, std::atomic<int64_t> Shard::*what) {
    const bool own = slot.index < kOwn;
    std::atomic<int64_t>& n = shards_[own ? slot.index : kOwn].*what;
    // Nobody else writes it; see wait_until() for who reads it.
    if (own && Gate::relies_on_kernel()) {
      n.store(n.load(std::memory_order_relaxed) + 1, std::memory_order_release);
      std::atomic_signal_fence(std::memory_order_seq_cst);
    } else {
      n.fetch_add(1, std::memory_order_seq_cst);
    }
  }
  Shard shards_[kOwn + 1];
  void tell(Slot& slot);
  alignas(64) EventCount all_done_;
  EventCount few_enough_;
  std::atomic<int64_t> limit_{0};  // of who last slept until they are few enough
};

// Holds back pushes from outside tasks. Bytes never exceed the cap, unless one task alone does.
class Cap {
 public:
  void set(Engine::RunAhead cap);
  // Before a push: where it comes from outside of tasks, blocks until it may be on its way.
  void admit(Slot& slot, Tally& tally, int64_t bytes) {
    // Looking costs more than pushing: a large cap may be exceeded by a few tasks.
    const int64_t most = max_tasks_.load(std::memory_order_relaxed);
    if (!slot.current && (most < 4096 || (++slot.pushes & 63) == 0)) wait_for_room(tally, most);
    if (bytes > 0) admit_bytes(bytes, !slot.current);
  }
  void give_back(int64_t bytes);
  void start_over() { given_back_.start_over(); }

 private:
  void admit_bytes(int64_t bytes, bool may_block);
  static void wait_for_room(Tally& tally, int64_t most);
  std::atomic<int64_t> max_tasks_{1 << 16}, max_bytes_{INT64_MAX};
  std::atomic<int64_t> bytes_{0};
  EventCount given_back_;
  std::atomic<bool> warned_{false};
};

}  // namespace heddle::engine
