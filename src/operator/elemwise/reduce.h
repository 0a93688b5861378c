// Formulas of reductions. To add one: write the struct, name it in reduce.cc.
//   init<T>()        the reduction of nothing
//   step(acc, x)     takes one more element
//   merge(acc, acc)  of two partial results
//   full             says that half precision would overflow, or lose what matters
//   grad(dy, x, y)   the gradient of one element, or grad(dy): broadcast back
#pragma once
#include "operator/elemwise/scalar.h"

namespace heddle::ops::ew {

struct Sum {
  static constexpr auto name = "sum", doc = "Sum over the given axes.";
  static constexpr bool full = true;
  template <class T>
  HEDDLE_HD static constexpr T init() {
    return T(0);
  }
  HEDDLE_HD static auto step(auto acc, auto x) { return acc + x; }
  HEDDLE_HD static auto merge(auto a, auto b) { return a + b; }
  HEDDLE_HD static auto grad(auto dy) { return dy; }
};
struct Mean : Sum {
  static constexpr auto name = "mean", doc = "Mean over the given axes.";
};
struct NanSum : Sum {
  static constexpr auto name = "nansum", doc = "Sum over the given axes, NaN counting as 0.";
  HEDDLE_HD static auto step(auto acc, auto x) { return acc + (is_nan(x) ? decltype(x)(0) : x); }
  HEDDLE_HD static auto grad(auto dy, auto x, auto) { return is_nan(x) ? decltype(dy)(0) : dy; }
};
struct SumSquares : Sum {
  static constexpr auto name = "norm", doc = "Sum of squares.";
  HEDDLE_HD static auto step(auto acc, auto x) { return acc + x * x; }
  HEDDLE_HD static auto grad(auto dy, auto x, auto y) {
    return y == 0 ? decltype(dy)(0) : dy * (x / y);
  }
};
struct SumAbs : Sum {
  static constexpr auto name = "norm", doc = "Sum of absolute values.";
  HEDDLE_HD static auto step(auto acc, auto x) { return acc + abs(x); }
  HEDDLE_HD static auto grad(auto dy, auto x, auto) { return dy * sign(x); }
};
struct Prod {
  static constexpr auto name = "prod", doc = "Product over the given axes.";
  static constexpr bool full = true;
  template <class T>
  HEDDLE_HD static constexpr T init() {
    return T(1);
  }
  HEDDLE_HD static auto step(auto acc, auto x) { return acc * x; }
  HEDDLE_HD static auto merge(auto a, auto b) { return a * b; }
};
struct NanProd : Prod {
  static constexpr auto name = "nanprod", doc = "Product over the given axes, NaN counting as 1.";
  HEDDLE_HD static auto step(auto acc, auto x) { return acc * select(is_nan(x), 1, x); }
};
// The gradient of a factor is the product of the others: with one zero among them it is the product
// of what is not zero, at the zero alone; with more there is none.
template <class P>
struct ProdOfNonzero : P {
  HEDDLE_HD static auto step(auto acc, auto x) { return P::step(acc, select(x == 0, 1, x)); }
};
struct CountZeros : Sum {
  HEDDLE_HD static auto step(auto acc, auto x) { return acc + select(x == 0, decltype(acc)(1), 0); }
};
struct ProdGradient {
  HEDDLE_HD static auto f(auto dy, auto x, auto product, auto zeros) {
    return select(zeros == 0, dy * product / x, select((zeros == 1) & (x == 0), dy * product, 0));
  }
};
struct NanProdGradient {
  HEDDLE_HD static auto f(auto dy, auto x, auto product, auto zeros) {
    return select(is_nan(x), 0, ProdGradient::f(dy, x, product, zeros));
  }
};
struct Max {
  static constexpr auto name = "max",
                        doc = "Largest element over the given axes; NaN when there is one.";
  template <class T>
  HEDDLE_HD static constexpr T init() {
    return kLowest<T>;
  }
  HEDDLE_HD static auto step(auto acc, auto x) { return acc > x || acc != acc ? acc : x; }
  HEDDLE_HD static auto merge(auto a, auto b) { return step(a, b); }
  HEDDLE_HD static auto grad(auto dy, auto x, auto y) {
    return x == y ? dy : decltype(dy)(0);
  }  // all ties
};
struct MaxAbs : Max {
  static constexpr auto name = "norm", doc = "Largest absolute value.";
  HEDDLE_HD static auto step(auto acc, auto x) { return Max::step(acc, abs(x)); }
};
// A norm from elements of at most 1, and what it stands for.
HEDDLE_HD bool is_factor(auto most) { return most > 0 && most < kInfinity<decltype(most)>; }
struct Scaled {
  HEDDLE_HD static auto f(auto x, auto most) { return is_factor(most) ? x / most : x; }
};
struct Unscaled {
  HEDDLE_HD static auto f(auto norm, auto most) { return is_factor(most) ? norm * most : norm; }
};
struct Min {
  static constexpr auto name = "min",
                        doc = "Smallest element over the given axes; NaN when there is one.";
  template <class T>
  HEDDLE_HD static constexpr T init() {
    return kInfinity<T>;
  }
  HEDDLE_HD static auto step(auto acc, auto x) { return acc < x || acc != acc ? acc : x; }
  HEDDLE_HD static auto merge(auto a, auto b) { return step(a, b); }
  HEDDLE_HD static auto grad(auto dy, auto x, auto y) { return x == y ? dy : decltype(dy)(0); }
};

}  // namespace heddle::ops::ew
