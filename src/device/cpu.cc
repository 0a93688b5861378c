// The host as a device: aligned memory, copies that are done when they return, no streams.
#include "device/cpu.h"

#include <cstdlib>
#include <cstring>

#include "device/system.h"

namespace heddle {
namespace cpu {

constexpr size_t kAlignment = 64;
constexpr size_t kHugePage = size_t{2} << 20;

size_t round_up(size_t n, size_t to) { return (n + to - 1) / to * to; }

class CpuDevice : public DeviceApi {
 public:
  int count() const override { return 1; }  // cpu(0), cpu(1) ... are all the same memory
  bool asynchronous() const override { return false; }

  void* allocate(Device d, size_t bytes) override {
    if (bytes == 0) return nullptr;
    const size_t alignment = bytes >= kHugePage ? kHugePage : kAlignment;
    void* p = bytes > SIZE_MAX - alignment
                  ? nullptr
                  : std::aligned_alloc(alignment, round_up(bytes, alignment));
    check(p != nullptr, "[{}] found no memory for {} bytes", d, bytes);
    if (alignment == kHugePage) system::want_huge_pages(p, bytes / kHugePage * kHugePage);
    return p;
  }
  void free(Device, void* p, size_t) override { std::free(p); }
  std::unique_ptr<Stream> make_stream(Device) override { return nullptr; }
  void copy(void* dst, Device, const void* src, Device, size_t bytes, Stream*) override {
    if (bytes) std::memmove(dst, src, bytes);
  }
};

}  // namespace cpu

std::unique_ptr<DeviceApi> make_cpu_device() { return std::make_unique<cpu::CpuDevice>(); }

}  // namespace heddle
