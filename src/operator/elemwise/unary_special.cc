// Unary operators: special functions.
#include "operator/elemwise/family.h"

namespace heddle::ops::unary_special {
using namespace ew;

struct PolygammaParam {
  int64_t order = 1;
  void fields(auto&& f) { f("order", order, "Which derivative of digamma.").range(0, 100); }
  std::array<double, 1> numbers() const { return {double(order)}; }
};

void define(OpTable& ops) {
  define_unary(ops, UnarySpecial{});
  ops.define(unary_def<Polygamma, PolygammaParam>());
}

}  // namespace heddle::ops::unary_special
