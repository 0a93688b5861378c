// Measuring kernels on tensors of ones.
#include "executor/tune.h"

#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <mutex>
#include <sstream>

#include "base/atomic_file.h"
#include "base/json.h"
#include "base/json_writer.h"
#include "base/settings.h"

namespace heddle {

namespace tune {

using Clock = std::chrono::steady_clock;

// What the speed of kernels depends on.
std::string machine() {
  std::ifstream file("/proc/cpuinfo");
  std::string line, model = "unknown processor";
  while (std::getline(file, line))
    if (line.starts_with("model name") && line.find(": ") != line.npos) {
      model = line.substr(line.find(": ") + 2);
      break;
    }
  const std::string level = setting("HEDDLE_ISA_LEVEL");
  return format("{}{}{}, {} threads", model, level.empty() ? "" : " as ", level, threads());
}

// Memory for the tensors of one measurement.
class Tensors {
 public:
  ~Tensors() {
    for (const auto& [data, bytes] : held_) device_api({}).free({}, data, bytes);
  }
  // A blob of ones, stored like this.
  Blob make(Blob b, const Stored& stored) {
    const size_t bytes = size_t(std::max<int64_t>(b.bytes(), 64));
    b.data = device_api({}).allocate({}, bytes);
    held_.emplace_back(b.data, bytes);
    OpContext ctx({}, nullptr, false);
    b.stored = {};
    run_kernel(*make_call(OpTable::get().of(Meaning::kOnes), {}), ctx, {&b, 1}, {&b, 1});
    b.stored = stored;
    return b;
  }

 private:
  std::vector<std::pair<void*, size_t>> held_;
};

// The best of some runs, in seconds: no more of them than a tenth of a second lets happen.
template <class Body>
double seconds_of(Body&& body) {
  body();  // what is made at the first call
  double best = 1e9, all = 0;
  for (int i = 0; i < 20 && all < 0.1; ++i) {
    const auto before = Clock::now();
    body();
    const double took = std::chrono::duration<double>(Clock::now() - before).count();
    best = std::min(best, took), all += took;
  }
  return best;
}

double reorder_seconds(const Blob& from, const Stored& to) {
  Tensors tensors;
  const Blob in = tensors.make(from, from.stored);
  Blob out = tensors.make(from, to);
  const OpCallRef call = make_reorder(to.layout);
  return seconds_of([&] {
    OpContext ctx({}, nullptr, false);
    run_kernel(*call, ctx, {&in, 1}, {&out, 1});
  });
}

// A kernel, with the reorders that it asks for in each run.
double seconds_of(const OpDef::Implementation& k, const OpCall& call, const Situation& s,
                  const StoredAs& as) {
  Tensors tensors;
  std::vector<Blob> in, out;
  for (size_t i = 0; i < s.in.size(); ++i) in.push_back(tensors.make(s.in[i], as.in[i]));
  for (size_t i = 0; i < s.out.size(); ++i) out.push_back(tensors.make(s.out[i], as.out[i]));
  const OpDef::Implementation* runs = &k;
  if (const auto* packing = k.packing.get(); packing && s.lasts(size_t(packing->input))) {
    const Blob& plain = in[size_t(packing->input)];
    const OpCallRef by =
        make_call(OpTable::get().at(packing->by),
                  packing->with ? packing->with(call.params.get(), s) : call.kwargs);
    InferContext::Value from{plain.shape, plain.dtype}, to;
    infer_call(*by, {&from, 1}, {&to, 1});
    Blob packed = tensors.make({nullptr, to.shape, to.dtype, plain.device}, {});
    OpContext ctx({}, nullptr, false);
    run_kernel(*by, ctx, {&plain, 1}, {&packed, 1});
    in[size_t(packing->input)] = packed;
    runs = &packing->kernel;
  }
  double all = seconds_of([&] {
    OpContext ctx({}, nullptr, s.training, {}, 1);
    run_kernel(*runs, call, ctx, in, out);
  });
  for (size_t i = 0; i < in.size(); ++i)
    if (!call.inputs[i].shape_only && !s.lasts(i) && as.in[i] != s.in[i].stored)
      all += reorder_seconds(s.in[i], as.in[i]);
  return all;
}

void describe(std::string& to, const Blob& b) {
  append(to, " ");
  append(to, b.dtype), append(to, b.shape);
  if (!b.stored.plain()) append(to, b.stored.layout);
}

std::string key_of(const OpCall& call, const Situation& s) {
  std::string key = call.op->name;
  for (const auto& [name, value] : call.kwargs)
    append(key, " "), append(key, name), append(key, "="), append(key, value);
  append(key, " of");
  for (size_t i = 0; i < s.in.size(); ++i) {
    describe(key, s.in[i]);
    if (s.lasts(i)) append(key, "lasting");
  }
  append(key, " to");
  for (const Blob& b : s.out) describe(key, b);
  if (s.training) append(key, " training");
  return key;
}

std::string name_of(const OpDef::Implementation& k) { return k.library + "/" + k.file; }

class Judge : public KernelJudge {
 public:
  Judge() : machine_(machine()) { read(); }

