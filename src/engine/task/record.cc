// Preparing tasks, and the store of records.
#include "engine/task/record.h"

#include <algorithm>

namespace heddle::engine {

void Prepared::check_body(const Task& task) {
  check(bool(task.run) != bool(task.start),
        "[engine] task {} has {}, expected one of run and start", task.name,
        task.run ? "both run and start" : "no body");
}

void Prepared::order_uses(Task& task) {
  check_body(task);
  std::vector<Use>& uses = task.uses;
  auto before = [](const Use& a, const Use& b) { return a.var.state() < b.var.state(); };
  bool strict = true;
  for (size_t i = 0; i < uses.size(); ++i) {
    check(bool(uses[i].var), "[engine] task {} uses a variable that is none, at {}", task.name, i);
    if (i > 0 && !before(uses[i - 1], uses[i])) strict = false;
  }
  if (strict) return;
  std::sort(uses.begin(), uses.end(), before);
  size_t kept = 0;
  for (size_t i = 1; i < uses.size(); ++i) {
    if (uses[i].var == uses[kept].var) uses[kept].access = both(uses[kept].access, uses[i].access);
    else if (++kept != i) uses[kept] = std::move(uses[i]);
  }
  uses.resize(kept + 1);
}

Pool<Running>& records() {
  static Pool<Running>* const pool = new Pool<Running>;
  return *pool;
}

// The lines of the next one are asked for already: often another thread has them.
Running* take_record(Slot& slot) {
  Running* const r = records().take(slot.records);
  if (const Running* const next = slot.records.first) fetch(next);
  return r;
}

void give_record(Slot& slot, Running* r) {
  r->stage.store(Stage::kFree, std::memory_order_relaxed);
  records().give(slot.records, r);
}

void for_each_record(void (*each)(Running*, void*), void* arg) {
  records().for_each([&](Running* r) { each(r, arg); });
}

}  // namespace heddle::engine
