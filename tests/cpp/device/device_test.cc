// The table of devices, the host as one of them, and the fake asynchronous one.
#include "heddle/device.h"

#include <gtest/gtest.h>
#include <sched.h>

#include <cstdint>
#include <cstring>

#include "device/fake_device.h"
#include "device/system.h"

namespace heddle {
namespace {

std::string error_of(Device d) {
  try {
    device_api(d);
  } catch (const Error& e) {
    return e.what();
  }
  return "";
}

TEST(DeviceTable, TheHostIsSynchronous) {
  for (Device d : {Device{}, Device{Device::kCpu, 7}, Device{Device::kPinned, 0}}) {
    DeviceApi& api = device_api(d);
    EXPECT_FALSE(api.asynchronous());
    EXPECT_EQ(api.make_stream(d), nullptr);
    for (size_t n : {1, 1000, 5 << 20}) {
      void* p = api.allocate(d, n);
      EXPECT_EQ(reinterpret_cast<uintptr_t>(p) % 64, 0u);
      std::memset(p, 1, n);
      api.free(d, p, n);
    }
    EXPECT_THROW(api.allocate(d, SIZE_MAX - 100), Error);
  }
}

TEST(DeviceTable, AMissingCudaPartIsOneClearError) {
  setenv("HEDDLE_CUDA_LIBRARY", "/nowhere/libheddle_cuda.so", 1);
  for (int again = 0; again < 2; ++again) {
    const std::string text = error_of({Device::kCuda, 0});
    EXPECT_NE(text.find("CUDA part"), std::string::npos) << text;
    EXPECT_NE(text.find("/nowhere/libheddle_cuda.so"), std::string::npos) << text;
    EXPECT_EQ(device_count(Device::kCuda), 0);
  }
  unsetenv("HEDDLE_CUDA_LIBRARY");
}

TEST(DeviceTable, AnotherLibraryIsNoCudaPart) {
  setenv("HEDDLE_CUDA_LIBRARY", "libm.so.6", 1);
  const std::string text = error_of({Device::kCuda, 0});
  EXPECT_NE(text.find("not the CUDA part"), std::string::npos) << text;
  unsetenv("HEDDLE_CUDA_LIBRARY");
}

TEST(DeviceTable, UnknownKindsThrow) {
  EXPECT_NE(error_of({static_cast<Device::Kind>(5), 0}), "");
  EXPECT_NE(error_of({static_cast<Device::Kind>(200), 0}), "");
}

TEST(Threads, WhoIsMovedMayRunWhereItMightBefore) {
  const int me = system::this_thread();
  if (me < 0) GTEST_SKIP() << "this system lets nobody move a thread";
  cpu_set_t before, after;
  ASSERT_EQ(sched_getaffinity(me, sizeof(before), &before), 0);
  system::move_from_here(me);
  ASSERT_EQ(sched_getaffinity(me, sizeof(after), &after), 0);
  EXPECT_TRUE(CPU_EQUAL(&before, &after));

  cpu_set_t here;  // and stays on the one processor that it is bound to
  CPU_ZERO(&here);
  CPU_SET(size_t(sched_getcpu()), &here);
  ASSERT_EQ(sched_setaffinity(me, sizeof(here), &here), 0);
  system::move_from_here(me);
  ASSERT_EQ(sched_getaffinity(me, sizeof(after), &after), 0);
  EXPECT_TRUE(CPU_EQUAL(&here, &after));
  sched_setaffinity(me, sizeof(before), &before);
  system::move_from_here(1 << 30);  // there is no such thread: nothing happens
}

TEST(FakeDevice, EventsFollowTheStreamAndTheGate) {
  auto& device = fake::FakeDevice::install();
  const Device d{Device::kFake, 0};
  EXPECT_EQ(&device_api(d), &device);
  device.gate().close();
  {
    auto first = device.make_stream(d), second = device.make_stream(d);
    int from = 42, middle = 0, to = 0;
    device.copy(&middle, d, &from, Device{}, sizeof from, first.get());
    const EventRef copied = first->record();
    second->wait_for(copied);
    device.copy(&to, Device{}, &middle, d, sizeof from, second.get());
    const EventRef arrived = second->record();
    EXPECT_FALSE(copied->done());
    EXPECT_FALSE(arrived->done());
    device.gate().open();
    arrived->wait();
    EXPECT_TRUE(copied->done());
    EXPECT_EQ(to, 42);
  }
}

}  // namespace
}  // namespace heddle
