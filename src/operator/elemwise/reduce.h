// Formulas of reductions. To add one: write the struct, name it in reduce.cc.
//   init<T>()        the reduction of nothing
//   step(acc, x)     takes one more element
//   merge(acc, acc)  of two partial results
//   grad(dy, x, y)   the gradient of one element, or grad(dy): broadcast back
#pragma once
#include "operator/elemwise/scalar.h"

namespace heddle::ops::ew {

struct Sum {
  static constexpr auto name = "sum", doc = "Sum over the given axes.";
  template <class T>
  HD static constexpr T init() {
    return T(0);
  }
  HD static auto step(auto acc, auto x) { return acc + x; }
  HD static auto merge(auto a, auto b) { return a + b; }
  HD static auto grad(auto dy) { return dy; }
};
struct Mean : Sum {
  static constexpr auto name = "mean", doc = "Mean over the given axes.";
};
struct NanSum : Sum {
  static constexpr auto name = "nansum", doc = "Sum over the given axes, NaN counting as 0.";
  HD static auto step(auto acc, auto x) { return acc + (is_nan(x) ? decltype(x)(0) : x); }
  HD static auto grad(auto dy, auto x, auto) { return is_nan(x) ? decltype(dy)(0) : dy; }
};
struct SumSquares : Sum {
  static constexpr auto name = "norm", doc = "Sum of squares.";
  HD static auto step(auto acc, auto x) { return acc + x * x; }
  HD static auto grad(auto dy, auto x, auto y) { return y == 0 ? decltype(dy)(0) : dy * x / y; }
};
struct SumAbs : Sum {
  static constexpr auto name = "norm", doc = "Sum of absolute values.";
  HD static auto step(auto acc, auto x) { return acc + abs(x); }
  HD static auto grad(auto dy, auto x, auto) { return dy * sign(x); }
};
struct Prod {
  static constexpr auto name = "prod", doc = "Product over the given axes.";
  template <class T>
  HD static constexpr T init() {
    return T(1);
  }
  HD static auto step(auto acc, auto x) { return acc * x; }
  HD static auto merge(auto a, auto b) { return a * b; }
  HD static auto grad(auto dy, auto x, auto y) { return dy * y / x; }
};
struct NanProd : Prod {
  static constexpr auto name = "nanprod", doc = "Product over the given axes, NaN counting as 1.";
  HD static auto step(auto acc, auto x) { return acc * (is_nan(x) ? decltype(x)(1) : x); }
  HD static auto grad(auto dy, auto x, auto y) { return is_nan(x) ? decltype(dy)(0) : dy * y / x; }
};
struct Max {
  static constexpr auto name = "max",
                        doc = "Largest element over the given axes; NaN when there is one.";
  template <class T>
  HD static constexpr T init() {
    return kLowest<T>;
  }
  HD static auto step(auto acc, auto x) { return acc > x || acc != acc ? acc : x; }
  HD static auto merge(auto a, auto b) { return step(a, b); }
  HD static auto grad(auto dy, auto x, auto y) {
    return x == y ? dy : decltype(dy)(0);
  }  // all ties
};
struct Min {
  static constexpr auto name = "min",
                        doc = "Smallest element over the given axes; NaN when there is one.";
  template <class T>
  HD static constexpr T init() {
    return kInfinity<T>;
  }
  HD static auto step(auto acc, auto x) { return acc < x || acc != acc ? acc : x; }
  HD static auto merge(auto a, auto b) { return step(a, b); }
  HD static auto grad(auto dy, auto x, auto y) { return x == y ? dy : decltype(dy)(0); }
};

}  // namespace heddle::ops::ew
