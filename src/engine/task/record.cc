// Preparing tasks, and the store of records.
#include "engine/task/record.h"

#include "engine/queue/requests.h"

namespace heddle::engine {

void check_task(const Task& task) {
  check(bool(task.run) != bool(task.start),
        "[engine] task {} has {}, expected one of run and start", task.name,
        task.run ? "both run and start" : "no body");
  check_uses(std::span<const Use>(task.uses), task.name);
}

Prepared::Prepared(Task t) : task(std::move(t)) {
  check_task(task);
  order_uses(task.uses);
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
