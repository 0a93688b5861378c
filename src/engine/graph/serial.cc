// A graph whose nodes are all small: one thread runs them, one after the other, in the order of the
// list, and lets go of the variables at the end. While nothing fails, a node costs its call.
#include <mutex>

#include "engine/core.h"
#include "engine/graph/graph.h"
#include "engine/queue/release.h"

namespace heddle::engine {

namespace serial {

// Runs nodes until one throws. Returns how many it ran.
size_t run_plain(GraphRun& run, FailureRef* failure) {
  const std::vector<PreparedGraph::Node>& nodes = run.graph.nodes;
  RunContext context{{}, nullptr};
  size_t i = 0;
  try {
    for (; i < nodes.size(); ++i) {
      const Task& t = nodes[i].prepared.task;
      context.device = t.device;
      t.run(context);
    }
  } catch (...) {
    const Task& t = nodes[i].prepared.task;
    *failure = make_failure(std::current_exception(), run.origin_of(t));
    ++i;
  }
  return i;
}

}  // namespace serial

// The rest of a run in which something is poisoned, failed, watched or cancelled: as any graph's
// nodes are run, but in the order of the list. `failure` is that of the node before, if it failed.
void Core::run_carefully(Slot& slot, GraphRun& run, size_t from, const FailureRef& failure) {
  if (!run.nodes) run.make_nodes(this);
  auto settle = [&](RunningNode* node, const FailureRef& why) {
    const Critical in(slot);
    settle_node(node, why, nullptr);
  };
  if (failure) settle(&run.nodes[from - 1], failure);
  for (size_t i = from; i < run.graph.nodes.size(); ++i) {
    RunningNode* const node = &run.nodes[i];
    if (profile::on()) profile::pushed(slot, node);
    node->failure = why_skip(node);
    if (!node->failure) call_run(slot, node);
    const FailureRef why = std::move(node->failure);
    if (why || run.suspect.load(std::memory_order_relaxed)) settle(node, why);
  }
}

Job* Core::execute_serial(Slot& slot, RunningGraph* head, Group* chain) {
  GraphRun& run = *head->run;
  const size_t n = run.graph.nodes.size();
  const bool suspect = head->suspect.load(std::memory_order_relaxed);
  run.suspect.store(suspect, std::memory_order_relaxed);
  {
    const Frame frame(slot, head);
    size_t done = 0;
    FailureRef failure;
    if (!suspect && !run.graph.cancellable && !profile::on())
      done = serial::run_plain(run, &failure);
    if (done < n || failure) run_carefully(slot, run, done, failure);
  }
  return complete_serial(slot, head, chain);
}

Job* Core::complete_serial(Slot& slot, RunningGraph* head, Group* chain) {
  GraphRun& run = *head->run;
  const FailureRef lost = std::move(head->failure);  // in a fork, while it ran
  ReadyList ready;
  Leftovers leftovers;
  const Ending in(slot);
  if (run.suspect.load(std::memory_order_relaxed))
    for (FailureRef& f : run.failures)
      if (f) leftovers.failures.push_back(std::move(f));
  run.graph.give_run(&run);
  if (lost) release_all(slot, head, lost, nullptr, ready);
  else
    for (int i = 0; i < head->count; ++i) let_go(slot, head->requests[i], ready);
  Job* const next = hand_out(slot, ready, chain);
  retire(slot, head, &leftovers);
  return next;
}

}  // namespace heddle::engine
