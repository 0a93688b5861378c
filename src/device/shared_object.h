// Shared objects that are opened at run time. They stay until the process ends.
#pragma once
#include <string>

#include "heddle/base.h"

namespace heddle {

class SharedObject {
 public:
  // Throws Error with the loader's words. A path without a slash is searched for as the loader
  // does.
  explicit SharedObject(const std::string& path);
  void* find(const char* symbol) const;  // null: it has none
  template <class F>
  F* function(const char* symbol) const {
    return reinterpret_cast<F*>(find(symbol));
  }
  const void* handle() const { return handle_; }  // the same for the same file

 private:
  void* handle_;
};

}  // namespace heddle
