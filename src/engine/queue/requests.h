// From the uses of a task to the requests of its record: in the order of their variables'
// addresses, each variable once.
#pragma once
#include <algorithm>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "engine/task/running.h"

namespace heddle::engine {

inline VarState* state_of(const Use& use) { return state_of(use.var); }
inline VarState* state_of(const Engine::BorrowedUse& use) { return state_of(*use.var); }
inline VarState* state_of(const Request& request) { return request.var; }

template <class AnyUse>
void check_uses(std::span<const AnyUse> uses, const char* task) {
  for (size_t i = 0; i < uses.size(); ++i)
    check(state_of(uses[i]) != nullptr, "[engine] task {} uses a variable that is none, at {}",
          task, i);
}

// Two uses of one variable by one task count as one. Who reads what it overwrites, updates it.
inline Access both(Access a, Access b) { return a == b ? a : Access::kUpdate; }

// Of uses that are sorted by their variables: those of one variable become one, with the stronger
// access. Returns how many remain.
template <class AnyUse>
int merge_uses(AnyUse* uses, int n) {
  int kept = 0;
  for (int i = 0; i < n; ++i) {
    if (kept > 0 && state_of(uses[kept - 1]) == state_of(uses[i]))
      uses[kept - 1].access = both(uses[kept - 1].access, uses[i].access);
    else if (kept++ != i) uses[kept - 1] = std::move(uses[i]);
  }
  return kept;
}

template <class AnyUse>
void sort_uses(AnyUse* uses, int n) {
  auto before = [](const AnyUse& a, const AnyUse& b) {
    return std::less<>()(state_of(a), state_of(b));
  };
  if (!std::is_sorted(uses, uses + n, before)) std::sort(uses, uses + n, before);
}

inline void order_uses(std::vector<Use>& uses) {
  const int n = static_cast<int>(uses.size());
  sort_uses(uses.data(), n);
  uses.resize(static_cast<size_t>(merge_uses(uses.data(), n)));
}

// Few requests are sorted as words, variables lying at multiples of 64, and by insertion: often
// they are in order.
inline void sort_requests(Request* requests, int n) {
  constexpr int kFew = 24;
  constexpr uint64_t kAccess = 63;
  if (n > kFew) return sort_uses(requests, n);
  uint64_t words[kFew];
  for (int i = 0; i < n; ++i) {
    const uint64_t word =
        reinterpret_cast<uint64_t>(requests[i].var) | static_cast<uint64_t>(requests[i].access);
    int at = i;
    for (; at > 0 && words[at - 1] > word; --at) words[at] = words[at - 1];
    words[at] = word;
  }
  for (int i = 0; i < n; ++i) {
    requests[i].var = reinterpret_cast<VarState*>(words[i] & ~kAccess);
    requests[i].access = static_cast<Access>(words[i] & kAccess);
  }
}

// The requests of uses that are in order.
template <class Record, class Uses>
void set_requests(Record* r, const Uses& uses) {
  r->set_count(static_cast<int>(std::size(uses)));
  Request* q = r->requests;
  for (const auto& use : uses) {
    q->owner = r, q->var = state_of(use), q->access = use.access;
    ++q;
  }
}

// The same of uses that are not.
template <class Uses>
void order_requests(RunningTask* r, const Uses& uses) {
  set_requests(r, uses);
  sort_requests(r->requests, r->count);
  r->count = merge_uses(r->requests, r->count);
}

}  // namespace heddle::engine
