// Operators in shared objects of their own, loaded while a program runs:
//
//   #include <heddle/library.h>
//   HEDDLE_LIBRARY(ops) { ops.define({.name = "swish", ...}); }
//
// and then mx.library.load("libswish.so") in Python, or load_library() in C++.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "heddle/op.h"

namespace heddle {

// What a library was compiled for. It must be what this heddle was: records cross the border whole.
constexpr uint64_t kLibraryAbi = uint64_t(2) << 48 | uint64_t(sizeof(OpDef)) << 24 |
                                 uint64_t(sizeof(OpContext)) << 12 | uint64_t(sizeof(Blob));

// Adds the operators and kernels of a library; it stays loaded. Returns the names of its operators:
// those of a library that was loaded before, too. Throws Error when the file cannot be loaded, is
// no such library, was compiled for another heddle, or defines what is defined already; then
// nothing of it is left.
HEDDLE_API std::vector<std::string> load_library(const std::string& path);

}  // namespace heddle

#define HEDDLE_LIBRARY(ops)                                                         \
  extern "C" __attribute__((visibility("default"))) uint64_t heddle_library_abi() { \
    return heddle::kLibraryAbi;                                                     \
  }                                                                                 \
  extern "C" __attribute__((visibility("default"))) void heddle_library_define(heddle::OpTable& ops)
