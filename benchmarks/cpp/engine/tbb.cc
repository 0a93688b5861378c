// oneTBB: tasks of a task_group whose predecessors are given by hand, and the flow graph.
#define TBB_PREVIEW_TASK_GROUP_EXTENSIONS 1
#include <tbb/flow_graph.h>
#include <tbb/global_control.h>
#include <tbb/task_group.h>

#include <utility>

#include "backend.h"
#include "work.h"

namespace bench {

class TbbDynamic : public Backend {
 public:
  void load(const Workload& workload) override {
    workload_ = &workload;
    handles_.resize(workload.size());
  }
  void run() override {
    for (int i = 0; i < workload_->size(); ++i) {
      tbb::task_handle task = group_->defer([i] { do_task(i); });
      handles_[i] = task;
      for (int earlier : workload_->before[i])
        tbb::task_group::set_task_order(handles_[earlier], task);
      group_->run(std::move(task));
    }
    group_->wait();
  }
  void unload() override { handles_.clear(); }

 private:
  const Workload* workload_ = nullptr;
  std::vector<tbb::task_completion_handle> handles_;
  const std::unique_ptr<tbb::task_group> group_ = std::make_unique<tbb::task_group>();
};

class TbbFlowGraph : public Backend {
  using Message = tbb::flow::continue_msg;
  using Node = tbb::flow::continue_node<Message>;

 public:
  void load(const Workload& workload) override {
    graph_ = std::make_unique<tbb::flow::graph>();
    for (int i = 0; i < workload.size(); ++i)
      nodes_.push_back(std::make_unique<Node>(*graph_, [i](const Message&) { do_task(i); }));
    for (int i = 0; i < workload.size(); ++i) {
      for (int later : workload.after[i]) tbb::flow::make_edge(*nodes_[i], *nodes_[later]);
      if (workload.before[i].empty()) first_.push_back(nodes_[i].get());
    }
  }
  void run() override {
    for (Node* node : first_) node->try_put(Message());
    graph_->wait_for_all();
  }
  void unload() override {
    first_.clear();
    nodes_.clear();
    graph_ = nullptr;
  }

 private:
  std::unique_ptr<tbb::flow::graph> graph_;
  std::vector<std::unique_ptr<Node>> nodes_;
  std::vector<Node*> first_;
};

class TbbPushAndWait : public Backend {
 public:
  void load(const Workload& workload) override { tasks_ = workload.size(); }
  void run() override {
    for (int i = 0; i < tasks_; ++i) {
      group_->run([i] { do_task(i); });
      group_->wait();
    }
  }
  void unload() override {}

 private:
  int tasks_ = 0;
  const std::unique_ptr<tbb::task_group> group_ = std::make_unique<tbb::task_group>();
};

void add_tbb(Contenders& to) {
  // In force as long as it lives, which is until the process ends.
  new tbb::global_control(tbb::global_control::max_allowed_parallelism, kThreads);
  auto add = [&](const char* name, Kind kind, std::unique_ptr<Backend> backend) {
    to.push_back({name, kind, false, std::move(backend)});
  };
  add("oneTBB", Kind::kDynamic, std::make_unique<TbbDynamic>());
  add("oneTBB flow graph", Kind::kReplay, std::make_unique<TbbFlowGraph>());
  add("oneTBB", Kind::kPushAndWait, std::make_unique<TbbPushAndWait>());
}

}  // namespace bench
