// Structs of C that begin with their size: they may come from an older or a newer header than ours.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstring>
#include <string_view>

#include "heddle/base.h"

namespace heddle::c_face {

template <class T>
T& need(T* p, std::string_view what) {
  check(p != nullptr, "[C] {} is null", what);
  return *p;
}

// What the caller's struct says.
template <class T>
T taken(const T* given, size_t size, std::string_view what) {
  T t{};
  if (!given) return t;
  check(size >= sizeof(size_t), "[C] {} has size {}, expected {}: set it to sizeof", what, size,
        sizeof(T));
  const auto* const bytes = reinterpret_cast<const char*>(given);
  for (size_t i = sizeof(T); i < size; ++i)
    check(bytes[i] == 0, "[C] {} has size {} and sets what this library, where it is {}, lacks",
          what, size, sizeof(T));
  std::memcpy(&t, given, std::min(size, sizeof(T)));
  return t;
}
template <class T>
T taken(const T* given, std::string_view what) {
  return taken(given, given ? given->size : 0, what);
}

// Fills in as much of the caller's struct as both know.
template <class T>
void hand_out(T* to, T filled, std::string_view what) {
  const size_t size = need(to, what).size;
  check(size >= sizeof(size_t), "[C] {} has size {}, expected {}: set it to sizeof", what, size,
        sizeof(T));
  filled.size = size;
  std::memcpy(to, &filled, std::min(size, sizeof(T)));
}

// Calls each(struct) for those of an array, where the first one's size is the step.
template <class T, class Each>
void each_taken(const T* given, int count, std::string_view what, Each&& each) {
  check(count >= 0, "[C] found {} of {}, expected 0 or more", count, what);
  check(given != nullptr || count == 0, "[C] the array of {} is null", what);
  const size_t size = count > 0 ? given->size : 0;
  const auto* at = reinterpret_cast<const char*>(given);
  for (int i = 0; i < count; ++i, at += size)
    each(taken(reinterpret_cast<const T*>(at), size, what));
}

}  // namespace heddle::c_face
