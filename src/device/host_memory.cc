// Memory of the host, for arrays and for scratch: what of system.h the predictor in one file needs.
#include <cstdint>
#include <cstdlib>

#include "device/system.h"

#ifdef __linux__
#include <sys/mman.h>
#endif

namespace heddle::system {

void* allocate(size_t bytes) {
  constexpr size_t kAlignment = 64, kHugePage = size_t{2} << 20;
  const size_t unit = bytes >= kHugePage ? kHugePage : kAlignment;
  if (bytes > SIZE_MAX - unit) return nullptr;
  void* const p = std::aligned_alloc(unit, (bytes + unit - 1) / unit * unit);
#ifdef MADV_HUGEPAGE
  if (p && unit == kHugePage) madvise(p, bytes / kHugePage * kHugePage, MADV_HUGEPAGE);
#endif
  return p;
}

}  // namespace heddle::system
