// CUDA as a device: memory, copies, streams, events.
#include <memory>
#include <utility>

#include "device/cuda.h"

namespace heddle::cuda {

void check_cuda(cudaError_t status, std::string_view what) {
  if (status == cudaSuccess) return;
  cudaGetLastError();  // errors that are not sticky are forgotten, so that the next call is not
                       // blamed
  throw Error(format("[gpu] {}: {}", what, cudaGetErrorString(status)));
}

void check_cublas(cublasStatus_t status, std::string_view what) {
  check(status == CUBLAS_STATUS_SUCCESS, "[gpu] {}: {}", what, cublasGetStatusString(status));
}

Current::Current(int card) {
  int now = -1;
  check_cuda(cudaGetDevice(&now), "asking for the current card");
  if (now == card) return;
  check_cuda(cudaSetDevice(card), "choosing a card");
  before_ = now;
}
Current::~Current() {
  if (before_ >= 0) cudaSetDevice(before_);
}

// --- events and streams
// --------------------------------------------------------------------------- What the end of the
// process finds gone already is not worth a word: destructors ignore errors.

CudaEvent::CudaEvent(cudaStream_t stream) {
  check_cuda(cudaEventCreateWithFlags(&event_, cudaEventDisableTiming | cudaEventBlockingSync),
             "making an event");
  const cudaError_t recorded = cudaEventRecord(event_, stream);
  if (recorded != cudaSuccess) cudaEventDestroy(event_);
  check_cuda(recorded, "recording an event");
}
CudaEvent::~CudaEvent() { cudaEventDestroy(event_); }

bool CudaEvent::done() const {
  const cudaError_t status = cudaEventQuery(event_);
  if (status == cudaErrorNotReady) return false;
  check_cuda(status, "work on the card");
  return true;
}
void CudaEvent::wait() const { check_cuda(cudaEventSynchronize(event_), "work on the card"); }

CudaStream::CudaStream(int card) : card_(card) {
  const Current current(card);
  check_cuda(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "making a stream");
}
CudaStream::~CudaStream() {
  if (blas_) cublasDestroy(blas_);
  cudaStreamDestroy(stream_);
}

EventRef CudaStream::record() {
  const Current current(card_);
  return std::make_shared<CudaEvent>(stream_);
}

void CudaStream::wait_for(const EventRef& e) {
  if (!e) return;
  if (const auto* event = dynamic_cast<const CudaEvent*>(e.get())) {
    check_cuda(cudaStreamWaitEvent(stream_, event->raw(), 0), "waiting for an event");
    return;
  }
  // An event of another kind of device: a thread of CUDA's waits, and this stream with it.
  auto held = std::make_unique<EventRef>(e);
  auto wait = [](void* arg) { (*std::unique_ptr<EventRef>(static_cast<EventRef*>(arg)))->wait(); };
  check_cuda(cudaLaunchHostFunc(stream_, wait, held.get()), "waiting for an event");
  held.release();
}

cublasHandle_t CudaStream::blas() {
  if (!blas_) {
    const Current current(card_);
    check_cublas(cublasCreate(&blas_), "starting cuBLAS");
    check_cublas(cublasSetStream(blas_, stream_), "giving cuBLAS its stream");
  }
  return blas_;
}

// --- the cards
// ------------------------------------------------------------------------------------

class CudaDevice : public DeviceApi {
 public:
  explicit CudaDevice(int count) : count_(count) {}
  int count() const override { return count_; }
  bool asynchronous() const override { return true; }

  void* allocate(Device d, size_t bytes) override {
    if (bytes == 0) return nullptr;
    const Current current(d.id);
    void* p = nullptr;
    const cudaError_t status = cudaMalloc(&p, bytes);
    if (status != cudaSuccess) check_cuda(status, format("{} bytes on {}", bytes, d));
    return p;
  }
  void free(Device, void* p, size_t) override { cudaFree(p); }
  std::unique_ptr<Stream> make_stream(Device d) override {
    return std::make_unique<CudaStream>(d.id);
  }

  void copy(void* dst, Device to, const void* src, Device from, size_t bytes,
            Stream* stream) override {
    if (bytes == 0) return;
    const Current current(to.kind == Device::kCuda ? to.id : from.id);
    const cudaStream_t on = raw(stream);
    check_cuda(cudaMemcpyAsync(dst, src, bytes, cudaMemcpyDefault, on),
               format("copy {} to {}", from, to));
    if (!stream) check_cuda(cudaStreamSynchronize(on), format("copy {} to {}", from, to));
  }

 private:
  int count_;
};

// Host memory that cards reach by themselves, so that copies overlap with work.
class PinnedMemory : public DeviceApi {
 public:
  int count() const override { return 1; }
  bool asynchronous() const override { return false; }
  void* allocate(Device d, size_t bytes) override {
    if (bytes == 0) return nullptr;
    void* p = nullptr;
    const cudaError_t status = cudaHostAlloc(&p, bytes, cudaHostAllocPortable);
    if (status != cudaSuccess) check_cuda(status, format("{} bytes on {}", bytes, d));
    return p;
  }
  void free(Device, void* p, size_t) override { cudaFreeHost(p); }
  std::unique_ptr<Stream> make_stream(Device) override { return nullptr; }
  void copy(void* dst, Device, const void* src, Device, size_t bytes, Stream*) override {
    if (bytes)
      check_cuda(cudaMemcpy(dst, src, bytes, cudaMemcpyHostToHost), "copy in pinned memory");
  }
};

int find_cards() {
  int count = 0;
  const cudaError_t status = cudaGetDeviceCount(&count);
  if (status == cudaErrorInsufficientDriver) {
    int driver = 0;
    cudaDriverGetVersion(&driver);
    check(driver > 0, "[gpu] found no NVIDIA driver (libcuda.so.1) on this machine");
    throw Error(format("[gpu] found a driver for CUDA {}.{}, expected {}.{} or later",
                       driver / 1000, driver % 1000 / 10, CUDART_VERSION / 1000,
                       CUDART_VERSION % 1000 / 10));
  }
  if (status != cudaErrorNoDevice) check_cuda(status, "looking for cards");
  check(count > 0, "[gpu] found the driver, but no CUDA card");
  return count;
}

void offer_cards(int count) {
  set_device_api(Device::kPinned, std::make_unique<PinnedMemory>());
  set_device_api(Device::kCuda, std::make_unique<CudaDevice>(count));
}

}  // namespace heddle::cuda
