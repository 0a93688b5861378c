// The C face of the library as a whole: handles, what there is, settings, the profiler.
#include "heddle/library.h"

#include "base/json_writer.h"
#include "base/settings.h"
#include "capi/handles.h"
#include "heddle/optimizer.h"
#include "heddle/profiler.h"
#include "operator/catalogue.h"

namespace heddle::capi {

std::vector<std::string> list(std::string_view kind) {
  std::vector<std::string> names;
  if (kind == "operator") {
    for (const OpDef* op : OpTable::get().list())
      if (!op->forward) names.push_back(op->name);
  } else if (kind == "iterator") {
    for (const io::IterDef& d : io::iterators()) names.emplace_back(d.name);
  } else if (kind == "optimizer") {
    names = Optimizer::rules();
  } else if (kind == "kvstore") {
    names = KVStore::types();
  } else if (kind == "setting") {
    for (const Setting& s : settings()) names.emplace_back(s.name);
  } else if (kind == "device") {
    for (const Device::Kind k : {Device::kCpu, Device::kCuda})
      for (int i = 0; i < device_count(k); ++i) names.push_back(format("{}", Device{k, i}));
  } else {
    fail(
        "[C] found nothing to list called '{}', expected operator, iterator, optimizer, kvstore, "
        "setting or "
        "device",
        kind);
  }
  return names;
}

void describe_iterator(JsonWriter& w, std::string_view name) {
  for (const io::IterDef& d : io::iterators()) {
    if (d.name != name) continue;
    w.key("name").value(d.name);
    w.key("doc").value(d.doc);
    return write_fields(w.key("params"), d.params.describe());
  }
  fail("[C] found no iterator '{}'", name);
}

void describe_optimizer(JsonWriter& w, const char* name) {
  const Optimizer::Description d = Optimizer::describe(name);
  w.key("name").value(name);
  w.key("doc").value(d.doc);
  write_fields(w.key("params"), d.parameters);
}

void describe_setting(JsonWriter& w, std::string_view name) {
  const std::string value = setting(name);
  for (const Setting& s : settings()) {
    if (s.name != name) continue;
    w.key("name").value(s.name);
    w.key("value").value(value);
    w.key("default").value(s.fallback);
    w.key("doc").value(s.doc);
    w.key("choices").value(s.choices);
  }
}

void describe_device(JsonWriter& w, const char* name) {
  const Device d = device_of(name);
  const MemoryStats memory = Pool::of(d).stats();
  w.key("name").value(format("{}", d));
  w.key("count").value(double(device_count(d.kind)));
  w.key("live").value(double(memory.live));
  w.key("cached").value(double(memory.cached));
  w.key("peak_live").value(double(memory.peak_live));
  w.key("allocations").value(double(memory.allocations));
}

void describe_library(JsonWriter& w) {
  w.key("version").value(HD_VERSION);
  w.key("engine").value(Engine::get().name());
  w.key("threads").value(double(threads()));
}

void describe_profile(JsonWriter& w) {
  w.key("running").value(profiler::running());
  w.key("dropped").value(double(profiler::dropped()));
  w.key("totals").list(profiler::totals(), [&](const profiler::Total& t) {
    w.object([&] {
      w.key("category").value(t.category);
      w.key("name").value(t.name);
      w.key("counter").value(t.counter);
      w.key("count").value(double(t.count));
      w.key("total").value(t.total);
      w.key("least").value(t.least);
      w.key("most").value(t.most);
    });
  });
}

std::string describe(std::string_view kind, const char* name) {
  if (kind == "operator") return record_json(OpTable::get().at(&need(name, "the name")));
  JsonWriter w;
  w.object([&] {
    if (kind == "library") describe_library(w);
    else if (kind == "profile") describe_profile(w);
    else if (kind == "iterator") describe_iterator(w, &need(name, "the name"));
    else if (kind == "optimizer") describe_optimizer(w, &need(name, "the name"));
    else if (kind == "setting") describe_setting(w, &need(name, "the name"));
    else if (kind == "device") describe_device(w, name);
    else
      fail(
          "[C] found nothing to describe called '{}', expected operator, iterator, optimizer, "
          "setting, "
          "device, library or profile",
          kind);
  });
  return std::move(w.text);
}

}  // namespace heddle::capi

using namespace heddle;
using capi::guarded, capi::need, capi::PerThread, capi::TextList;

extern "C" {

int hd_free(void* handle) {
  return guarded([&] {
    const std::unique_ptr<capi::Handle> owned(static_cast<capi::Handle*>(handle));
    if (owned) owned->close();
  });
}

int hd_wait(const hd_array* array) {
  return guarded([&] { array ? array->value.wait_to_write() : Engine::get().wait_all(); });
}

int hd_list(const char* kind, const char* const** names, int* count) {
  return guarded([&] {
    thread_local PerThread<TextList> kept;
    need(names, "names"), need(count, "count");
    kept->set(capi::list(&need(kind, "the kind")));
    *names = kept->data();
    *count = kept->size();
  });
}

int hd_describe(const char* kind, const char* name, const char** json) {
  return guarded([&] {
    thread_local PerThread<std::string> kept;
    *kept = capi::describe(&need(kind, "the kind"), name);
    need(json, "json") = kept->c_str();
  });
}

int hd_set_threads(int n) {
  return guarded([&] {
    check(n >= 0, "[C] found {} threads, expected 0 or more", n);
    set_threads(n);
  });
}

int hd_seed(uint64_t value, const char* device) {
  return guarded([&] {
    if (device) seed(value, capi::device_of(device));
    else seed(value);
  });
}

int hd_load_library(const char* path) {
  return guarded([&] { load_library(&need(path, "the path")); });
}

int hd_profiler_start(const hd_profiler_options* options) {
  return guarded([&] {
    const auto given = capi::taken(options, "hd_profiler_options");
    profiler::Options o{.eager = !given.without_eager,
                        .graph = !given.without_graph,
                        .waits = !given.without_waits};
    if (given.bytes > 0) o.bytes = given.bytes;
    profiler::start(o);
  });
}

int hd_profiler_stop(void) { return guarded(profiler::stop); }

int hd_profiler_write(const char* path) {
  return guarded([&] { profiler::write_trace(&need(path, "the path")); });
}

}  // extern "C"
