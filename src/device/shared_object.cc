// dlopen and dlsym.
#include "device/shared_object.h"

#include <dlfcn.h>

namespace heddle {

SharedObject::SharedObject(const std::string& path)
    : handle_(dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL)) {
  if (handle_) return;
  const char* const why = dlerror();
  fail("cannot load '{}': {}", path, why ? why : "the loader does not say why");
}

void* SharedObject::find(const char* symbol) const { return dlsym(handle_, symbol); }

}  // namespace heddle
