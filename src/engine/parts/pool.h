// Objects that are used again and never freed: each thread keeps some, the rest moves between
// threads in batches.
#pragma once
#include <mutex>
#include <vector>

#include "engine/parts/spin_lock.h"

namespace heddle::engine {

// What one thread keeps, linked by `next`.
template <class T>
struct Shelf {
  T* first = nullptr;
  int count = 0;
};

// `T` has a member `next` that may point to another one. take() and give() are to be called in a
// critical section. Never destroyed: threads may push while the process exits.
template <class T>
class Pool {
 public:
  T* take(Shelf<T>& shelf) {
    if (!shelf.first) refill(shelf);
    T* const t = shelf.first;
    shelf.first = static_cast<T*>(t->next);
    --shelf.count;
    return t;
  }
  void give(Shelf<T>& shelf, T* t) {
    if (shelf.count >= 2 * kBatch) hand_over(shelf);
    t->next = shelf.first;
    shelf.first = t;
    ++shelf.count;
  }
  // All there are, those in use and those not. Only while nothing moves.
  template <class Each>
  void for_each(const Each& each) {
    for (T* slab : slabs_)
      for (int i = 0; i < kBatch; ++i) each(&slab[i]);
  }

 private:
  static constexpr int kBatch = 64;

  void refill(Shelf<T>& shelf) {
    {
      std::lock_guard lock(lock_);
      if (!batches_.empty()) {
        shelf = {batches_.back(), kBatch};
        batches_.pop_back();
        return;
      }
    }
    T* const slab = new T[kBatch];
    for (int i = 0; i + 1 < kBatch; ++i) slab[i].next = &slab[i + 1];
    shelf = {slab, kBatch};
    std::lock_guard lock(lock_);
    slabs_.push_back(slab);
  }
  // The first kBatch of the shelf.
  void hand_over(Shelf<T>& shelf) {
    T* const batch = shelf.first;
    T* end = batch;
    for (int i = 1; i < kBatch; ++i) end = static_cast<T*>(end->next);
    shelf.first = static_cast<T*>(end->next);
    shelf.count -= kBatch;
    end->next = nullptr;
    std::lock_guard lock(lock_);
    batches_.push_back(batch);
  }

  SpinLock lock_;
  std::vector<T*> batches_;
  std::vector<T*> slabs_;
};

}  // namespace heddle::engine
