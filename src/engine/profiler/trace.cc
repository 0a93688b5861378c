// The trace: what was recorded, as trace-event JSON.
#include <bit>
#include <cmath>
#include <unordered_map>

#include "base/atomic_file.h"
#include "base/json.h"
#include "device/system.h"
#include "engine/profiler/recorder.h"

namespace heddle::engine::profile {

class Trace {
 public:
  // Into `file` as it goes, or else to be returned by write().
  explicit Trace(const Snapshot& all, AtomicFile* file = nullptr)
      : all_(all), file_(file), pid_(format("{}", heddle::system::process())) {}
  std::string write();

 private:
  // Begins an event; fields that every one has.
  void open(std::string_view phase, std::string_view name, std::string_view category,
            uint32_t thread, int64_t tick);
  void close() { out_ += "},\n"; }
  void add_time(int64_t nanoseconds);  // in microseconds, exactly
  void add_length(int64_t begin, int64_t end) {
    out_ += ",\"dur\":";
    add_time(all_.scale(end) - all_.scale(begin));
  }
  void add_place(std::string_view key, const char* file, int line);
  void add_uses(const Event& e);

  void task(const Event& e);
  void arrow(const Event& e);
  void wait(const Event& e);
  void event(const Event& e);

  void pour(size_t from);  // what there is, if it is `from` bytes or more

