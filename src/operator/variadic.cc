// Counting the inputs of operators that take any number of them.
#include "operator/variadic.h"

#include "heddle/param.h"

namespace heddle {

void count_inputs(const OpDef& op, Kwargs& kwargs, size_t inputs) {
  if (op.variadic.empty() || kwargs.contains(op.variadic)) return;
  std::string& count = kwargs[op.variadic];
  for (size_t n = inputs; n > 0; --n) {
    count = param::print(uint64_t(n));
    if (op.inputs(op.params.parse(op.name, kwargs).get()).size() == inputs) return;
  }
  count = param::print(uint64_t(inputs));  // which the call will refuse, and say why
}

}  // namespace heddle
