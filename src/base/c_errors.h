// Errors as C has them: codes, and the text of the last one per thread. Every function of a C face
// is one call of guarded().
#pragma once
#include <exception>
#include <string>
#include <string_view>

#include "heddle/base.h"

namespace heddle::c_face {

// Why the last call of this thread that failed did so.
std::string& last_error();

// body() and 0, or -1 with the text of what it threw.
template <class Body>
int guarded(Body&& body) {
  return attempt<std::exception>([&] { return body(), 0; },
                                 [](std::string_view text) { return last_error() = text, -1; });
}

}  // namespace heddle::c_face
