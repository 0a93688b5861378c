// Free blocks of one pool, by size class, for all threads.
#include "storage/shared_bins.h"

#include <utility>

namespace heddle::storage {

int SharedBins::take(int c, void** blocks, int most) {
  std::lock_guard lock(mutex_);
  if (!waiting_.empty()) collect();
  std::vector<void*>& bin = bins_[c];
  int count = 0;
  while (count < most && !bin.empty()) {
    blocks[count++] = bin.back();
    bin.pop_back();
  }
  bytes_ -= int64_t(class_bytes(c)) * count;
  return count;
}

void SharedBins::put(int c, void* const* blocks, int count) {
  std::lock_guard lock(mutex_);
  bins_[c].insert(bins_[c].end(), blocks, blocks + count);
  bytes_ += int64_t(class_bytes(c)) * count;
}

void SharedBins::put_after(int c, void* block, EventRef after) {
  std::lock_guard lock(mutex_);
  waiting_.push_back({c, block, std::move(after)});
  bytes_ += int64_t(class_bytes(c));
}

void SharedBins::wait_for_device() {
  std::vector<EventRef> events;
  {
    std::lock_guard lock(mutex_);
    for (const Waiting& w : waiting_) events.push_back(w.after);
  }
  for (const EventRef& e : events) e->wait();
}

int64_t SharedBins::bytes() {
  std::lock_guard lock(mutex_);
  return bytes_;
}

void SharedBins::collect() {
  for (size_t i = 0; i < waiting_.size();) {
    if (waiting_[i].after->done()) {
      bins_[waiting_[i].size_class].push_back(waiting_[i].block);
      waiting_[i] = std::move(waiting_.back());
      waiting_.pop_back();
    } else {
      ++i;
    }
  }
}

}  // namespace heddle::storage