  const Snapshot& all_;
  AtomicFile* const file_;
  const std::string pid_;
  std::string out_;
  std::unordered_map<uint64_t, int> variables_;  // numbered in the order in which they are met
  std::unordered_map<uint64_t, const Event*> ends_;
  uint64_t next_id_ = 1;
};

void Trace::open(std::string_view phase, std::string_view name, std::string_view category,
                 uint32_t thread, int64_t tick) {
  out_ += format("{\"ph\":\"{}\",\"pid\":{},\"tid\":{},\"name\":", phase, pid_, thread);
  append_quoted(out_, name);
  if (!category.empty()) {
    out_ += ",\"cat\":";
    append_quoted(out_, category);
  }
  out_ += ",\"ts\":";
  add_time(all_.scale(tick));
}

void Trace::add_time(int64_t ns) {
  if (ns < 0) ns = 0;
  const std::string rest = format("{}", ns % 1000);
  out_ += format("{}.{}{}", ns / 1000, std::string(3 - rest.size(), '0'), rest);
}

void Trace::add_place(std::string_view key, const char* file, int line) {
  if (!file) return;
  out_ += format(",\"{}\":", key);
  append_quoted(out_, format("{}:{}", file, line));
}

void Trace::add_uses(const Event& e) {
  for (const bool written : {false, true}) {
    out_ += written ? ",\"writes\":[" : ",\"reads\":[";
    const char* separator = "";
    for (int i = 0; i < e.words; ++i) {
      const uint64_t use = e.word()[i];
      if (written != (static_cast<Access>(use & 3) != Access::kRead)) continue;
      const int next = static_cast<int>(variables_.size());
      const int number = variables_.try_emplace(use & ~uint64_t{3}, next).first->second;
      out_ += format("{}\"v{}\"", separator, number);
      separator = ",";
    }
    out_ += "]";
  }
}

std::string_view lane_name(uint8_t lane) {
  switch (static_cast<Lane>(lane)) {
    case Lane::kCompute:
      return "compute";
    case Lane::kCopyIn:
      return "copy_in";
    case Lane::kCopyOut:
      return "copy_out";
    case Lane::kIo:
      break;
  }
  return "io";
}

void Trace::task(const Event& e) {
  open("X", e.name_view(), task_category(e), e.thread, e.begin);
  add_length(e.begin, e.end);
  const Device device{static_cast<Device::Kind>(e.device_kind), e.device_id};
  const bool pushed = e.flags & Event::kPushed;
  out_ += format(",\"args\":{\"device\":\"{}\",\"lane\":\"{}\",\"kind\":\"{}\"", device,
                 lane_name(e.lane),
                 e.flags & Event::kOfGraph ? "graph"
                 : pushed                  ? "pushed"
                                           : "at once");
  if (pushed) {
    out_ += ",\"pushed_us\":";
    add_time(all_.scale(e.pushed));
    out_ += ",\"waited_us\":";  // for its variables
    add_time(all_.scale(e.ready) - all_.scale(e.pushed));
    out_ += ",\"queued_us\":";  // for a worker
    add_time(all_.scale(e.begin) - all_.scale(e.ready));
  }
  add_place("pushed_at", e.file, e.line);
  if (e.flags & Event::kFailed) out_ += ",\"failed\":true";
  add_uses(e);
  out_ += "}";
  close();
  if (pushed && e.from != e.thread) arrow(e);
  if (e.id == 0) return;
  const auto end = ends_.find(e.id);
  if (end == ends_.end()) return;  // it is still on its way
  open("b", e.name_view(), "asynchronous", e.thread, e.begin);
  out_ += format(",\"id\":{}", e.id);
  close();
  open("e", e.name_view(), "asynchronous", end->second->thread, end->second->begin);
  out_ += format(",\"id\":{}", e.id);
  close();
}

// From the push to the body. Arrows begin and end at slices, hence the slice for the push.
void Trace::arrow(const Event& e) {
  open("X", "push", "push", e.from, e.pushed);
  out_ += ",\"dur\":0.020,\"args\":{\"task\":";
  append_quoted(out_, e.name_view());
  out_ += "}";
  close();
  for (const bool at_end : {false, true}) {
    open(at_end ? "f" : "s", "push", "push", at_end ? e.thread : e.from,
         at_end ? e.begin : e.pushed);
    out_ += format(",\"id\":{}", next_id_);
    if (at_end) out_ += ",\"bp\":\"e\"";
    close();
  }
  ++next_id_;
}

void Trace::wait(const Event& e) {
  const char* const call = reinterpret_cast<const char*>(e.word()[0]);
  open("X", call, "wait", e.thread, e.begin);
  add_length(e.begin, e.end);
  out_ += ",\"args\":{\"for\":";
  append_quoted(out_, e.word()[3]
                          ? e.word()[3] == ~uint64_t{0} ? "room" : format("{} task(s)", e.word()[3])
                      : e.name_view().empty() ? "a device"
                                              : e.name_view());
  add_place("at", reinterpret_cast<const char*>(e.word()[1]), static_cast<int>(e.word()[2]));
  add_place("pushed_at", e.file, e.line);
  out_ += "}";
  close();
}

void Trace::event(const Event& e) {
  switch (e.what) {
    case What::kTask:
      return task(e);
    case What::kWait:
      return wait(e);
    case What::kDone:
      return;  // see task()
    case What::kRange:
      open("X", e.name_view(), e.category_view(), e.thread, e.begin);
      add_length(e.begin, e.end);
      return close();
    case What::kOwnRange:
      for (const bool at_end : {false, true}) {
        open(at_end ? "e" : "b", e.name_view(), e.category_view(), e.thread,
             at_end ? e.end : e.begin);
        out_ += format(",\"id\":\"range {}\"", next_id_);
        close();
      }
      ++next_id_;
      return;
    case What::kCounter:
      open("C", e.name_view(), e.category_view(), e.thread, e.begin);
      out_ += ",\"args\":{\"value\":";
      if (const double v = std::bit_cast<double>(e.word()[0]); std::isfinite(v)) append(out_, v);
      else out_ += "null";
      out_ += "}";
      return close();
    case What::kMark:
      open("i", e.name_view(), e.category_view(), e.thread, e.begin);
      out_ += format(",\"s\":\"{}\"", std::string(1, static_cast<char>(e.word()[0])));
      return close();
  }
}

void Trace::pour(size_t from) {
  if (!file_ || out_.size() < from) return;
  file_->write(out_.data(), out_.size());
  out_.clear();
}

std::string Trace::write() {
  all_.each([&](const Event& e) {
    if (e.what == What::kDone) ends_[e.id] = &e;
  });
  out_ = "{\"displayTimeUnit\":\"ms\",\"otherData\":{\"dropped\":";
  append(out_, all_.dropped);
  out_ += "},\"traceEvents\":[\n";
  for (const auto& [thread, name] : all_.threads) {
    out_ += format("{\"ph\":\"M\",\"pid\":{},\"tid\":{},\"name\":\"thread_name\",\"args\":", pid_,
                   thread);
    out_ += format("{\"name\":\"{}\"}},\n", name);
  }
  all_.each([&](const Event& e) {
    event(e);
    pour(1 << 16);
  });
  out_ += format("{\"ph\":\"M\",\"pid\":{},\"name\":\"process_name\",\"args\":{\"name\":", pid_);
  out_ += "\"heddle\"}}\n]}\n";
  pour(0);
  return std::move(out_);
}

}  // namespace heddle::engine::profile

namespace heddle::profiler {

std::string trace() {
  const engine::profile::Snapshot all = engine::profile::snapshot(true);
  return engine::profile::Trace(all).write();
}

void write_trace(const std::string& path) {
  const engine::profile::Snapshot all = engine::profile::snapshot(true);
  AtomicFile file(path);
  engine::profile::Trace(all, &file).write();
  file.commit();
}

}  // namespace heddle::profiler
