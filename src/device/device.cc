// The table of device kinds, and the loading of the CUDA part at the first gpu(i).
#include "heddle/device.h"

#include <atomic>
#include <mutex>

#include "base/settings.h"
#include "device/cpu.h"
#include "device/system.h"

namespace heddle {
namespace device {

constexpr int kKinds = 8;
constexpr const char* kCudaLibrary = "libheddle_cuda.so";
constexpr const char* kCudaEntry = "heddle_cuda_register";

// Never destroyed: arrays may outlive main().
struct Table {
  std::atomic<DeviceApi*> apis[kKinds] = {};
  std::mutex loading;
};
Table& table() {
  static Table* const t = new Table;
  return *t;
}

std::atomic<DeviceApi*>& slot(Device::Kind kind) {
  check(kind < kKinds, "[device] found kind {}, expected cpu, gpu or cpu_pinned", int(kind));
  return table().apis[kind];
}

// The second shared object is never unloaded: its kernels stay in the table.
void load_cuda() {
  std::string path = setting("HEDDLE_CUDA_LIBRARY");
  if (path.empty())
    path = system::folder_of(reinterpret_cast<const void*>(&device_api)) + kCudaLibrary;
  attempt(
      [&] {
        const auto entry = system::SharedObject(path).function<void()>(kCudaEntry);
        check(entry != nullptr, "'{}' has no {}: it is not the CUDA part of heddle", path,
              kCudaEntry);
        return entry;
      },
      [&](std::string_view text) -> void (*)() {
        fail(
            "[gpu] the CUDA part of heddle could not be loaded ({}): build it with HEDDLE_CUDA=ON, "
            "or name it in HEDDLE_CUDA_LIBRARY",
            text);
      })();  // throws when the driver or the card is missing; else calls set_device_api
}

DeviceApi& make(Device::Kind kind) {
  std::lock_guard lock(table().loading);
  std::atomic<DeviceApi*>& at = slot(kind);
  if (DeviceApi* have = at.load(std::memory_order_acquire)) return *have;
  if (kind == Device::kCuda) {
    load_cuda();
  } else {
    check(kind == Device::kCpu || kind == Device::kPinned, "[device] found no device of kind {}",
          int(kind));
    // Pinned memory is ordinary memory where there is no card to pin it for.
    at.store(make_cpu_device().release(), std::memory_order_release);
  }
  DeviceApi* made = at.load(std::memory_order_acquire);
  check(made != nullptr, "[gpu] the CUDA part of heddle was loaded but offers no device");
  return *made;
}

}  // namespace device

DeviceApi& device_api(Device d) {
  DeviceApi* api = device::slot(d.kind).load(std::memory_order_acquire);
  if (!api) [[unlikely]]
    api = &device::make(d.kind);
  if (d.kind == Device::kCuda) {
    const int count = api->count();
    check(d.id >= 0 && d.id < count, "[gpu] found {} card(s), expected {} to be one of them", count,
          d);
  }
  return *api;
}

int device_count(Device::Kind kind) noexcept {
  return attempt([&] { return device_api({kind, 0}).count(); }, [](std::string_view) { return 0; });
}

void set_device_api(Device::Kind kind, std::unique_ptr<DeviceApi> api) {
  // The one replaced is kept: somebody may still be in it.
  device::slot(kind).store(api.release(), std::memory_order_release);
}

}  // namespace heddle
