// A formula of one tensor (unary.h) as functions and tables: what its operator is made of, and what
// operators that choose between several formulas choose from.
#pragma once
#include <span>

#include "operator/elemwise/map.h"
#include "operator/elemwise/symbolic.h"

namespace heddle::ops::ew {

struct Formula {
  enum Saved : uint8_t { kNothing, kInput, kOutput };  // what the gradient reads beside dy

  const MapLoops* value;     // of x and the formula's parameters
  const MapLoops* gradient;  // of dy, what was saved, and the parameters; null: nothing flows back
  Symbolic (*graph)(const Symbolic& dy, const Symbolic& saved, const Symbolic* params);
  Saved saved;
  bool whole = false;  // F::whole: beside integers the parameters are whole numbers, too

  std::vector<Ref> reads() const;
};

using Numbers = std::span<const double>;

void run(const Formula& f, const OpContext& ctx, const Blob& x, Numbers params, const Blob& y);
// in: what f.reads() says
void run_gradient(const Formula& f, const OpContext& ctx, const Inputs& in, Numbers params,
                  const Blob& dx);
// The gradient as a graph of operators.
std::vector<GradContext::Value> build_gradient(const Formula& f, GradContext& g, Numbers params);

// The formula F with this many parameters. Defined in family.h; those that several files use are
// instantiated in unary_*.cc.
template <class F, size_t kParams = 0>
const Formula& formula();

}  // namespace heddle::ops::ew
