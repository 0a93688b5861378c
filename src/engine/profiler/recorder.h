// Where events of the profiler are kept: chunks of memory, each written by one thread.
//
// A thread writes to its own chunk (Slot::chunk) without a lock and publishes with one store. The
// lock is for taking another chunk, and for those who read: they look at what is published only.
// When all chunks that are allowed are in use, the one that was filled first is emptied.
#pragma once
#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/profiler/ticks.h"
#include "engine/workers/gate.h"
#include "heddle/profiler.h"

namespace heddle::engine::profile {

enum class What : uint8_t { kTask, kDone, kWait, kRange, kOwnRange, kCounter, kMark };

// One event as it lies in a chunk. Behind it: the words, then name and category.
struct Event {
  enum : uint8_t { kFailed = 1, kPushed = 2, kOfGraph = 4 };
  uint32_t size;  // of all of it; a multiple of 8
  What what;
  uint8_t flags;
  uint8_t lane;
  int8_t device_kind;
  uint16_t name, category;  // lengths
  uint16_t words;
  int16_t device_id;
  uint32_t thread;
  uint32_t from;  // the thread that pushed
  int32_t line;
  const char* file;  // where it was pushed
  int64_t begin, end;
  int64_t pushed, ready;  // with kPushed
  uint64_t id;            // joins a task and its Done, if not 0

  uint64_t* word() { return reinterpret_cast<uint64_t*>(this + 1); }
  const uint64_t* word() const { return reinterpret_cast<const uint64_t*>(this + 1); }
  const char* text() const { return reinterpret_cast<const char*>(word() + words); }
  std::string_view name_view() const { return {text(), name}; }
  std::string_view category_view() const { return {text() + name, category}; }
};

struct Chunk {
  static constexpr uint32_t kBytes = (1 << 16) - 64;
  Chunk* next = nullptr;    // filled later
  uint32_t thread = 0;      // that wrote last
  uint32_t generation = 0;  // what was recorded before a clear() does not count
  uint32_t events = 0;
  std::atomic<uint32_t> used{0};
  alignas(8) char bytes[kBytes];
};

// An event to be written: room for it is there, and publish() makes it visible.
class Writer {
 public:
  // Not in a critical section: may allocate. The event is empty when there is no memory.
  Writer(Slot& slot, What what, std::string_view name, std::string_view category, size_t words);
  explicit operator bool() const { return event_ != nullptr; }
  Event* operator->() { return event_; }
  void publish();

 private:
  Chunk* chunk_ = nullptr;
  Event* event_ = nullptr;
};

inline std::string_view task_category(const Event& e) {
  return e.flags & Event::kOfGraph ? "graph" : "operator";
}

using Names = std::pair<std::string, std::string>;  // category, name
using Totals = std::map<Names, profiler::Total>;
void add_to(Totals& totals, const Event& e, const Ticks::Scale& scale);

// All that was recorded, as it is at one moment.
struct Snapshot {
  std::vector<std::vector<uint64_t>> chunks;
  std::map<uint32_t, std::string> threads;  // their names
  Totals gone;                              // of the chunks that were emptied
  int64_t dropped = 0;
  Ticks::Scale scale;

  template <class Each>
  void each(const Each& f) const {
    for (const std::vector<uint64_t>& c : chunks)
      for (size_t at = 0; at < c.size();) {
        const auto& e = *reinterpret_cast<const Event*>(&c[at]);
        f(e);
        at += e.size / sizeof(uint64_t);
      }
  }
};
Snapshot snapshot(bool with_events);
Ticks::Scale scale();  // of now

// The number of the current recording: marks of earlier ones do not hold.
uint32_t recording();
void watch(uint32_t bits);
void unwatch(uint32_t bits);
// To be called before the first event; makes the child of a fork begin with nothing.
void set_up();
// Guards whatever the profiler's other files share as well.
std::mutex& recorder_lock();

}  // namespace heddle::engine::profile
