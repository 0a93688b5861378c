// Zero bytes are zero in every dtype.
#include "executor/fill.h"

#include <cstring>

namespace heddle {

namespace fill {

void zero(const Blob& b, Stream* stream) {
  if (b.bytes() == 0) return;
  if (b.device.kind == Device::kCpu || b.device.kind == Device::kPinned) {
    std::memset(b.data, 0, size_t(b.bytes()));
    return;
  }
  const std::vector<char> zeros(size_t(b.bytes()), 0);
  device_api(b.device).copy(b.data, b.device, zeros.data(), Device{}, zeros.size(), stream);
  if (stream) stream->record()->wait();  // the host's zeros go with this call
}

}  // namespace fill

void fill_zero(const NDArray& a) {
  Task task{.name = "fill_zero", .device = a.device(), .place = current_place()};
  task.uses.push_back({a.var(), a.write_access()});
  task.run = [a = a.detach()](RunContext& where) { fill::zero(a.blob(), where.stream); };
  Engine::get().push(std::move(task));
}

}  // namespace heddle
