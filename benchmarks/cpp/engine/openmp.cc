// OpenMP (libgomp): tasks that name what they read and write in `depend` clauses.
#include <unistd.h>

#include <cstdlib>

#include "backend.h"
#include "work.h"

namespace bench {

class OpenMpDynamic : public Backend {
 public:
  void load(const Workload& workload) override {
    workload_ = &workload;
    vars_.assign(workload.vars, 0);
  }
  void run() override {
    [[maybe_unused]] char* const vars = vars_.data();  // GCC does not see it in clauses
#pragma omp parallel num_threads(kThreads)
#pragma omp single
    for (int i = 0; i < workload_->size(); ++i) {
      const Step& s = workload_->steps[i];
      const int* const reads = s.reads.data();
      const int* const writes = s.writes.data();
      const int r = static_cast<int>(s.reads.size()), w = static_cast<int>(s.writes.size());
#pragma omp task firstprivate(i) depend(iterator(k = 0                          \
                                                 : r),                          \
                                        in                                      \
                                        : vars[reads[k]]) depend(iterator(k = 0 \
                                                                          : w), \
                                                                 inout          \
                                                                 : vars[writes[k]])
      do_task(i);
    }
  }
  void unload() override {}

 private:
  const Workload* workload_ = nullptr;
  std::vector<char> vars_;
};

class OpenMpPushAndWait : public Backend {
 public:
  void load(const Workload& workload) override { tasks_ = workload.size(); }
  void run() override {
#pragma omp parallel num_threads(kThreads)
#pragma omp single
    for (int i = 0; i < tasks_; ++i) {
#pragma omp task firstprivate(i)
      do_task(i);
#pragma omp taskwait
    }
  }
  void unload() override {}

 private:
  int tasks_ = 0;
};

void choose_openmp_policy(char** arguments) {
  if (std::getenv("OMP_WAIT_POLICY") || std::getenv("GOMP_SPINCOUNT")) return;
  setenv("GOMP_SPINCOUNT", "3000", 1);
  execv("/proc/self/exe", arguments);
}

void add_openmp(Contenders& to) {
  to.push_back({"libgomp", Kind::kDynamic, false, std::make_unique<OpenMpDynamic>()});
  to.push_back({"libgomp", Kind::kPushAndWait, false, std::make_unique<OpenMpPushAndWait>()});
}

}  // namespace bench
