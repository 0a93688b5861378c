// Where the engine tells the profiler what happens: one relaxed load while nobody watches.
//
// What is told goes into the calling thread's own chunk of memory (recorder.h); heddle/profiler.h
// says what becomes of it.
#pragma once
#include <atomic>
#include <cstdint>

#include "heddle/engine.h"

namespace heddle::engine {

struct GraphRun;
struct Job;
struct Slot;
struct VarState;

namespace profile {

// What is watched, as bits.
enum : uint32_t {
  kEager = 1,     // tasks that were pushed one by one, or run at once
  kGraph = 2,     // nodes of graphs
  kBlocking = 4,  // waits, into the trace
  kReports = 8,   // waits, for trace_waits
  kOwn = 16,      // ranges, counters and marks of the program
};
extern constinit std::atomic<uint32_t> watched;
inline bool on() { return watched.load(std::memory_order_relaxed) != 0; }

// Part of a record: when it was pushed and became ready. Holds only if `recording` is the current
// one, else the push was not watched.
struct Mark {
  uint32_t recording = 0;
  uint32_t thread = 0;  // that pushed
  uint64_t id = 0;      // of an asynchronous task: joins its start to its Done
  int64_t pushed = 0, ready = 0;
};

// To be called while on(); they neither allocate nor lock, so also in critical sections.
void pushed(Slot& slot, Job* r);
void pushed(Slot& slot, GraphRun& run);  // all its nodes
void ready(Job* r);
void not_pushed(Job* r);  // but run inline

// An asynchronous task's Done was called. While on(), outside of critical sections.
void done(Slot& slot, Job* r);

// Around the body of a task, on the thread that runs it; outside of critical sections.
class Body {
 public:
  Body(Slot& slot, Job* r) : slot_(slot), r_(r) {
    if (on()) [[unlikely]]
      begin();
  }
  ~Body() {
    if (begin_) [[unlikely]]
      end();
  }
  Body(const Body&) = delete;
  Body& operator=(const Body&) = delete;

 private:
  void begin();
  void end();
  Slot& slot_;
  Job* const r_;
  int64_t begin_ = 0;
};

// A wait of the calling thread, from the moment that it is known to block until the end of the
// scope. The functions are to be called while on(), and may be in critical sections.
class Wait {
 public:
  explicit Wait(Slot& slot) : slot_(slot) {}
  ~Wait() {
    if (begin_) [[unlikely]]
      end();
  }
  Wait(const Wait&) = delete;
  Wait& operator=(const Wait&) = delete;
  void for_tasks(const VarState& v, Access access);  // its lock held, before the waiter queues
  void for_device();                                 // what was pushed is done on the host
  void for_all(int64_t tasks);
  void for_room();  // a push, at the cap on work in flight

 private:
  void end();
  Slot& slot_;
  int64_t begin_ = 0;
  int64_t tasks_;  // of a wait for all: how many; see profiler::Wait
  Place pushed_;   // where the last of them was
  char name_[64];  // of the last of them, which may be gone when the wait ends
};

}  // namespace profile
}  // namespace heddle::engine
