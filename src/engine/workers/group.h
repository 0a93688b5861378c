// Workers of one device and lane, and the queue of ready tasks they take from.
#pragma once
#include <atomic>
#include <list>
#include <memory>
#include <thread>
#include <vector>

#include "engine/parts/event_count.h"
#include "engine/task/running.h"

namespace heddle::engine {

class Core;

// Ready tasks: larger priorities first, equal ones in order. Priority 0, the usual one, is a list.
class ReadyQueue {
 public:
  void add(Job* r);
  Job* take();
  const Job* front() const { return other_is_next() ? others_.front().record : usual_.first; }
  void fetch_front() const;  // the next one; neither when empty
  bool empty() const { return usual_.empty() && others_.empty(); }
  int top() const;  // the priority of the next one; not when empty

 private:
  struct Ranked {
    int priority;
    uint64_t order;
    Job* record;
    bool operator<(const Ranked& o) const {
      return priority != o.priority ? priority < o.priority : order > o.order;
    }
  };
  bool other_is_next() const {
    return !others_.empty() && (others_.front().priority > 0 || usual_.empty());
  }
  JobList usual_;
  Kind first_kind_ = Kind::kTask;  // of the first of them
  std::vector<Ranked> others_;     // a heap
  uint64_t added_ = 0;
};

// Threads of the program that sleep until tasks are done: they leave their processor to workers.
extern constinit std::atomic<int> asleep_outside;

class Group {
 public:
  Group(Device device, Lane lane, int width);
  ~Group() { stop(); }
  Group(const Group&) = delete;
  Group& operator=(const Group&) = delete;

  const Device device;
  const Lane lane;
  Stream* stream() const { return stream_.get(); }
  void check_stream() const;  // throws what kept the stream from being made

  // In a critical section. Takes all of the list; wakes or starts workers where that helps. Takes
  // nothing, and returns false, once the group has stopped.
  bool add(JobList& list);
  // Is a task of this priority as good as any that waits here?
  bool is_next(int priority) const { return priority >= top_.load(std::memory_order_relaxed); }
  // A thread that would sleep takes the place of a worker that has nothing to do: a ready task, or
  // only that one, if it is next. Null if there is none, or enough workers are busy. The place is
  // to be given back with what `loan` was set to. In a critical section.
  Job* lend(const Job* only, int* loan);
  void end_loan(int loan);
  bool has_ready() const { return waiting_.load(std::memory_order_relaxed) > 0; }
  // A worker of this group sleeps inside its task: another one stands in.
  void fall_asleep();
  void wake_up();

  int workers() const { return alive_.load(std::memory_order_relaxed); }
  bool idle(bool but_for_me) const;  // `but_for_me`: the caller is one of its workers
  void stop();                       // waits for the workers, but for the one that calls it
  void start_over();                 // in the child of a fork

 private:
  void work();
  Job* take(bool was_busy);
  Job* take_next();
  bool spin_then_sleep(Slot& slot);
  bool can_take() const { return !ready_.empty() && busy_ < width_; }
  // Holds lock_ while there may come to be tasks or room for them; then sees to it that a ready
  // task finds a worker.
  class Change {
   public:
    explicit Change(Group& g) : group_(g) { g.lock_.lock(); }
    ~Change();
    Change(const Change&) = delete;
    Change& operator=(const Change&) = delete;

   private:
    Group& group_;
  };
  void spawn();
  void note_queue();

  const int width_;
  const int processors_;
  std::unique_ptr<Stream> stream_;
  std::exception_ptr stream_error_;

  // In one line of cache what is written by every add() and take().
  alignas(64) mutable SpinLock lock_;
  int queued_ = 0;
  int busy_ = 0;  // workers that run a task and do not sleep in it
  int spinning_ = 0;
  int sleeping_ = 0;  // not counting those that a token wakes
  int tokens_ = 0;
  int asleep_in_task_ = 0;
  std::atomic<int> waiting_{0};      // queued_, for those who spin
  std::atomic<int> top_{INT32_MIN};  // the best priority queued
  ReadyQueue ready_;

  alignas(64) int being_made_ = 0;  // workers not yet in threads_
  bool stopping_ = false;
  int forks_ = 0;
  std::vector<std::thread> threads_;
  std::atomic<int> alive_{0};
  EventCount bell_;  // of workers; what they look at is guarded by lock_
};

}  // namespace heddle::engine
