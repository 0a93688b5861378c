// CUDA's streams and events, for the files of libheddle_cuda.
#pragma once
#include <cublas_v2.h>
#include <cuda_runtime.h>

#include <memory>

#include "heddle/device.h"

namespace heddle::cuda {

// Throws Error "[gpu] <what>: <what CUDA said>".
void check_cuda(cudaError_t status, std::string_view what);
void check_cublas(cublasStatus_t status, std::string_view what);

// Makes a card the current one of this thread while it lives.
class Current {
 public:
  explicit Current(int card);
  ~Current();
  Current(const Current&) = delete;
  Current& operator=(const Current&) = delete;

 private:
  int before_ = -1;
};

class CudaEvent : public Event {
 public:
  explicit CudaEvent(cudaStream_t stream);  // records it
  ~CudaEvent() override;
  CudaEvent(const CudaEvent&) = delete;
  CudaEvent& operator=(const CudaEvent&) = delete;
  bool done() const override;  // throws what the work before it died of
  void wait() const override;
  cudaEvent_t raw() const { return event_; }

 private:
  cudaEvent_t event_ = nullptr;
};

class CudaStream : public Stream {
 public:
  explicit CudaStream(int card);
  ~CudaStream() override;
  EventRef record() override;
  void wait_for(const EventRef& e) override;
  cudaStream_t raw() const { return stream_; }
  int card() const { return card_; }
  cublasHandle_t blas();  // made at first use; only from tasks of this stream

 private:
  int card_;
  cudaStream_t stream_ = nullptr;
  cublasHandle_t blas_ = nullptr;
};

// How many cards there are; throws Error saying what is missing: the driver, a newer one, or a
// card.
int find_cards();
// Puts them, and pinned memory, into the table of devices.
void offer_cards(int count);

// The stream a kernel launches on. Null stands for the calling thread's own.
inline cudaStream_t raw(Stream* stream) {
  return stream ? static_cast<CudaStream*>(stream)->raw() : cudaStreamPerThread;
}

}  // namespace heddle::cuda
