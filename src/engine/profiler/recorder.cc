// Chunks of events: taken, filled, emptied, read.
#include "engine/profiler/recorder.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <memory>

#include "device/system.h"
#include "engine/parts/system.h"
#include "engine/profiler/profile.h"

namespace heddle::engine::profile {

constinit std::atomic<uint32_t> watched{0};

namespace recorder {

constinit std::atomic<uint32_t> generation{1}, recording{0};
constinit std::atomic<int64_t> lost{0};  // events for which there was no memory

// Never destroyed: threads may record while the process exits. Guarded by its lock.
struct Store {
  std::mutex lock;
  Chunk* oldest = nullptr;  // chunks that are full; linked by `next`
  Chunk* newest = nullptr;
  int64_t chunks = 0;  // full ones and those being written
  int64_t most = 0;
  int64_t dropped = 0;
  int workers = 0;
  std::map<uint32_t, std::string> threads;
  Totals gone;
  Ticks begin;
};
Store& store() {
  static Store* const s = new Store;
  return *s;
}

// The functions below are called with the store's lock held.

void note_thread(Store& s, const Slot& slot) {
  const auto number = static_cast<uint32_t>(slot.thread);
  if (s.threads.count(number)) return;
  s.threads[number] = slot.group                 ? format("heddle worker {}", s.workers)
                      : system::is_main_thread() ? "main"
                                                 : format("thread {}", number);
  if (slot.group) ++s.workers;
}

Chunk* take_oldest(Store& s) {
  Chunk* const c = s.oldest;
  s.oldest = c->next;
  if (!s.oldest) s.newest = nullptr;
  return c;
}

template <class Each>
void each_event(const Chunk& c, const Each& f) {
  const uint32_t end = c.used.load(std::memory_order_acquire);
  for (uint32_t at = 0; at < end;) {
    const auto& e = *reinterpret_cast<const Event*>(c.bytes + at);
    f(e);
    at += e.size;
  }
}

void empty(Chunk& c) {
  c.events = 0;
  c.used.store(0, std::memory_order_relaxed);
  c.next = nullptr;
}

// Another chunk for a thread whose own is full.
Chunk* new_chunk(Store& s) {
  if (s.chunks >= s.most && s.oldest) {
    Chunk* const c = s.oldest;
    const Ticks::Scale scale = s.begin.scale();
    each_event(*c, [&](const Event& e) { add_to(s.gone, e, scale); });
    take_oldest(s);
    s.dropped += c->events;
    empty(*c);
    return c;
  }
  auto* const c = new Chunk;
  ++s.chunks;
  return c;
}

// The chunk that `slot` may write to now, with room for `size` bytes. Throws when out of memory.
Chunk* refill(Slot& slot, uint32_t size) {
  Store& s = store();
  std::lock_guard lock(s.lock);
  note_thread(s, slot);
  const uint32_t now = generation.load(std::memory_order_relaxed);
  Chunk* c = slot.chunk;
  if (c && c->generation != now) empty(*c);
  if (!c || c->used.load(std::memory_order_relaxed) + size > Chunk::kBytes) {
    Chunk* const fresh = new_chunk(s);
    if (c) {
      (s.newest ? s.newest->next : s.oldest) = c;
      s.newest = c;
    }
    c = slot.chunk = fresh;
  }
  c->generation = now;
  c->thread = static_cast<uint32_t>(slot.thread);
  return c;
}

void forget_all(Store& s) {
  generation.fetch_add(1, std::memory_order_relaxed);
  while (s.oldest) {
    delete take_oldest(s);
    --s.chunks;
  }
  s.threads.clear();
  s.gone.clear();
  s.dropped = 0;
  lost.store(0, std::memory_order_relaxed);
  s.workers = 0;
}

void fork_begins() { store().lock.lock(); }
void fork_ended() { store().lock.unlock(); }
void fork_ended_in_child() {
  watched.fetch_and(kReports);
  forget_all(store());
  store().lock.unlock();
}

}  // namespace recorder

using recorder::Store;
using recorder::store;

void set_up() {
  static std::once_flag once;
  std::call_once(once, heddle::system::at_fork, recorder::fork_begins, recorder::fork_ended,
                 recorder::fork_ended_in_child);
}

std::mutex& recorder_lock() { return store().lock; }
Ticks::Scale scale() { return store().begin.scale(); }
uint32_t recording() { return recorder::recording.load(std::memory_order_relaxed); }
void watch(uint32_t bits) {
  set_up();
  if (bits & kOwn) recorder::recording.fetch_add(1);
  watched.fetch_or(bits);
}
void unwatch(uint32_t bits) { watched.fetch_and(~bits); }

// --- writing ------------------------------------------------------------------------------------

Writer::Writer(Slot& slot, What what, std::string_view name, std::string_view category,
               size_t words) {
  constexpr size_t kLongest = 255;
  name = name.substr(0, kLongest);
  category = category.substr(0, kLongest);
  const size_t tail = words * sizeof(uint64_t) + name.size() + category.size();
  const auto size = static_cast<uint32_t>((sizeof(Event) + tail + 7) / 8 * 8);
  chunk_ = slot.chunk;
  if (!chunk_ || chunk_->generation != recorder::generation.load(std::memory_order_relaxed) ||
      chunk_->thread != static_cast<uint32_t>(slot.thread) ||
      chunk_->used.load(std::memory_order_relaxed) + size > Chunk::kBytes) {
    try {
      chunk_ = recorder::refill(slot, size);
    } catch (const std::bad_alloc&) {
      recorder::lost.fetch_add(1, std::memory_order_relaxed);
      return;
    }
  }
  event_ = new (chunk_->bytes + chunk_->used.load(std::memory_order_relaxed)) Event{};
  event_->size = size;
  event_->what = what;
  event_->words = static_cast<uint16_t>(words);
  event_->name = static_cast<uint16_t>(name.size());
  event_->category = static_cast<uint16_t>(category.size());
  event_->thread = static_cast<uint32_t>(slot.thread);
  char* const text = const_cast<char*>(event_->text());
  name.copy(text, name.size());
  category.copy(text + name.size(), category.size());
}

void Writer::publish() {
  ++chunk_->events;
  chunk_->used.store(chunk_->used.load(std::memory_order_relaxed) + event_->size,
                     std::memory_order_release);
}

// --- reading ------------------------------------------------------------------------------------

void add_to(Totals& totals, const Event& e, const Ticks::Scale& scale) {
  if (e.what == What::kDone || e.what == What::kMark) return;
  const bool counter = e.what == What::kCounter;
  const double value = counter ? std::bit_cast<double>(e.word()[0])
                               : static_cast<double>(scale(e.end) - scale(e.begin)) * 1e-6;
  Names names = e.what == What::kTask   ? Names{task_category(e), e.name_view()}
                : e.what == What::kWait ? Names{"wait", reinterpret_cast<const char*>(e.word()[0])}
                                        : Names{e.category_view(), e.name_view()};
  profiler::Total& t = totals[names];
  if (t.count == 0) {
    t = {names.first, names.second, counter, 0, 0, value, value};
  }
  ++t.count;
  t.total += value;
  t.least = std::min(t.least, value);
  t.most = std::max(t.most, value);
}

Snapshot snapshot(bool with_events) {
  Snapshot all;
  Store& s = store();
  std::lock_guard lock(s.lock);
  all.scale = s.begin.scale();
  all.threads = s.threads;
  all.gone = s.gone;
  all.dropped = s.dropped + recorder::lost.load(std::memory_order_relaxed);
  if (!with_events) return all;
  auto copy = [&](const Chunk& c) {
    const uint32_t used = c.used.load(std::memory_order_acquire);
    std::vector<uint64_t> words(used / sizeof(uint64_t));
    std::memcpy(words.data(), c.bytes, used);
    all.chunks.push_back(std::move(words));
  };
  for (const Chunk* c = s.oldest; c; c = c->next) copy(*c);
  const uint32_t now = recorder::generation.load(std::memory_order_relaxed);
  for (const Slot* slot = Gate::all_slots(); slot; slot = slot->next)
    if (slot->chunk && slot->chunk->generation == now) copy(*slot->chunk);
  return all;
}

}  // namespace heddle::engine::profile

