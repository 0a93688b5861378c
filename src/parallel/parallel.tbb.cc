// Splitting work on oneTBB: one arena for the process, entered by at most as many threads as it has
// slots.
#include "heddle/parallel.h"

#include <tbb/blocked_range.h>
#include <tbb/global_control.h>
#include <tbb/parallel_for.h>
#include <tbb/partitioner.h>
#include <tbb/task_arena.h>
#include <tbb/task_scheduler_observer.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>

#include "device/scratch.h"
#include "device/system.h"
#include "parallel/in_order.h"

namespace heddle {
namespace parallel {

// oneTBB's own threads, which help with loops. Where one has been called and does not come, it may
// be waiting for the very processor whose work it should share: then it is moved. With more
// processors than kMost it will have found an idle one.
class Helpers : public tbb::task_scheduler_observer {
 public:
  explicit Helpers(tbb::task_arena& arena) : task_scheduler_observer(arena) { observe(true); }

  // To be called now and then by who runs a loop alone, and by who helps.
  void alone() {
    using std::chrono::microseconds, std::chrono::steady_clock;
    const auto now = steady_clock::now();
    auto since = since_.load(std::memory_order_relaxed);
    if (since == steady_clock::time_point{}) return since_.store(now, std::memory_order_relaxed);
    if (now - since < microseconds(30)) return;
    // They may find no processor there either: not again soon.
    if (!since_.compare_exchange_strong(since, now + microseconds(500))) return;
    for (const std::atomic<int>& thread : threads_)
      if (const int known = thread.load(); known >= 0) system::move_from_here(known);
  }
  void helped() { since_.store({}, std::memory_order_relaxed); }

  void on_scheduler_entry(bool helper) override {
    if (!helper) return;
    const int me = system::this_thread();
    for (std::atomic<int>& thread : threads_) {
      int none = -1;
      if (thread.load() == me || thread.compare_exchange_strong(none, me)) return;
    }
  }

 private:
  static constexpr size_t kMost = 3;
  std::array<std::atomic<int>, kMost> threads_{-1, -1, -1};
  std::atomic<std::chrono::steady_clock::time_point> since_{{}};  // when a loop found no help
};

// A thread that finds all slots taken must not wait for one: the thread that holds it may be asleep
// in a task that waits for this very thread. So at most `width` threads enter at a time, counted
// here, and those that find the arena full work alone, outside. (A thread that is let in may still
// find oneTBB's own workers in the slots; they hold only pieces of loops, which end.)
struct Arena {
  explicit Arena(int w) : width(w), slots(w) {}
  const int width;
  tbb::task_arena slots;
  Helpers helpers{slots};
  std::atomic<int> inside{0};
};

// Never destroyed: threads may be inside while the process exits.
struct Current {
  std::atomic<Arena*> arena{nullptr};
  std::atomic<bool> forked{false};
  std::mutex changing;
  std::unique_ptr<tbb::global_control> more_workers;
};
Current& current() {
  static Current* const c = new Current;
  return *c;
}

// Where this thread is: inside an arena, working alone, or neither.
struct Where {
  const Arena* arena = nullptr;
  bool alone = false;
};
constinit thread_local Where where;

// Sets `where` until the end of the block.
class Mark {
 public:
  explicit Mark(Where now) : before_(where) { where = now; }
  ~Mark() { where = before_; }
  Mark(const Mark&) = delete;
  Mark& operator=(const Mark&) = delete;

 private:
  Where before_;
};

// oneTBB does not survive a fork: its threads are gone, and what they had locked at that moment -
// they lock to fall asleep and to wake - stays locked. The child's loops run in order, without it.
void forget_in_child() { current().forked.store(true, std::memory_order_relaxed); }
bool usable() { return !current().forked.load(std::memory_order_relaxed); }

Arena& set_width(int width) {
  std::lock_guard lock(current().changing);
  Arena* const have = current().arena.load();
  if (have && have->width == width) return *have;
  if (!have) system::at_fork(nullptr, nullptr, forget_in_child);
  // Tests may ask for more threads than there are processors.
  const size_t workers =
      tbb::global_control::active_value(tbb::global_control::max_allowed_parallelism);
  if (static_cast<size_t>(width) > workers)
    current().more_workers = std::make_unique<tbb::global_control>(
        tbb::global_control::max_allowed_parallelism, static_cast<size_t>(width));
  auto* const made = new Arena(width);  // the old one stays: a thread may still be leaving it
  current().arena.store(made);
  return *made;
}

Arena& arena() {
  const int width = threads();
  Arena* const have = current().arena.load(std::memory_order_acquire);
  return have && have->width == width ? *have : set_width(width);
}

class Permit {
 public:
  explicit Permit(Arena& a) : arena_(a), granted_(a.inside.fetch_add(1) < a.width) {}
  ~Permit() { arena_.inside.fetch_sub(1); }
  Permit(const Permit&) = delete;
  Permit& operator=(const Permit&) = delete;
  explicit operator bool() const { return granted_; }

 private:
  Arena& arena_;
  const bool granted_;
};

// Calls `body` inside the arena, or alone where that is full.
template <class Body>
void enter(Arena& a, const Body& body) {
  if (where.arena == &a || where.alone) return body();
  const Permit permit(a);
  if (!permit) {
    const Mark mark({nullptr, true});
    return body();
  }
  a.slots.execute([&] {
    const Mark mark({&a, false});
    body();
  });
}

}  // namespace parallel

void parallel_for(int64_t n, int64_t grain, parallel::Piece body) {
  using parallel::where;
  grain = std::max<int64_t>(grain, 1);
  if (n <= 0) return;
  if (n <= grain) return body(0, n);
  if (where.alone || !parallel::usable()) return parallel::run_in_order(n, grain, body);
  parallel::Arena& a = parallel::arena();
  if (a.width == 1) return parallel::run_in_order(n, grain, body);
  const int64_t pieces = (n - 1) / grain + 1;
  const auto* const caller = &where;
  ScratchRoom* const room = ScratchRoom::current();
  std::atomic<bool> helped = false;
  auto run = [&](const tbb::blocked_range<int64_t>& range) {
    const parallel::Mark mark({&a, false});
    const ScratchRoom::Share share(&where == caller ? nullptr : room);
    if (!helped.load(std::memory_order_relaxed)) {
      if (&where == caller) {
        a.helpers.alone();
      } else {
        helped.store(true, std::memory_order_relaxed);
        a.helpers.helped();
      }
    }
    for (int64_t i = range.begin(); i != range.end(); ++i) {
      const int64_t first = i * grain;
      body(first, n - first > grain ? first + grain : n);
    }
  };
  parallel::enter(a, [&] {
    if (where.alone) return parallel::run_in_order(n, grain, body);
    // Isolated: while this thread waits for the last pieces it takes no other loop's, whose end it
    // would then have to wait for too.
    tbb::this_task_arena::isolate([&] {
      tbb::parallel_for(tbb::blocked_range<int64_t>(0, pieces, 1), run, tbb::simple_partitioner());
    });
  });
}

void run_in_arena(void (*body)(void*), void* arg) {
  if (!parallel::usable()) return body(arg);
  parallel::enter(parallel::arena(), [&] { body(arg); });
}

}  // namespace heddle
