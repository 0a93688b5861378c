// Names of records as Python's texts.
#pragma once
#include <pybind11/pybind11.h>

#include "heddle/base.h"

template <>
struct pybind11::detail::type_caster<heddle::Name> {
  static constexpr auto name = const_name("str");
  static handle cast(heddle::Name text, return_value_policy, handle) {
    return PyUnicode_FromStringAndSize(text.data(), Py_ssize_t(text.size()));
  }
};
