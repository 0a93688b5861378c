// Preparing tasks, and the store of records.
#include "engine/record.h"

#include <algorithm>
#include <deque>
#include <mutex>

namespace heddle::engine {

void Prepared::order_uses(Task& task) {
  check(bool(task.run) != bool(task.start),
        "[engine] task {} has {}, expected one of run and start", task.name,
        task.run ? "both run and start" : "no body");
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

namespace store {

constexpr int kBatch = 64;
constexpr int kSlab = 64;

// Never destroyed: threads may push while the process exits.
struct Store {
  SpinLock lock;
  Running* batches = nullptr;  // lists of kBatch, chained by their first record's `outer`
  std::deque<Running*> slabs;
};
Store& store() {
  static Store* const s = new Store;
  return *s;
}

void refill(Slot& slot) {
  Store& s = store();
  {
    std::lock_guard lock(s.lock);
    if (Running* const batch = s.batches) {
      s.batches = batch->outer;
      batch->outer = nullptr;
      slot.spare = batch;
      slot.spares = kBatch;
      return;
    }
  }
  auto* const slab = new Running[kSlab];
  for (int i = 0; i + 1 < kSlab; ++i) slab[i].next = &slab[i + 1];
  slot.spare = slab;
  slot.spares = kSlab;
  std::lock_guard lock(s.lock);
  s.slabs.push_back(slab);
}

}  // namespace store

Running* take_record(Slot& slot) {
  if (!slot.spare) store::refill(slot);
  Running* const r = slot.spare;
  slot.spare = r->next;
  --slot.spares;
  return r;
}

void give_record(Slot& slot, Running* r) {
  r->stage.store(Stage::kFree, std::memory_order_relaxed);
  if (slot.spares >= 2 * store::kBatch) {
    // Hand over one batch: the first kBatch of the list.
    Running* const batch = slot.spare;
    Running* end = batch;
    for (int i = 1; i < store::kBatch; ++i) end = end->next;
    slot.spare = end->next;
    slot.spares -= store::kBatch;
    end->next = nullptr;
    store::Store& s = store::store();
    std::lock_guard lock(s.lock);
    batch->outer = s.batches;
    s.batches = batch;
  }
  r->next = slot.spare;
  slot.spare = r;
  ++slot.spares;
}

void for_each_record(void (*each)(Running*, void*), void* arg) {
  for (Running* slab : store::store().slabs)
    for (int i = 0; i < store::kSlab; ++i) each(&slab[i], arg);
}

}  // namespace heddle::engine
