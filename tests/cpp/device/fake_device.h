// An asynchronous device made of host memory and one thread per stream, for tests. A gate holds all
// streams, so that a test decides when "the device" goes on.
#pragma once
#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "heddle/device.h"

namespace heddle::fake {

class Gate {
 public:
  void close() { set(false); }
  void open() { set(true); }
  void pass() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return open_; });
  }

 private:
  void set(bool open) {
    std::lock_guard lock(mutex_);
    open_ = open;
    changed_.notify_all();
  }
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = true;
};

class FakeEvent : public Event {
 public:
  bool done() const override {
    std::lock_guard lock(mutex_);
    return done_;
  }
  void wait() const override {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return done_; });
  }
  void set() const {
    std::lock_guard lock(mutex_);
    done_ = true;
    changed_.notify_all();
  }

 private:
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  mutable bool done_ = false;
};

class FakeStream : public Stream {
 public:
  explicit FakeStream(std::shared_ptr<Gate> gate)
      : gate_(std::move(gate)), worker_([this] { work(); }) {}
  ~FakeStream() override {
    {
      std::lock_guard lock(mutex_);
      closing_ = true;
    }
    changed_.notify_all();
    worker_.join();
  }
  EventRef record() override {
    auto event = std::make_shared<FakeEvent>();
    enqueue([event] { event->set(); });
    return event;
  }
  void wait_for(const EventRef& e) override {
    if (e) enqueue([e] { e->wait(); });
  }
  // Work of the device: runs on the stream's thread, in order.
  void enqueue(std::function<void()> work) {
    {
      std::lock_guard lock(mutex_);
      queue_.push_back(std::move(work));
    }
    changed_.notify_all();
  }

 private:
  void work() {
    for (;;) {
      std::function<void()> next;
      {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return closing_ || !queue_.empty(); });
        if (queue_.empty()) return;
        next = std::move(queue_.front());
        queue_.pop_front();
      }
      gate_->pass();
      next();
    }
  }
  std::shared_ptr<Gate> gate_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> queue_;
  bool closing_ = false;
  std::thread worker_;
};

class FakeDevice : public DeviceApi {
 public:
  // Replaces whatever the kind kFake had; lives as long as the process.
  static FakeDevice& install() {
    auto made = std::make_unique<FakeDevice>();
    FakeDevice& device = *made;
    set_device_api(Device::kFake, std::move(made));
    return device;
  }
  Gate& gate() { return *gate_; }
  std::atomic<size_t> capacity{size_t{1} << 30};
  std::atomic<size_t> used{0};

  int count() const override { return 2; }
  bool asynchronous() const override { return true; }
  void* allocate(Device d, size_t bytes) override {
    const size_t now = used.fetch_add(bytes) + bytes;
    void* p = now <= capacity ? std::aligned_alloc(64, (bytes + 63) / 64 * 64) : nullptr;
    if (!p) used.fetch_sub(bytes);
    check(p != nullptr, "[{}] the fake device found no {} bytes", d, bytes);
    return p;
  }
  void free(Device, void* p, size_t bytes) override {
    used.fetch_sub(bytes);
    std::free(p);
  }
  std::unique_ptr<Stream> make_stream(Device) override {
    return std::make_unique<FakeStream>(gate_);
  }
  void copy(void* dst, Device, const void* src, Device, size_t bytes, Stream* stream) override {
    if (stream) static_cast<FakeStream*>(stream)->enqueue([=] { std::memmove(dst, src, bytes); });
    else if (bytes) std::memmove(dst, src, bytes);
  }

 private:
  std::shared_ptr<Gate> gate_ = std::make_shared<Gate>();
};

}  // namespace heddle::fake
