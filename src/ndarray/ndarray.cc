// NDArray: making arrays, views of them, and their values from and to host memory.
#include "heddle/ndarray.h"

#include <utility>

#include "base/settings.h"
#include "ndarray/chunk.h"
#include "ndarray/convert.h"

namespace heddle {
namespace ndarray {

// Bytes of a dense array, or Error when the shape is not known or too large to count.
size_t bytes_of(std::string_view who, const Shape& shape, Dtype dtype) {
  check(shape.known(), "[{}] found shape {}, expected every dimension to be known", who, shape);
  int64_t bytes = dtype_size(dtype), positive = bytes;
  bool fits = true;
  for (int64_t d : shape) {
    bytes *= d != 0;
    fits = fits && !__builtin_mul_overflow(positive, d ? d : 1, &positive);
  }
  check(fits, "[{}] found shape {} of {}, which has more bytes than 64 bits can count", who, shape,
        dtype);
  return bytes ? size_t(positive) : 0;
}

// Host memory of the caller into an array.
struct Transfer {
  const NDArray* to;
  const void* from;

  void run() const {
    const Blob b = to->blob();
    device_api(b.device).copy(b.data, b.device, from, Device{}, size_t(b.bytes()), nullptr);
  }
};

}  // namespace ndarray

NDArray::NDArray(Shape shape, Device device, Dtype dtype)
    : chunk_(std::make_shared<ChunkMemory>(device, ndarray::bytes_of("NDArray", shape, dtype))),
      shape_(shape),
      dtype_(dtype) {
  if (device.kind != Device::kCpu)
    device_api(device);  // a missing card is an error here, not later
}

bool NDArray::written_since() const { return seen_ != memory_of(*this).recorded_writes(); }

NDArray NDArray::from_host(const void* src, Shape shape, Dtype dtype, Device device) {
  NDArray a(shape, device, dtype);
  if (void* dst = memory_of(a).data())  // nobody else has seen it yet
    device_api(device).copy(dst, device, src, Device{}, a.chunk_->bytes, nullptr);
  return a;
}

NDArray NDArray::wrap(void* data, Shape shape, Dtype dtype, Device device,
                      std::shared_ptr<void> owner) {
  NDArray a(shape, device, dtype);
  check(data || a.chunk_->bytes == 0, "[NDArray] found no memory to wrap, expected {} bytes",
        a.chunk_->bytes);
  // Memory without an owner is the caller's to keep; it is still not the pool's.
  memory_of(a).owner_ = owner ? std::move(owner) : std::shared_ptr<void>(data, [](void*) {});
  memory_of(a).data_.store(data, std::memory_order_release);
  return a;
}

NDArray NDArray::view(Shape shape, Dtype dtype, int64_t offset) const {
  check(bool(chunk_), "[view] found no array, only none");
  const size_t bytes = ndarray::bytes_of("view", shape, dtype);
  check(offset >= 0 && size_t(offset) <= chunk_->bytes && bytes <= chunk_->bytes - size_t(offset),
        "[view] found {} of {} at byte {}, expected it to lie within {} bytes", shape, dtype,
        offset, chunk_->bytes);
  check(offset % dtype_size(dtype) == 0, "[view] found {} at byte {}, expected a multiple of {}",
        dtype, offset, dtype_size(dtype));
  NDArray a;
  a.chunk_ = chunk_;
  a.shape_ = shape;
  a.dtype_ = dtype;
  a.offset_ = offset;
  a.view_ = true;
  a.seen_ = memory_of(*this).recorded_writes();
  return a;
}

NDArray NDArray::slice(int64_t begin, int64_t end) const {
  check(shape_.rank() > 0, "[slice] found an array of shape {}, expected at least one axis",
        shape_);
  check(0 <= begin && begin <= end && end <= shape_[0],
        "IndexError: [slice] found rows [{}, {}), expected them within [0, {}) of shape {}", begin,
        end, shape_[0], shape_);
  Shape rows = shape_;
  rows[0] = end - begin;
  return view(rows, dtype_, offset_ + begin * shape_.size(1) * dtype_size(dtype_));
}

NDArray NDArray::at(int64_t index) const {
  check(shape_.rank() > 0, "[at] found an array of shape {}, expected at least one axis", shape_);
  check(0 <= index && index < shape_[0],
        "IndexError: [at] found index {}, expected it within [0, {}) of shape {}", index, shape_[0],
        shape_);
  const NDArray row = slice(index, index + 1);
  return shape_.rank() == 1 ? row : row.reshape(Shape::of(shape_.begin() + 1, shape_.end()));
}

NDArray NDArray::reshape(Shape shape) const {
  check(ndarray::bytes_of("reshape", shape, dtype_) == size_t(bytes()),
        "ValueError: [reshape] found shape {}, expected {} elements as in {}", shape, size(),
        shape_);
  return view(shape, dtype_, offset_);
}

NDArray NDArray::detach() const {
  NDArray a = *this;
  a.tape = nullptr;
  a.view_ = false;  // who detaches wants a constant
  return a;
}

void NDArray::leave_borrowed_memory() {
  if (chunk_.use_count() > 1) memory_of(*this).adopt();
}

Blob NDArray::blob() const {
  void* data = memory_of(*this).data();
  return {data ? static_cast<char*>(data) + offset_ : nullptr, shape_, dtype_, chunk_->device};
}

void NDArray::copy_to(void* dst) const {
  check(bool(chunk_), "[copy_to] found no array, only none");
  wait_to_read();
  if (var().poisoned()) {  // the error was delivered before, once
    check(
        !setting_flag("HEDDLE_STRICT_READS"),
        "[copy_to] the array of shape {} has no value: the task that should have written it failed",
        shape_);
    return fill_failed(dst, dtype_, size());
  }
  const Blob b = blob();
  device_api(b.device).copy(dst, Device{}, b.data, b.device, size_t(b.bytes()), nullptr);
}

void NDArray::copy_from(const void* src) const {
  check(bool(chunk_), "[copy_from] found no array, only none");
  const ndarray::Transfer transfer{this, src};
  const Engine::BorrowedUse use{&var(), write_access()};
  auto body = [](void* t) { static_cast<const ndarray::Transfer*>(t)->run(); };
  if (!device_api(device()).asynchronous() &&
      Engine::get().run_if_idle({&use, 1}, "copy_from", body,
                                const_cast<ndarray::Transfer*>(&transfer)))
    return;
  copy(from_host(src, shape_, dtype_), *this);
}

}  // namespace heddle