  const OpDef::Implementation* fastest(const OpCall& call, Device device,
                                       const Situation& s) override {
    const bool repeatable = !call.mutates && !call.op->stateful && !call.op->dynamic_shape;
    if (!repeatable || device.kind != Device::kCpu) return nullptr;
    std::vector<const OpDef::Implementation*> able;
    for (auto k = call.op->kernels.rbegin(); k != call.op->kernels.rend(); ++k)
      if (k->on == Device::kCpu && (!k->accepts || k->accepts(call.params.get(), s)))
        able.push_back(&*k);
    if (able.size() < 2) return nullptr;
    std::lock_guard lock(mutex_);
    std::string& known = known_[key_of(call, s)];
    for (const auto* k : able)
      if (name_of(*k) == known) return k;
    const OpDef::Implementation* best = nullptr;
    double least = 0;
    for (const auto* k : able) {
      std::vector<Stored> in(s.in.size()), out(s.out.size());
      StoredAs as{in, out};
      if (k->wants) k->wants(call.params.get(), s, as);
      const double took = seconds_of(*k, call, s, as);
      if (!best || took < least) best = k, least = took;
    }
    known = name_of(*best);
    changed_ = true;
    return best;
  }

  // Adds what was measured to the file, which others may have written meanwhile.
  void done() override {
    std::lock_guard lock(mutex_);
    if (!changed_) return;
    changed_ = false;
    read();
    others_[machine_] = known_;
    JsonWriter w;
    w.object([&] {
      for (const auto& machine : others_)
        w.key(machine.first).object([&] {
          for (const auto& [call, kernel] : machine.second) {
            w.text += "\n";
            w.key(call).value(kernel);
          }
        });
    });
    try {
      const std::string path = tuned_kernels_file();
      for (size_t at = path.find('/', 1); at != path.npos; at = path.find('/', at + 1))
        mkdir(path.substr(0, at).c_str(), 0777);
      AtomicFile file(path);
      file.write(w.text.data(), w.text.size());
      file.commit();
    } catch (const Error&) {  // measured again by the next process
    }
  }

 private:
  using Calls = std::map<std::string, std::string>;  // call -> kernel

  void read() {
    std::ifstream file(tuned_kernels_file());
    std::stringstream text;
    text << file.rdbuf();
    if (text.str().empty()) return;
    try {
      std::map<std::string, Calls> all;
      const Json json = Json::parse(text.str());
      for (const auto& [machine, calls] : json.object("tuned kernels"))
        for (const auto& [call, kernel] : calls.object(machine))
          all[machine][call] = kernel.string(call);
      others_ = std::move(all);
      known_.merge(Calls(others_[machine_]));
    } catch (const Error&) {  // it is written anew
    }
  }

  const std::string machine_;
  std::mutex mutex_;
  Calls known_;
  std::map<std::string, Calls> others_;  // machine -> what is known there
  bool changed_ = false;
};

}  // namespace tune

std::string tuned_kernels_file() {
  const char* cache = std::getenv("XDG_CACHE_HOME");
  const char* home = std::getenv("HOME");
  const std::string folder = cache && *cache ? cache : std::string(home ? home : "") + "/.cache";
  return folder + "/heddle/kernels.json";
}

KernelJudge* kernel_judge() {
  if (setting("HEDDLE_KERNELS") != "tuned") return nullptr;
  static auto* const judge = new tune::Judge;
  return judge;
}

}  // namespace heddle
