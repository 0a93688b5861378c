// Parameters of the operators in factor.cc, for the kernels of every library.
#pragma once
#include "heddle/param.h"

namespace heddle::ops::factor {

struct LowerParam {
  bool lower = true;
  void fields(auto&& f) { f("lower", lower, "Read and write the lower triangle, not the upper."); }
};

struct TriangleParam {
  bool transpose = false, rightside = false, lower = true;
  double alpha = 1;
  void fields(auto&& f) {
    f("transpose", transpose, "Use the transpose of A.");
    f("rightside", rightside, "A stands on the right.");
    f("lower", lower, "A is the lower triangle of what is given, not the upper.");
    f("alpha", alpha, "Multiplies B.");
  }
};

struct SquareParam {
  bool transpose = false;
  double alpha = 1;
  void fields(auto&& f) {
    f("transpose", transpose, "A^T A in place of A A^T.");
    f("alpha", alpha, "Multiplies the product.");
  }
};

}  // namespace heddle::ops::factor
