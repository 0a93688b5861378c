// Watches for the ends of device work that the host waits for, so that no worker has to.
#pragma once
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#include "engine/parts/event_count.h"
#include "engine/task/running.h"

namespace heddle::engine {

class Core;

// A thread that exists only once a device has left events behind. It looks at each of them in turn,
// and sleeps when there are none.
class Watcher {
 public:
  explicit Watcher(Core& core) : core_(core) {}
  ~Watcher() { stop(); }
  // When all of r->after are done: makes `r` run, or retires it. In a critical section.
  void run_after_events(Job* r) { add(r, false); }
  void retire_after_events(Job* r) { add(r, true); }
  bool idle() const;
  void stop();
  void start_over();

 private:
  struct Watched {
    Job* record;
    bool retire;
  };
  void add(Job* r, bool retire);
  void watch();
  bool look(Slot& slot);  // true when something ended
  void pass_on_ended(Slot& slot);

  Core& core_;
  mutable SpinLock lock_;
  std::vector<Watched> watched_;
  std::vector<Watched> ended_;  // of the watching thread; on their way to run, or out
  EventCount bell_;             // of the watching thread, while there is nothing to watch
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace heddle::engine
