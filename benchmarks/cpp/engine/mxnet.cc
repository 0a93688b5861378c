// MXNet 1.9: its engine, through its C interface. Dependencies are inferred, as in ours; variables
// come as arrays without memory.
#include <dlfcn.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "backend.h"
#include "work.h"

namespace bench {

// What we use of MXNet's c_api.h. Calls return 0 when all went well.
struct MxnetApi {
  using Array = void*;
  using Body = void (*)(void* run_context, void* argument);
  struct Context {
    int32_t kind, id;
  };

  int (*create)(const uint32_t* shape, uint32_t dims, int kind, int id, int delay, Array* made);
  int (*free)(Array);
  int (*push)(Body, void* argument, void (*deleter)(void*), Context*, Array* reads, int read_count,
              Array* writes, int write_count, void* property, int priority, const char* name);
  int (*wait)(Array);
  int (*wait_all)();
  const char* (*last_error)();

  void check(int result) const {
    if (result == 0) return;
    std::fprintf(stderr, "bench_engine: MXNet: %s\n", last_error());
    std::_Exit(1);
  }
};

class Mxnet : public Backend {
 public:
  Mxnet(const MxnetApi& api, bool wait_for_each) : api_(api), wait_for_each_(wait_for_each) {}
  void load(const Workload& workload) override {
    workload_ = &workload;
    arrays_.resize(workload.vars);
    const uint32_t one = 1;
    for (MxnetApi::Array& a : arrays_) api_.check(api_.create(&one, 1, kCpu, 0, 1, &a));
  }
  void run() override {
    MxnetApi::Context context{kCpu, 0};
    auto body = [](void*, void* i) { do_task(static_cast<int>(reinterpret_cast<intptr_t>(i))); };
    for (int i = 0; i < workload_->size(); ++i) {
      reads_.clear();
      writes_.clear();
      for (int v : workload_->steps[i].reads) reads_.push_back(arrays_[v]);
      for (int v : workload_->steps[i].writes) writes_.push_back(arrays_[v]);
      api_.check(api_.push(body, reinterpret_cast<void*>(intptr_t{i}), nullptr, &context,
                           reads_.data(), static_cast<int>(reads_.size()), writes_.data(),
                           static_cast<int>(writes_.size()), nullptr, 0, "task"));
      if (wait_for_each_) api_.check(api_.wait(writes_[0]));
    }
    if (!wait_for_each_) api_.check(api_.wait_all());
  }
  void unload() override {
    for (MxnetApi::Array a : arrays_) api_.check(api_.free(a));
    arrays_.clear();
  }

 private:
  static constexpr int kCpu = 1;
  const MxnetApi api_;
  const bool wait_for_each_;
  const Workload* workload_ = nullptr;
  std::vector<MxnetApi::Array> arrays_, reads_, writes_;
};

void add_mxnet(Contenders& to, const std::string& path) {
  setenv("MXNET_CPU_WORKER_NTHREADS", std::to_string(kThreads).c_str(), 0);
  setenv("OPENBLAS_NUM_THREADS", "1", 0);  // it computes nothing here
  void* const library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    std::printf("without MXNet: %s\n", dlerror());
    return;
  }
  MxnetApi api = {};
  auto find = [&](auto& function, const char* name) {
    function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(dlsym(library, name));
    return function != nullptr;
  };
  const bool all = find(api.create, "MXNDArrayCreate") && find(api.free, "MXNDArrayFree") &&
                   find(api.push, "MXEnginePushSyncND") && find(api.wait, "MXNDArrayWaitToRead") &&
                   find(api.wait_all, "MXNDArrayWaitAll") && find(api.last_error, "MXGetLastError");
  if (!all) {
    std::printf("without MXNet: %s is not its library\n", path.c_str());
    return;
  }
  to.push_back({"MXNet", Kind::kDynamic, false, std::make_unique<Mxnet>(api, false)});
  to.push_back({"MXNet", Kind::kPushAndWait, false, std::make_unique<Mxnet>(api, true)});
}

}  // namespace bench
