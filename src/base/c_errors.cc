// The text of the last error, one per thread.
#include "base/c_errors.h"

namespace heddle::c_face {

std::string& last_error() {
  thread_local std::string text;
  return text;
}

}  // namespace heddle::c_face

// Both headers of C declare it.
extern "C" HEDDLE_API const char* hd_last_error(void) {
  return heddle::c_face::last_error().c_str();
}
