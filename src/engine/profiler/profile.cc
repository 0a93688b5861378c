// What the engine tells the profiler, on its way into the calling thread's chunk.
#include "engine/profiler/profile.h"

#include <algorithm>
#include <bit>

#include "engine/graph/graph.h"
#include "engine/profiler/recorder.h"
#include "engine/workers/group.h"

namespace heddle::engine::profile {

// --- pushing ------------------------------------------------------------------------------------

void mark_pushed(const Slot& slot, Job* r, uint32_t recording, int64_t at) {
  r->seen.recording = recording;
  r->seen.thread = static_cast<uint32_t>(slot.thread);
  r->seen.id = 0;
  r->seen.pushed = r->seen.ready = at;
}

void pushed(Slot& slot, Job* r) { mark_pushed(slot, r, recording(), Ticks::now()); }

void pushed(Slot& slot, GraphRun& run) {
  const int64_t at = Ticks::now();
  const uint32_t now = recording();
  for (size_t i = 0; i < run.graph.nodes.size(); ++i) mark_pushed(slot, &run.nodes[i], now, at);
}

void ready(Job* r) { r->seen.ready = Ticks::now(); }

void not_pushed(Job* r) { r->seen.recording = 0; }

// --- gauges -------------------------------------------------------------------------------------

struct Gauge {
  std::atomic<int64_t (*)()> read{nullptr};
  const char* category = "";
  const char* name = "";
  std::atomic<int64_t> last{INT64_MIN};
};
constexpr int kGauges = 8;
constinit Gauge gauges[kGauges];
constinit std::atomic<int> gauges_used{0};
constinit std::atomic<int64_t> next_look{0};

void count_event(Slot& slot, std::string_view category, std::string_view name, double value) {
  Writer e(slot, What::kCounter, name, category, 1);
  if (!e) return;
  e->begin = Ticks::now();
  e->word()[0] = std::bit_cast<uint64_t>(value);
  e.publish();
}

void look_at_gauges(Slot& slot, int64_t now) {
  constexpr int64_t kPause = 200'000;
  int64_t next = next_look.load(std::memory_order_relaxed);
  if (now < next || !next_look.compare_exchange_strong(next, now + kPause)) return;
  const int used = gauges_used.load(std::memory_order_acquire);
  for (int i = 0; i < used; ++i) {
    Gauge& g = gauges[i];
    const auto read = g.read.load(std::memory_order_acquire);
    if (!read) continue;
    const int64_t value = read();
    if (g.last.exchange(value, std::memory_order_relaxed) != value)
      count_event(slot, g.category, g.name, static_cast<double>(value));
  }
}

// --- running ------------------------------------------------------------------------------------

constexpr size_t kMostUses = 1000;
size_t count_uses(const Job* r) {
  size_t n = 0;
  each_use(r, [&](const VarState&, Access) { ++n; });
  return std::min(n, kMostUses);
}
void copy_uses(const Job* r, uint64_t* to, size_t n) {
  size_t i = 0;
  each_use(r, [&](const VarState& v, Access access) {
    if (i < n) to[i++] = reinterpret_cast<uintptr_t>(&v) | static_cast<uint64_t>(access);
  });
}

constinit std::atomic<uint64_t> next_id{1};

void Body::begin() {
  const uint32_t bit = as<RunningNode>(r_) ? kGraph : kEager;
  if (!(watched.load(std::memory_order_relaxed) & bit)) return;
  if (r_->start) r_->seen.id = next_id.fetch_add(1, std::memory_order_relaxed);
  begin_ = Ticks::now();
}

void Body::end() {
  const int64_t end = Ticks::now();
  const size_t uses = count_uses(r_);
  const Origin from = origin_of(r_);
  Writer e(slot_, What::kTask, from.name, {}, uses);
  if (!e) return;
  e->begin = begin_;
  e->end = end;
  e->file = from.place.file;
  e->line = from.place.line;
  e->device_kind = static_cast<int8_t>(r_->device.kind);
  e->device_id = static_cast<int16_t>(r_->device.id);
  e->lane = static_cast<uint8_t>(from.lane);
  if (as<RunningNode>(r_)) e->flags |= Event::kOfGraph;
  // Whether a task failed that Done will end is not known yet.
  if (r_->start ? bool(r_->thrown) : bool(r_->failure)) e->flags |= Event::kFailed;
  if (r_->seen.recording == recording()) {
    e->flags |= Event::kPushed;
    e->from = r_->seen.thread;
    e->pushed = r_->seen.pushed;
    e->ready = r_->seen.ready;
  }
  if (r_->start) e->id = r_->seen.id;
  copy_uses(r_, e->word(), uses);
  e.publish();
  look_at_gauges(slot_, end);
}

void done(Slot& slot, Job* r) {
  if (r->seen.id == 0 || r->seen.recording != recording()) return;
  Writer e(slot, What::kDone, {}, {}, 0);
  if (!e) return;
  e->begin = Ticks::now();
  e->id = r->seen.id;
  e.publish();
}

}  // namespace heddle::engine::profile

// --- what the program adds ----------------------------------------------------------------------

namespace heddle::profiler {

using engine::this_slot;
using engine::Ticks;
using engine::profile::What;
using engine::profile::Writer;
namespace profile = engine::profile;

int64_t now() { return running() ? Ticks::now() : 0; }

int64_t Part::now_of_graphs() {
  const uint32_t watched = profile::watched.load(std::memory_order_relaxed);
  return watched & engine::profile::kGraph ? Ticks::now() : 0;
}

void range(std::string_view category, std::string_view name, int64_t begin, Track track) {
  if (!running() || begin == 0) return;
  const int64_t end = Ticks::now();
  Writer e(this_slot(), track == Track::kOwn ? What::kOwnRange : What::kRange, name, category, 0);
  if (!e) return;
  e->begin = begin;
  e->end = end;
  e.publish();
}

void counter(std::string_view category, std::string_view name, double value) {
  if (running()) profile::count_event(this_slot(), category, name, value);
}

void mark(std::string_view category, std::string_view name, Scope scope) {
  if (!running()) return;
  Writer e(this_slot(), What::kMark, name, category, 1);
  if (!e) return;
  e->begin = e->end = Ticks::now();
  e->word()[0] = static_cast<uint64_t>(scope);
  e.publish();
}

void gauge(const char* category, const char* name, int64_t (*read)()) {
  std::lock_guard lock(profile::recorder_lock());
  const int used = profile::gauges_used.load();
  int at = 0;
  while (at < used && std::string_view(profile::gauges[at].name) != name) ++at;
  if (at == used && !read) return;
  check(at < profile::kGauges, "[profiler] found more than {} gauges", profile::kGauges);
  profile::Gauge& g = profile::gauges[at];
  if (at == used) {
    g.category = category;
    g.name = name;
    profile::gauges_used.store(at + 1, std::memory_order_release);
  }
  g.read.store(read, std::memory_order_release);
  g.last.store(INT64_MIN);
  profile::next_look.store(INT64_MIN);
}

}  // namespace heddle::profiler
