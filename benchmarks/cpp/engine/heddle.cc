// heddle: dependencies are inferred from the variables that tasks read and write.
#include <utility>

#include "backend.h"
#include "heddle/engine.h"
#include "work.h"

namespace bench {

using heddle::Access;
using heddle::Engine;
using heddle::GraphRef;
using heddle::GraphTask;
using heddle::RunContext;
using heddle::Task;
using heddle::TaskRef;
using heddle::Traits;
using heddle::Use;
using heddle::Var;
using EngineRef = std::shared_ptr<Engine>;

class Heddle : public Backend {
 public:
  Heddle(EngineRef engine, bool small) : engine_(std::move(engine)), small_(small) {}
  void load(const Workload& workload) override {
    workload_ = &workload;
    vars_.resize(workload.vars);
    for (Var& v : vars_) v = Var::make();
  }
  void unload() override { vars_.clear(); }

 protected:
  Task task(int i) const {
    Task t{.name = "task", .run = [i](RunContext&) { do_task(i); }, .small = small_};
    const Step& s = workload_->steps[i];
    t.uses.reserve(s.reads.size() + s.writes.size());
    for (int v : s.reads) t.uses.push_back({vars_[v], Access::kRead});
    for (int v : s.writes) t.uses.push_back({vars_[v], Access::kUpdate});
    return t;
  }

  const EngineRef engine_;
  const bool small_;
  const Workload* workload_ = nullptr;
  std::vector<Var> vars_;
};

// Every task is made when it is pushed, and pushed once.
class OneOff : public Heddle {
 public:
  using Heddle::Heddle;
  void run() override {
    const Traits traits{.name = "task", .small = small_};
    for (int i = 0; i < workload_->size(); ++i) {
      uses_.clear();
      for (int v : workload_->steps[i].reads) uses_.push_back({&vars_[v], Access::kRead});
      for (int v : workload_->steps[i].writes) uses_.push_back({&vars_[v], Access::kUpdate});
      engine_->push(
          uses_, [i](RunContext&) { do_task(i); }, traits);
    }
    engine_->wait_all();
  }

 private:
  std::vector<Engine::BorrowedUse> uses_;
};

// Tasks prepared by load(); their dependencies are found anew by every push.
class PreparedTasks : public Heddle {
 public:
  using Heddle::Heddle;
  void load(const Workload& workload) override {
    Heddle::load(workload);
    for (int i = 0; i < workload.size(); ++i) tasks_.push_back(engine_->prepare(task(i)));
  }
  void run() override {
    for (const TaskRef& t : tasks_) engine_->push(t);
    engine_->wait_all();
  }
  void unload() override {
    tasks_.clear();
    Heddle::unload();
  }

 protected:
  std::vector<TaskRef> tasks_;
};

// A prepared graph. `edges`: its order is given, as to the peers, and it uses no variables;
// otherwise it is found by prepare(), and every push orders the graph among other tasks.
class Graph : public Heddle {
 public:
  Graph(EngineRef engine, bool small, bool edges)
      : Heddle(std::move(engine), small), edges_(edges) {}
  void load(const Workload& workload) override {
    Heddle::load(workload);
    std::vector<GraphTask> nodes;
    for (int i = 0; i < workload.size(); ++i) {
      GraphTask node{.task = task(i)};
      if (edges_) node.task.uses.clear(), node.after = workload.before[i];
      nodes.push_back(std::move(node));
    }
    graph_ = engine_->prepare(std::move(nodes));
  }
  void run() override {
    engine_->push(graph_);
    engine_->wait_all();
  }
  void unload() override {
    graph_ = nullptr;
    Heddle::unload();
  }

 private:
  const bool edges_;
  GraphRef graph_;
};

class PushAndWait : public PreparedTasks {
 public:
  using PreparedTasks::PreparedTasks;
  void run() override {
    for (int i = 0; i < workload_->size(); ++i) {
      engine_->push(tasks_[i]);
      engine_->wait(vars_[workload_->steps[i].writes[0]]);
    }
  }
};

void add_heddle(Contenders& to, int workers) {
  const EngineRef engine = Engine::make("threaded", workers);
  for (bool small : {true, false}) {
    const std::string how = small ? "small" : "queued";
    auto add = [&](std::string name, Kind kind, std::unique_ptr<Backend> backend) {
      to.push_back({std::move(name), kind, true, std::move(backend)});
    };
    add(how, Kind::kDynamic, std::make_unique<OneOff>(engine, small));
    add(how + ", prepared", Kind::kDynamic, std::make_unique<PreparedTasks>(engine, small));
    add(how, Kind::kReplay, std::make_unique<Graph>(engine, small, false));
    add(how + ", edges", Kind::kReplay, std::make_unique<Graph>(engine, small, true));
    add(how, Kind::kPushAndWait, std::make_unique<PushAndWait>(engine, small));
  }
}

}  // namespace bench
