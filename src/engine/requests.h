// From the uses of a task to the requests of its record.
#pragma once
#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

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

// A variable and an access in one word: variables lie at multiples of 64.
inline uint64_t packed(const VarState* v, Access access) {
  return reinterpret_cast<uint64_t>(v) | static_cast<uint64_t>(access);
}
inline VarState* var_in(uint64_t word) { return reinterpret_cast<VarState*>(word & ~uint64_t{63}); }
inline Access access_in(uint64_t word) { return static_cast<Access>(word & 63); }

// By insertion where there are few: often they are in order.
inline void sort_words(uint64_t* words, size_t n) {
  constexpr size_t kFew = 24;
  if (n > kFew) return std::sort(words, words + n);
  for (size_t i = 1; i < n; ++i) {
    const uint64_t word = words[i];
    size_t at = i;
    for (; at > 0 && words[at - 1] > word; --at) words[at] = words[at - 1];
    words[at] = word;
  }
}

// The requests of `uses`, in the order of their variables' addresses, each variable once with the
// stronger access.
template <class AnyUse>
void order_requests(std::span<const AnyUse> uses, Running* r) {
  constexpr size_t kUsual = 32;
  uint64_t room[kUsual];
  std::vector<uint64_t> more;
  uint64_t* words = room;
  if (uses.size() > kUsual) [[unlikely]]
    more.resize(uses.size()), words = more.data();
  for (size_t i = 0; i < uses.size(); ++i)
    words[i] = packed(var_of(uses[i]).state(), uses[i].access);
  sort_words(words, uses.size());
  r->set_count(static_cast<int>(uses.size()));
  int n = 0;
  for (size_t i = 0; i < uses.size(); ++i) {
    VarState* const v = var_in(words[i]);
    if (n > 0 && r->requests[n - 1].var == v) {
      Access& a = r->requests[n - 1].access;
      a = both(a, access_in(words[i]));
      continue;
    }
    Request& q = r->requests[n++];
    q.owner = r, q.var = v, q.access = access_in(words[i]);
  }
  r->count = n;
}

}  // namespace heddle::engine
