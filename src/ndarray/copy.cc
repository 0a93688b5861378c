// copy(): one array into another as a task, across dtypes and devices.
#include <exception>
#include <utility>

#include "heddle/ndarray.h"
#include "ndarray/chunk.h"
#include "ndarray/convert.h"

namespace heddle {
namespace copying {

constexpr int64_t kSmall = 1 << 16;  // bytes worth copying on the calling thread

bool on_host(Device d) { return !device_api(d).asynchronous(); }

struct HostCopy {
  NDArray src, dst;
  void run() const {
    const Blob from = src.blob(), to = dst.blob();
    convert(to.data, to.dtype, from.data, from.dtype, from.size());
  }
};

// Setting all of `dst` heals it, unless its old contents are what is read.
Access access_to(const NDArray& dst, const NDArray& src) {
  return dst.shares_memory(src) ? Access::kUpdate : dst.write_access();
}

void copy_on_host(const NDArray& src, const NDArray& dst, int priority) {
  HostCopy job{src, dst};
  const Access access = access_to(dst, src);
  const Engine::BorrowedUse uses[] = {{&src.var(), Access::kRead}, {&dst.var(), access}};
  // A variable named twice counts once.
  const std::span borrowed = src.shares_memory(dst) ? std::span(uses).subspan(1) : std::span(uses);
  auto body = [](void* j) { static_cast<HostCopy*>(j)->run(); };
  if (dst.bytes() <= kSmall && Engine::get().run_if_idle(borrowed, "copy", body, &job)) return;
  Engine::get().push(Task{.name = "copy",
                          .run = [job = std::move(job)](RunContext&) { job.run(); },
                          .uses = {{src.var(), Access::kRead}, {dst.var(), access}},
                          .device = dst.device(),
                          .priority = priority,
                          .bytes = dst.bytes()});
}

// One dtype; at least one side is an asynchronous device, whose stream does the work.
void copy_on_device(const NDArray& src, const NDArray& dst, int priority) {
  const bool in = !on_host(dst.device()), out = !on_host(src.device());
  const Device worker = in ? dst.device() : src.device();
  const Lane lane = src.device() == dst.device() ? Lane::kCompute
                    : in                         ? Lane::kCopyIn
                                                 : Lane::kCopyOut;
  if (in != out || src.device() != dst.device()) memory_of(in ? src : dst).reached_by(worker);
  Engine::get().push(Task{.name = "copy",
                          .start =
                              [src, dst](RunContext& ctx, Done done) {
                                try {
                                  const Blob from = src.blob(), to = dst.blob();
                                  device_api(ctx.device)
                                      .copy(to.data, to.device, from.data, from.device,
                                            size_t(from.bytes()), ctx.stream);
                                  done(nullptr, ctx.stream ? ctx.stream->record() : nullptr);
                                } catch (...) {
                                  done(std::current_exception());
                                }
                              },
                          .uses = {{src.var(), Access::kRead}, {dst.var(), access_to(dst, src)}},
                          .device = worker,
                          .lane = lane,
                          .priority = priority,
                          .bytes = dst.bytes()});
}

}  // namespace copying

void copy(const NDArray& src, const NDArray& dst, int priority) {
  using copying::on_host;
  check(src && dst, "[copy] found an array that is none");
  check(src.size() == dst.size(),
        "[copy] found shapes {} and {}, expected the same number of elements", src.shape(),
        dst.shape());
  if (src.shares_memory(dst) && src.offset() == dst.offset() && src.dtype() == dst.dtype()) return;
  const NDArray from = src.detach(), to = dst.detach();  // tasks hold memory, not the tape
  if (on_host(src.device()) && on_host(dst.device()))
    return copying::copy_on_host(from, to, priority);
  if (src.dtype() == dst.dtype()) return copying::copy_on_device(from, to, priority);
  // Dtypes change in host memory.
  NDArray staged(from.shape(), Device{}, on_host(src.device()) ? to.dtype() : from.dtype());
  copy(from, staged, priority);
  if (on_host(src.device()) || on_host(dst.device())) return copy(staged, to, priority);
  NDArray converted(from.shape(), Device{}, to.dtype());
  copy(staged, converted, priority);
  copy(converted, to, priority);
}

}  // namespace heddle
