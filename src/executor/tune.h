// Which of an operator's kernels is the fastest on this machine: measured once, and remembered.
#pragma once
#include <string>

#include "symbol/passes.h"

namespace heddle {

// The file that remembers: $XDG_CACHE_HOME/heddle/kernels.json, or ~/.cache/heddle/kernels.json.
std::string tuned_kernels_file();

// What HEDDLE_KERNELS=tuned asks for; null where it says something else. Measures, on the calling
// thread, calls for which there are several kernels and that the file does not know. A file that
// cannot be read or written counts as empty: then kernels are measured in each process.
KernelJudge* kernel_judge();

}  // namespace heddle
