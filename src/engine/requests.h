// From the uses of a task to the requests of its record.
#pragma once
#include <span>

#include "engine/record.h"

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

// The requests of `uses`, in the order of their variables' addresses, each variable once with the
// stronger access. By insertion: there are few, and often they are in order.
template <class AnyUse>
void order_requests(std::span<const AnyUse> uses, Running* r) {
  r->set_count(static_cast<int>(uses.size()));
  int n = 0;
  for (const AnyUse& use : uses) {
    VarState* const v = var_of(use).state();
    int at = n;
    while (at > 0 && v < r->requests[at - 1].var) --at;
    if (at > 0 && v == r->requests[at - 1].var) {
      Access& a = r->requests[at - 1].access;
      a = both(a, use.access);
      continue;
    }
    for (int i = n++; i > at; --i) {
      r->requests[i].var = r->requests[i - 1].var;
      r->requests[i].access = r->requests[i - 1].access;
    }
    r->requests[at].var = v;
    r->requests[at].access = use.access;
    r->requests[n - 1].owner = r;
  }
  r->count = n;
}

}  // namespace heddle::engine
