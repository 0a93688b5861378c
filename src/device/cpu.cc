// The host as a device: aligned memory, copies that are done when they return, no streams.
#include "device/cpu.h"

#include <cstdlib>
#include <cstring>

#include "device/system.h"

namespace heddle {
namespace cpu {

class CpuDevice : public DeviceApi {
 public:
  int count() const override { return 1; }  // cpu(0), cpu(1) ... are all the same memory
  bool asynchronous() const override { return false; }

  void* allocate(Device d, size_t bytes) override {
    if (bytes == 0) return nullptr;
    void* const p = system::allocate(bytes);
    check(p != nullptr, "[{}] found no memory for {} bytes", d, bytes);
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
