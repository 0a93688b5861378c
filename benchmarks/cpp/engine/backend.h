// What the benchmark asks of heddle and of every peer.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "workloads.h"

namespace bench {

class Backend {
 public:
  virtual ~Backend() = default;
  // Gets ready for a workload, which stays where it is until unload(). Not timed.
  virtual void load(const Workload& workload) = 0;
  // Makes do_task(i) happen once for each task, in a right order; returns when all are over.
  virtual void run() = 0;
  virtual void unload() = 0;
};

enum class Kind {
  kDynamic,      // tasks are handed over one by one, and may run meanwhile
  kReplay,       // the graph was built by load()
  kPushAndWait,  // waits for each task before it hands over the next
};

struct Contender {
  std::string name;
  Kind kind;
  bool ours;
  std::unique_ptr<Backend> backend;
};
using Contenders = std::vector<Contender>;

constexpr int kThreads = 2;  // for everybody

// Each adds what it has. `workers` of ours; 0: as many as the engine makes for kThreads.
void add_heddle(Contenders& to, int workers);
void add_tbb(Contenders& to);
void add_openmp(Contenders& to);
void add_taskflow(Contenders& to);
void add_mxnet(Contenders& to, const std::string& path);  // of libmxnet.so

// Starts this program anew with a libgomp whose waiting threads sleep after about 0.1 ms, unless
// the environment says how they should wait: libgomp looks there before main(). As it comes it
// spins for many milliseconds; that gains nothing here, and on a busy machine it costs it dearly.
void choose_openmp_policy(char** arguments);

}  // namespace bench
