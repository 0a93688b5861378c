// How Python's calls become calls of operators: what invoke() and the operators' functions share.
#pragma once
#include <deque>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "common.h"

namespace heddle::python {

using Keyword = std::pair<PyObject*, PyObject*>;  // name and value, borrowed
using Keywords = std::span<const Keyword>;

// An operator as Python holds it, with the calls made of it so far.
struct Handle {
  struct Known {  // one set of keywords; the objects are kept so that identity means equality
    std::vector<Keyword> items;
    int variadic = -1;
    OpCallRef call;
    ~Known() {
      for (auto& [k, v] : items) {
        Py_DECREF(k);
        Py_DECREF(v);
      }
    }
  };
  static constexpr size_t kMost = 64;  // sets remembered; the oldest goes first

  explicit Handle(const OpDef& op) : op(&op) {}
  const OpDef* op;
  OpCallRef plain;  // without keywords
  std::deque<std::unique_ptr<Known>> known;
};

// The Handle in a heddle._core.Operator, or of the operator with that name. Lives as long as the
// process.
Handle& handle_of(PyObject* o);

// Applies the operator to `inputs`. `out` is an array, a list of arrays or None; new reference.
PyObject* invoke_handle(Handle& h, std::span<PyObject* const> inputs, Keywords keywords,
                        PyObject* out);

void define_function(py::module_& m);  // function.cc

}  // namespace heddle::python
