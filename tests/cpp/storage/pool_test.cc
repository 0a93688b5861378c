// The pool: size classes, counters, reuse, threads, fork, and a device that runs out or lags
// behind.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <random>
#include <thread>
#include <vector>

#include "device/fake_device.h"
#include "heddle/storage.h"
#include "storage/size_class.h"

// Sanitizers end the process at absurd requests unless told not to.
extern "C" const char* __asan_default_options() { return "allocator_may_return_null=1"; }
extern "C" const char* __tsan_default_options() { return "allocator_may_return_null=1"; }

namespace heddle {
namespace {

using storage::class_bytes;
using storage::class_of;

// A pool of its own for every test.
Pool& fresh_pool() {
  static std::atomic<int> id{100};
  setenv("HEDDLE_POOL", "1", 1);
  return Pool::of({Device::kCpu, id++});
}

TEST(SizeClass, EveryClassHoldsWhatIsAskedAndWastesLittle) {
  for (size_t n = 1; n < 70000; ++n) {
    const int c = class_of(n);
    ASSERT_GE(class_bytes(c), n);
    if (c > 0) {
      ASSERT_LT(class_bytes(c - 1), n);
    }
    ASSERT_EQ(class_bytes(c) % 64, 0u);
    if (n > 512) {
      ASSERT_LE(class_bytes(c) - n, n / 8);
    }
  }
  std::mt19937_64 random(1);
  for (int i = 0; i < 200000; ++i) {
    const size_t n = (random() >> (random() % 64)) % storage::kLargest + 1;
    const int c = class_of(n);
    ASSERT_GE(class_bytes(c), n);
    if (n > 512) {
      ASSERT_LE(class_bytes(c) - n, n / 8) << n;
    }
    if (n >= 32768) {
      ASSERT_EQ(class_bytes(c) % 4096, 0u);
    }
  }
  EXPECT_EQ(class_bytes(storage::kClasses - 1), storage::kLargest);
}

TEST(Pool, CountsExactly) {
  Pool& pool = fresh_pool();
  const Memory a = pool.allocate(1000), b = pool.allocate(300000);
  EXPECT_EQ(pool.stats().live, 301000);
  EXPECT_EQ(pool.stats().allocations, 2);
  pool.free(b);
  EXPECT_EQ(pool.stats().live, 1000);
  EXPECT_EQ(pool.stats().peak_live, 301000);
  EXPECT_EQ(pool.stats().cached, int64_t(class_bytes(class_of(300000))));
  pool.reset_peak();
  EXPECT_EQ(pool.stats().peak_live, 1000);
  pool.free(a);
  const Memory c = pool.allocate(5);
  EXPECT_EQ(pool.stats().peak_live, 1000);
  pool.free(c);
  EXPECT_EQ(pool.stats().live, 0);
  EXPECT_EQ(pool.stats().allocations, 3);
}

TEST(Pool, BlocksAreAlignedAndTheirOwn) {
  Pool& pool = fresh_pool();
  std::vector<Memory> held;
  for (size_t n : {1, 63, 64, 65, 511, 513, 4097, 70000, 3 << 20}) {
    for (int i = 0; i < 3; ++i) {
      held.push_back(pool.allocate(n));
      EXPECT_EQ(reinterpret_cast<uintptr_t>(held.back().data) % 64, 0u);
      std::memset(held.back().data, int(held.size()), n);
    }
  }
  for (size_t i = 0; i < held.size(); ++i) {
    const auto* bytes = static_cast<const uint8_t*>(held[i].data);
    EXPECT_EQ(bytes[0], i + 1);
    EXPECT_EQ(bytes[held[i].bytes - 1], i + 1);
  }
  for (const Memory& m : held) pool.free(m);
}

TEST(Pool, FreedBlocksAreHandedOutAgain) {
  Pool& pool = fresh_pool();
  for (size_t n : {100, 100000}) {
    const Memory a = pool.allocate(n);
    pool.free(a);
    const Memory b = pool.allocate(n - 1);
    EXPECT_EQ(a.data, b.data);
    pool.free(b);
  }
}

TEST(Pool, ZeroBytesAreLegal) {
  Pool& pool = fresh_pool();
  const Memory none = pool.allocate(0);
  EXPECT_EQ(none.data, nullptr);
  EXPECT_EQ(none.bytes, 0u);
  pool.free(none);
  EXPECT_EQ(pool.stats().live, 0);
}

TEST(Pool, GivesTheCacheBack) {
  Pool& pool = fresh_pool();
  std::vector<Memory> held;
  for (int i = 0; i < 100; ++i) held.push_back(pool.allocate(size_t(1) << (i % 20)));
  for (const Memory& m : held) pool.free(m);
  EXPECT_GT(pool.stats().cached, 0);
  pool.release_cache();
  EXPECT_EQ(pool.stats().cached, 0);
}

TEST(Pool, ChangingSizesDoNotPileUp) {
  Pool& pool = fresh_pool();
  for (size_t n = size_t(10) << 20; n < size_t(60) << 20; n += size_t(1) << 20)
    pool.free(pool.allocate(n));
  EXPECT_LE(pool.stats().cached, int64_t(2 * (68 << 20)));
}

TEST(Pool, AbsurdRequestsThrowAndNameThemselves) {
  Pool& pool = fresh_pool();
  for (size_t n : {size_t(1) << 46, size_t(1) << 50, SIZE_MAX}) {
    try {
      pool.allocate(n);
      FAIL() << n;
    } catch (const Error& e) {
      EXPECT_NE(std::string(e.what()).find(std::to_string(n)), std::string::npos) << e.what();
    }
  }
  EXPECT_EQ(pool.stats().live, 0);
}

TEST(Pool, ThreadsShareOnePool) {
  Pool& pool = fresh_pool();
  std::atomic<int> clashes{0};
  auto work = [&](int seed) {
    std::mt19937 random(seed);
    std::vector<Memory> held;
    for (int i = 0; i < 20000; ++i) {
      if (held.size() < 50 && random() % 2) {
        held.push_back(pool.allocate(random() % 3000 + 8));
        *static_cast<int64_t*>(held.back().data) = int64_t(seed) << 32 | int64_t(i);
      } else if (!held.empty()) {
        const size_t at = random() % held.size();
        if (*static_cast<int64_t*>(held[at].data) >> 32 != seed) ++clashes;
        pool.free(held[at]);
        held[at] = held.back();
        held.pop_back();
      }
      if (i % 5000 == 0) pool.release_cache();
      if (i % 1000 == 0) pool.stats();
    }
    for (const Memory& m : held) pool.free(m);
  };
  std::vector<std::thread> threads;
  for (int t = 1; t <= 4; ++t) threads.emplace_back(work, t);
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(clashes, 0);
  EXPECT_EQ(pool.stats().live, 0);
  pool.release_cache();  // the threads have ended, so nobody keeps a block back
  EXPECT_EQ(pool.stats().cached, 0);
}

TEST(Pool, OneThreadMayFreeWhatAnotherAllocated) {
  Pool& pool = fresh_pool();
  std::vector<Memory> held(1000);
  std::thread([&] {
    for (Memory& m : held) m = pool.allocate(256);
  }).join();
  EXPECT_EQ(pool.stats().live, 256000);
  for (const Memory& m : held) pool.free(m);
  EXPECT_EQ(pool.stats().live, 0);
  EXPECT_EQ(pool.stats().peak_live, 256000);
  EXPECT_EQ(pool.stats().allocations, 1000);
}

TEST(Pool, WorksOnBothSidesOfAFork) {
  Pool& pool = fresh_pool();
  std::atomic<bool> stop{false};
  std::thread busy([&] {
    while (!stop) pool.free(pool.allocate(200000));
  });
  for (int i = 0; i < 20; ++i) {
    const pid_t child = fork();
    if (child == 0) {
      alarm(20);
      pool.free(pool.allocate(200000));
      pool.free(pool.allocate(100));
      pool.stats();
      _exit(0);
    }
    int status = -1;
    waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
  }
  stop = true;
  busy.join();
}

TEST(Pool, FullDeviceGivesTheCacheBackAndTriesAgain) {
  auto& device = fake::FakeDevice::install();
  Pool& pool = Pool::of({Device::kFake, 100});
  device.capacity = 1 << 20;
  pool.free(pool.allocate(600000));  // stays cached
  const Memory other = pool.allocate(900000);
  EXPECT_NE(other.data, nullptr);
  try {
    pool.allocate(500000);
    FAIL();
  } catch (const Error& e) {
    const std::string text = e.what();
    EXPECT_NE(text.find("500000 bytes asked for, 900000 live, 0 cached"), std::string::npos)
        << text;
  }
  pool.free(other);
}

TEST(Pool, BlocksWaitForTheirEvent) {
  fake::FakeDevice::install();
  Pool& pool = Pool::of({Device::kFake, 101});
  auto event = std::make_shared<fake::FakeEvent>();
  const Memory a = pool.allocate(1000);
  pool.free(a, event);
  EXPECT_EQ(pool.stats().live, 0);
  const Memory b = pool.allocate(1000);
  EXPECT_NE(a.data, b.data);
  event->set();
  const Memory c = pool.allocate(1000);
  EXPECT_EQ(a.data, c.data);
  pool.free(b);
  pool.free(c, nullptr);
}

}  // namespace
}  // namespace heddle
