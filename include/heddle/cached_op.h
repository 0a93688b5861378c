// A symbol that is called like an operator: on arrays, as often as one likes.
#pragma once
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "heddle/imperative.h"
#include "heddle/ndarray.h"
#include "heddle/symbol.h"

namespace heddle {

struct HEDDLE_API CachedOptions {
  int64_t memory_budget = -1;  // of a call that is recorded: see BindSpec
  size_t most_plans = 64;      // kept at once; the one that was used longest ago goes
};

// Each call is what the operators of the symbol would compute line by line: in the mode of the
// calling thread, recorded where it records, drawing the same random numbers. May be called from
// several threads at once.
class HEDDLE_API CachedOp {
 public:
  // Throws Error where two variables have one name.
  explicit CachedOp(Symbol symbol, CachedOptions options = {});
  ~CachedOp();

  // One array per input, in the order of symbol().inputs(), all on one device. Throws Error naming
  // the node that fits badly.
  std::vector<NDArray> operator()(std::span<const NDArray* const> inputs) const;
  // The same, operator by operator. Hands over every output, before it with `inputs_too` every
  // input: the name that monitors show, the operator's, and the array.
  using Each =
      std::function<void(std::string_view name, std::string_view op, const NDArray& array)>;
  std::vector<NDArray> watched(std::span<const NDArray* const> inputs, const Each& each,
                               bool inputs_too) const;

  const Symbol& symbol() const;
  size_t plans() const;  // kept now

 private:
  std::shared_ptr<class CachedGraph> graph_;
};

}  // namespace heddle
