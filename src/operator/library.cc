// Loading libraries of operators.
#include "heddle/library.h"

#include <map>
#include <mutex>

#include "device/system.h"

namespace heddle {

std::vector<std::string> load_library(const std::string& path) {
  static auto* loaded = new std::map<const void*, std::vector<std::string>>;
  static std::mutex mutex;
  const system::SharedObject object(path);
  std::lock_guard lock(mutex);
  if (const auto it = loaded->find(object.handle()); it != loaded->end()) return it->second;
  const auto abi = object.function<uint64_t()>("heddle_library_abi");
  const auto define = object.function<void(OpTable&)>("heddle_library_define");
  check(abi && define, "'{}' is no library of operators: it has no HEDDLE_LIBRARY", path);
  check(abi() == kLibraryAbi,
        "'{}' was compiled for another heddle: found {}, expected {}. Compile it with the headers "
        "of this one",
        path, abi(), kLibraryAbi);
  const std::string file = path.substr(path.rfind('/') + 1);
  return (*loaded)[object.handle()] = OpTable::get().extend(file, define);
}

}  // namespace heddle