namespace heddle::profiler {

namespace profile = engine::profile;

void start(const Options& options) {
  check(options.bytes > 0, "[profiler] found {} bytes, expected more than 0", options.bytes);
  stop();
  {
    profile::Store& s = profile::store();
    std::lock_guard lock(s.lock);
    s.most = std::max<int64_t>(1, options.bytes / int64_t{sizeof(profile::Chunk)});
  }
  profile::watch(profile::kOwn | (options.eager ? +profile::kEager : 0u) |
                 (options.graph ? +profile::kGraph : 0u) |
                 (options.waits ? +profile::kBlocking : 0u));
}

void stop() {
  profile::unwatch(profile::kEager | profile::kGraph | profile::kBlocking | profile::kOwn);
}

bool running() { return profile::watched.load(std::memory_order_relaxed) & profile::kOwn; }

void clear() {
  profile::Store& s = profile::store();
  std::lock_guard lock(s.lock);
  profile::recorder::forget_all(s);
}

int64_t dropped() { return profile::snapshot(false).dropped; }

std::vector<Total> totals() {
  profile::Snapshot all = profile::snapshot(true);
  all.each([&](const profile::Event& e) { add_to(all.gone, e, all.scale); });
  std::vector<Total> list;
  for (auto& [names, total] : all.gone) list.push_back(std::move(total));
  return list;
}

}  // namespace heddle::profiler
