// The host as a device.
#pragma once
#include <memory>

#include "heddle/device.h"

namespace heddle {

std::unique_ptr<DeviceApi> make_cpu_device();

}  // namespace heddle
