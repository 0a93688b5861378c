// The event count that all sleepers of the engine sleep on: nobody sleeps through what he waits
// for.
#include "engine/parts/event_count.h"

#include <gtest/gtest.h>

#include <atomic>
#include <mutex>
#include <thread>
#include <vector>

#include "engine/support.h"

namespace heddle {

using engine::EventCount;

TEST(EventCount, DoesNotSleepForWhatIsSo) {
  EventCount bell;
  int looks = 0;
  bell.await([&] { return ++looks == 1; });
  EXPECT_EQ(looks, 1);
  EXPECT_FALSE(bell.anyone());
}

TEST(EventCount, AnnouncesItselfBeforeItLooks) {
  EventCount bell;
  bool announced = false;
  bell.await([&] { return announced; },
             [&] {
               announced = true;
               EXPECT_TRUE(bell.anyone());
             });
  EXPECT_FALSE(bell.anyone());
}

// What changes while a thread looks, in vain, it looks at again.
TEST(EventCount, LooksAgainAtWhatChangedMeanwhile) {
  EventCount bell;
  int looks = 0;
  bell.await([&] {
    if (++looks == 1) bell.notify();  // as another thread may at this moment
    return looks == 2;
  });
  EXPECT_EQ(looks, 2);
}

// Each turn ends only if the other thread wakes up: a lost wake-up hangs.
TEST(EventCount, LosesNoWakeUpBetweenTwoThreads) {
  EventCount bell;
  std::atomic<int> turn{0};
  const int turns = scaled(20000);
  auto take_turns = [&](int mine) {
    for (int i = mine; i < turns; i += 2) {
      bell.await([&] { return turn.load() == i; });
      turn.store(i + 1);
      bell.notify();
    }
  };
  std::thread other(take_turns, 1);
  take_turns(0);
  other.join();
  EXPECT_EQ(turn.load(), turns);
}

// Sleepers that take something each: as many are woken as there is for them.
TEST(EventCount, WakesOneForEachThatIsThere) {
  EventCount bell;
  std::mutex lock;
  int there = 0, taken = 0;
  const int each = scaled(3000);
  std::vector<std::thread> takers;
  for (int t = 0; t < 3; ++t)
    takers.emplace_back([&] {
      for (int i = 0; i < each; ++i)
        bell.await([&] {
          const std::lock_guard guard(lock);
          if (there == 0) return false;
          --there, ++taken;
          return true;
        });
    });
  for (int i = 0; i < 3 * each; ++i) {
    {
      const std::lock_guard guard(lock);
      ++there;
    }
    bell.notify(1);
  }
  for (std::thread& t : takers) t.join();
  EXPECT_EQ(taken, 3 * each);
  EXPECT_FALSE(bell.anyone());
}

TEST(EventCount, WakesAllWhoWait) {
  EventCount bell;
  std::atomic<bool> so{false};
  std::atomic<int> looked{0}, awake{0};
  std::vector<std::thread> sleepers;
  for (int t = 0; t < 4; ++t)
    sleepers.emplace_back([&] {
      bool first = true;
      bell.await([&] {
        if (std::exchange(first, false)) looked.fetch_add(1);
        return so.load();
      });
      awake.fetch_add(1);
    });
  while (looked.load() < 4) std::this_thread::yield();
  EXPECT_EQ(awake.load(), 0);
  so.store(true);
  bell.notify();
  for (std::thread& t : sleepers) t.join();
  EXPECT_EQ(awake.load(), 4);
}

}  // namespace heddle
