// Lists of records.
#pragma once

namespace heddle::engine {

struct Job;
struct Running;

// A list of records through Running::next, first in, first out.
template <class T>
struct RecordList {
  T* first = nullptr;
  T* last = nullptr;
  bool empty() const { return !first; }
  void add(T* r) {
    r->next = nullptr;
    if (last) last->next = r;
    else first = r;
    last = r;
  }
  T* take() {
    T* const r = first;
    if (r && !(first = static_cast<T*>(r->next))) last = nullptr;
    return r;
  }
};
using ReadyList = RecordList<Running>;  // jobs, and waiters that were met
using JobList = RecordList<Job>;

}  // namespace heddle::engine
