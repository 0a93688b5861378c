// What went wrong, remembered until every thread that cares has heard of it once.
#pragma once
#include <atomic>
#include <cstdint>
#include <deque>
#include <exception>
#include <memory>
#include <string>
#include <vector>

#include "engine/parts/spin_lock.h"
#include "heddle/engine.h"

namespace heddle::engine {

// The first cause of everything that was skipped because of it.
struct Failure {
  std::exception_ptr cause;
  std::string task;  // its name
  Place place;
  uint64_t order = 0;  // earlier failures have smaller numbers
  bool cancelled = false;
  std::atomic<bool> logged{false};

  // True for the first call of each thread (see Slot::thread).
  bool first_time(uint64_t thread);
  bool heard_by(uint64_t thread);

 private:
  SpinLock lock_;
  std::vector<uint64_t> heard_;
};
using FailureRef = std::shared_ptr<Failure>;

// Where a task comes from, for messages, the trace and the picture.
struct Origin {
  const char* name = "";
  Place place = {};
  Lane lane = Lane::kCompute;
};

// A new cause. From inside a catch block, `cause` may be another task's failure, met in a nested
// wait: then that one is the first cause, and is returned.
FailureRef make_failure(std::exception_ptr cause, const Origin& of);
FailureRef make_cancelled(const Origin& of);

// Of two, the earlier.
inline const FailureRef& first_of(const FailureRef& a, const FailureRef& b) {
  return !b || (a && a->order <= b->order) ? a : b;
}

// Throws TaskError. `more`: how many other failures there are.
[[noreturn]] void raise(const FailureRef& failure, int more = 0);

// The failures that wait_all reports, oldest first. Remembers the last kKept.
class FailureLog {
 public:
  void add(FailureRef failure);
  // The first one that `thread` has not heard of, and how many more there are.
  FailureRef next_for(uint64_t thread, int* more);

 private:
  static constexpr size_t kKept = 1024;
  SpinLock lock_;
  std::deque<FailureRef> kept_;
};

}  // namespace heddle::engine
