// A graph whose nodes are all small: one thread runs them, one after the other, in the order of the
// list, and lets go of the variables at the end. While nothing fails, a node costs its call.
#include <mutex>

#include "engine/core.h"
#include "engine/graph/graph.h"

namespace heddle::engine {

namespace serial {

// Runs nodes until one throws. Returns that one, or the number of nodes.
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
    *failure = make_failure(std::current_exception(), t.name, t.place.file ? t.place : run.place);
  }
  return i;
}

// The state of a run in which something is poisoned, failed, watched or cancelled.
struct Careful {
  GraphRun& run;
  std::vector<FailureRef> of_node;
  std::vector<FailureRef> of_var;

  explicit Careful(GraphRun& r)
      : run(r), of_node(r.graph.nodes.size()), of_var(r.graph.vars.size()) {
    const Critical in(this_slot());
    for (size_t v = 0; v < of_var.size(); ++v) {
      VarState& var = *run.graph.vars[v].var.state();
      std::lock_guard lock(var.lock);
      of_var[v] = var.failure();
    }
  }

  FailureRef why_skip(size_t i) const {
    const PreparedGraph::Node& n = run.graph.nodes[i];
    const Task& t = n.prepared.task;
    if (t.cancel && t.cancel->cancelled())
      return make_cancelled(t.name, t.place.file ? t.place : run.place);
    FailureRef why;
    for (size_t k = 0; k < n.vars.size(); ++k)
      if (t.uses[k].access != Access::kOverwrite) why = first_of(why, of_var[n.vars[k]]);
    for (int p : n.after) why = first_of(why, of_node[p]);
    return why;
  }

  void settle(size_t i, FailureRef failure) {
    const PreparedGraph::Node& n = run.graph.nodes[i];
    for (size_t k = 0; k < n.vars.size(); ++k)
      if (n.prepared.task.uses[k].access != Access::kRead) of_var[n.vars[k]] = failure;
    of_node[i] = std::move(failure);
  }
};

}  // namespace serial

// Runs node `i` as a record of its own, which names it to the profiler and to nested waits.
FailureRef Core::run_serial_node(Slot& slot, Running* head, size_t i) {
  const PreparedGraph::Node& n = head->run->graph.nodes[i];
  const Task& t = n.prepared.task;
  Running* r;
  {
    const Critical in(slot);
    r = take_record(slot);
    r->kind = Kind::kTask;
    r->engine = this;
    r->group = n.group;
    r->body = &t.run;
    r->device = t.device;
    r->name = t.name;
    r->place = t.place.file ? t.place : head->run->place;
    r->counted = false;
    r->set_count(static_cast<int>(n.vars.size()));
    for (int k = 0; k < r->count; ++k) {
      r->requests[k].var = t.uses[k].var.state();
      r->requests[k].access = t.uses[k].access;
    }
    r->stage.store(Stage::kStarted, std::memory_order_relaxed);
    if (profile::on()) profile::pushed(slot, r), profile::ready(r);
  }
  call_run(slot, r);
  FailureRef failure = std::move(r->failure);
  const Critical in(slot);
  give_record(slot, r);
  return failure;
}

Running* Core::execute_serial(Slot& slot, Running* head, Group* chain) {
  GraphRun& run = *head->run;
  const size_t n = run.graph.nodes.size();
  std::unique_ptr<serial::Careful> careful;
  size_t i = 0;
  {
    const Frame frame(slot, head);
    FailureRef failure;
    if (!head->suspect.load(std::memory_order_relaxed) && !run.graph.cancellable && !profile::on())
      i = serial::run_plain(run, &failure);
    if (i < n) careful = std::make_unique<serial::Careful>(run);
    if (failure) careful->settle(i++, failure);
    for (; i < n; ++i) {
      FailureRef why = careful->why_skip(i);
      careful->settle(i, why ? why : run_serial_node(slot, head, i));
    }
  }
  return complete_serial(slot, head, careful.get(), chain);
}

Running* Core::complete_serial(Slot& slot, Running* head, serial::Careful* careful, Group* chain) {
  GraphRun& run = *head->run;
  const FailureRef lost = std::move(head->failure);  // in a fork, while it ran
  RunningList ready;
  Leftovers leftovers;
  Running* next;
  {
    const Critical in(slot);
    if (careful)
      for (const FailureRef& f : careful->of_node)
        if (f) log(f);
    if (lost) log(lost);
    run.graph.give_run(&run);
    for (int i = 0; i < head->count; ++i) {
      Request& q = head->requests[i];
      if (lost || careful) release(slot, q, lost ? lost : careful->of_var[i], nullptr, ready);
      else let_go(slot, q, ready);
    }
    next = hand_out(slot, ready, chain);
    retire(slot, head, &leftovers);
  }
  if (slot.dead) [[unlikely]]
    bury_dead(slot);
  return next;
}

}  // namespace heddle::engine
