// Memory of the host, for arrays and for scratch: what of system.h the predictor in one file needs.
#include <cstdint>
#include <cstdlib>

#include "device/system.h"

#ifdef __linux__
#include <sys/mman.h>
#endif

namespace heddle::system {

void* allocate(size_t bytes) {
  constexpr size_t kAlignment = 64;
  const size_t unit = bytes >= kHugePage ? kHugePage : kAlignment;
  if (bytes > SIZE_MAX - unit) return nullptr;
  void* const p = std::aligned_alloc(unit, (bytes + unit - 1) / unit * unit);
  if (p) prefer_huge_pages(p, bytes);
  return p;
}

void prefer_huge_pages([[maybe_unused]] void* memory, [[maybe_unused]] size_t bytes) {
#ifdef MADV_HUGEPAGE
  const uintptr_t from = reinterpret_cast<uintptr_t>(memory);
  const uintptr_t begin = (from + kHugePage - 1) / kHugePage * kHugePage;
  const uintptr_t end = (from + bytes) / kHugePage * kHugePage;
  if (begin < end) madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE);
#endif
}

}  // namespace heddle::system
