// Boxes as the files of detection operators see them.
#pragma once
#include <numeric>
#include <vector>

#include "operator/vision/vision.h"

namespace heddle::ops::vision {

template <class A>
struct Box {  // corners; or, in centre form, {x, y, width, height}
  A x1, y1, x2, y2;
};
template <class A, class T>
Box<A> box_at(const T* p) {
  return {A(p[0]), A(p[1]), A(p[2]), A(p[3])};
}
template <class T, class A>
void put(T* to, const Box<A>& b) {
  to[0] = T(b.x1), to[1] = T(b.y1), to[2] = T(b.x2), to[3] = T(b.y2);
}
template <class A>
Box<A> to_corners(const Box<A>& b) {
  return {b.x1 - b.x2 / 2, b.y1 - b.y2 / 2, b.x1 + b.x2 / 2, b.y1 + b.y2 / 2};
}
template <class A>
Box<A> to_center(const Box<A>& b) {
  return {(b.x1 + b.x2) / 2, (b.y1 + b.y2) / 2, b.x2 - b.x1, b.y2 - b.y1};
}

// Intersection over union; `one` is 1 where corners are cells that a box includes.
template <class A>
A overlap(const Box<A>& a, const Box<A>& b, A one = 0) {
  const auto area = [&](A width, A height) {
    return width + one <= 0 || height + one <= 0 ? A(0) : (width + one) * (height + one);
  };
  const A both = area(std::min(a.x2, b.x2) - std::max(a.x1, b.x1),
                      std::min(a.y2, b.y2) - std::max(a.y1, b.y1));
  const A either = area(a.x2 - a.x1, a.y2 - a.y1) + area(b.x2 - b.x1, b.y2 - b.y1) - both;
  return either > 0 ? both / either : A(0);
}

// The order of [0, n) by falling score; equal ones stay as they are.
template <class Score>
std::vector<int64_t> by_score(int64_t n, Score&& score) {
  std::vector<int64_t> order(static_cast<size_t>(n));
  std::iota(order.begin(), order.end(), int64_t(0));
  std::stable_sort(order.begin(), order.end(),
                   [&](int64_t a, int64_t b) { return score(a) > score(b); });
  return order;
}

}  // namespace heddle::ops::vision
