// Taskflow: asynchronous tasks whose predecessors are given by hand, and a graph that is replayed.
#include <taskflow/taskflow.hpp>
#include <utility>

#include "backend.h"
#include "work.h"

namespace bench {

using ExecutorRef = std::shared_ptr<tf::Executor>;

class TaskflowDynamic : public Backend {
 public:
  explicit TaskflowDynamic(ExecutorRef executor) : executor_(std::move(executor)) {}
  void load(const Workload& workload) override {
    workload_ = &workload;
    tasks_.resize(workload.size());
  }
  void run() override {
    for (int i = 0; i < workload_->size(); ++i) {
      before_.clear();
      for (int earlier : workload_->before[i]) before_.push_back(tasks_[earlier]);
      tasks_[i] =
          executor_->silent_dependent_async([i] { do_task(i); }, before_.begin(), before_.end());
    }
    executor_->wait_for_all();
  }
  void unload() override { tasks_.clear(); }

 private:
  const ExecutorRef executor_;
  const Workload* workload_ = nullptr;
  std::vector<tf::AsyncTask> tasks_, before_;
};

class TaskflowGraph : public Backend {
 public:
  explicit TaskflowGraph(ExecutorRef executor) : executor_(std::move(executor)) {}
  void load(const Workload& workload) override {
    std::vector<tf::Task> nodes;
    for (int i = 0; i < workload.size(); ++i) nodes.push_back(graph_.emplace([i] { do_task(i); }));
    for (int i = 0; i < workload.size(); ++i)
      for (int later : workload.after[i]) nodes[i].precede(nodes[later]);
  }
  void run() override { executor_->run(graph_).wait(); }
  void unload() override { graph_.clear(); }

 private:
  const ExecutorRef executor_;
  tf::Taskflow graph_;
};

void add_taskflow(Contenders& to) {
  const auto executor = std::make_shared<tf::Executor>(kThreads);
  to.push_back({"Taskflow", Kind::kDynamic, false, std::make_unique<TaskflowDynamic>(executor)});
  to.push_back({"Taskflow", Kind::kReplay, false, std::make_unique<TaskflowGraph>(executor)});
}

}  // namespace bench
