// From the uses of a task to the requests of its record.
#pragma once
#include <algorithm>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "engine/task/record.h"

namespace heddle::engine {

inline const Var& var_of(const Use& use) { return use.var; }
inline const Var& var_of(const Engine::BorrowedUse& use) { return *use.var; }

template <class AnyUse>
void check_uses(std::span<const AnyUse> uses, const char* task) {
  for (size_t i = 0; i < uses.size(); ++i)
    check(bool(var_of(uses[i])), "[engine] task {} uses a variable that is none, at {}", task, i);
}
inline void check_uses(const std::vector<Use>& uses, const char* task) {
  check_uses(std::span<const Use>(uses), task);
}

// Sorts by the addresses of variables. Where there are few they are sorted as words, variables
// lying at multiples of 64, and by insertion: often they are in order.
inline void sort_requests(Request* requests, int n) {
  constexpr int kFew = 24;
  constexpr uint64_t kAccess = 63;
  if (n > kFew) {
    std::sort(requests, requests + n,
              [](const Request& a, const Request& b) { return std::less<>()(a.var, b.var); });
    return;
  }
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

// The requests of `uses`, in the order of their variables' addresses, each variable once with the
// stronger access.
template <class AnyUse>
void order_requests(std::span<const AnyUse> uses, Running* r) {
  const int n = static_cast<int>(uses.size());
  r->set_count(n);
  for (int i = 0; i < n; ++i) {
    Request& q = r->requests[i];
    q.owner = r, q.var = var_of(uses[i]).state(), q.access = uses[i].access;
  }
  sort_requests(r->requests, n);
  int kept = 0;
  for (int i = 0; i < n; ++i) {
    const Request& q = r->requests[i];
    if (kept > 0 && r->requests[kept - 1].var == q.var) {
      Access& a = r->requests[kept - 1].access;
      a = both(a, q.access);
    } else if (kept++ != i) {
      r->requests[kept - 1].var = q.var;
      r->requests[kept - 1].access = q.access;
    }
  }
  r->count = kept;
}

}  // namespace heddle::engine
