// Splitting work: fixed pieces, nesting, exceptions, how many threads run.
#include "heddle/parallel.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <barrier>
#include <latch>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

namespace heddle {

class Parallel : public testing::Test {
 protected:
  ~Parallel() override { set_threads(0); }
};

std::set<std::pair<int64_t, int64_t>> pieces_of(int64_t n, int64_t grain) {
  std::mutex lock;
  std::set<std::pair<int64_t, int64_t>> pieces;
  parallel_for(n, grain, [&](int64_t begin, int64_t end) {
    std::lock_guard l(lock);
    EXPECT_TRUE(pieces.emplace(begin, end).second);
  });
  return pieces;
}

TEST_F(Parallel, PiecesDependOnSizeAndGrainOnly) {
  const std::set<std::pair<int64_t, int64_t>> expected = {{0, 30}, {30, 60}, {60, 90}, {90, 100}};
  for (int threads : {1, 2, 3, 8}) {
    set_threads(threads);
    EXPECT_EQ(heddle::threads(), threads);
    EXPECT_EQ(pieces_of(100, 30), expected);
    EXPECT_EQ(pieces_of(5, 100), (std::set<std::pair<int64_t, int64_t>>{{0, 5}}));
    EXPECT_TRUE(pieces_of(0, 10).empty());
    EXPECT_TRUE(pieces_of(-3, 10).empty());
    EXPECT_EQ(pieces_of(3, 0).size(), 3u);
    EXPECT_EQ(pieces_of(1000, 1).size(), 1000u);
    EXPECT_EQ(pieces_of(10, INT64_MAX).size(), 1u);
  }
}

TEST_F(Parallel, AnExceptionReachesTheCallerAndTheNextLoopWorks) {
  for (int threads : {1, 4}) {
    set_threads(threads);
    auto loop = [] {
      parallel_for(100, 1, [](int64_t begin, int64_t) {
        if (begin == 40) throw Error("[Piece] broke");
      });
    };
    EXPECT_THROW(loop(), Error);
    EXPECT_EQ(pieces_of(100, 1).size(), 100u);
  }
}

TEST_F(Parallel, LoopsNest) {
  set_threads(4);
  std::atomic<int> count{0};
  parallel_for(20, 1, [&](int64_t, int64_t) {
    parallel_for(20, 3, [&](int64_t begin, int64_t end) {
      parallel_for(end - begin, 1, [&](int64_t, int64_t) { ++count; });
    });
  });
  EXPECT_EQ(count, 400);
}

// A thread that waits for the end of its inner loop takes no piece of the outer one meanwhile: what
// it holds (here a flag, elsewhere scratch memory) is not met by unrelated work.
TEST_F(Parallel, AWaitingThreadTakesNoUnrelatedWork) {
  set_threads(4);
  std::atomic<int> met{0};
  parallel_for(64, 1, [&](int64_t, int64_t) {
    static thread_local bool inside = false;
    if (inside) ++met;
    inside = true;
    parallel_for(64, 1, [](int64_t, int64_t) {});
    inside = false;
  });
  EXPECT_EQ(met, 0);
}

TEST_F(Parallel, RunInArenaRunsTheBody) {
  int x = 0;
  run_in_arena([](void* p) { *static_cast<int*>(p) = 7; }, &x);
  EXPECT_EQ(x, 7);
  auto loop = [](void*) { EXPECT_EQ(pieces_of(50, 5).size(), 10u); };
  run_in_arena(loop, nullptr);
  EXPECT_THROW(run_in_arena([](void*) { throw Error("out"); }, nullptr), Error);
}

// Whatever the number of callers, at most as many pieces run as there are slots and callers.
TEST_F(Parallel, RunnableThreadsAreBounded) {
  constexpr int kThreads = 2, kCallers = 3;
  set_threads(kThreads);
  std::atomic<int> now{0}, most{0};
  std::vector<std::thread> callers;
  for (int c = 0; c < kCallers; ++c)
    callers.emplace_back([&] {
      for (int i = 0; i < 50; ++i)
        parallel_for(40, 1, [&](int64_t, int64_t) {
          const int seen = now.fetch_add(1) + 1;
          for (int old = most; old < seen && !most.compare_exchange_weak(old, seen);) {
          }
          now.fetch_sub(1);
        });
    });
  for (std::thread& t : callers) t.join();
  EXPECT_LE(most, kThreads + kCallers);
}

// All slots are held by threads that sleep until the one outside has finished its loop.
TEST_F(Parallel, AFullArenaHoldsNobodyUp) {
  constexpr int kThreads = 2;
  set_threads(kThreads);
  struct {
    std::latch entered{kThreads}, leave{1};
  } both;
  std::vector<std::thread> sleepers;
  for (int i = 0; i < kThreads; ++i)
    sleepers.emplace_back([&] {
      run_in_arena(
          [](void* p) {
            auto& b = *static_cast<decltype(both)*>(p);
            b.entered.count_down();
            b.leave.wait();
          },
          &both);
    });
  both.entered.wait();
  EXPECT_EQ(pieces_of(100, 1).size(), 100u);
  int x = 0;
  run_in_arena([](void* p) { *static_cast<int*>(p) = 1; }, &x);
  EXPECT_EQ(x, 1);
  both.leave.count_down();
  for (std::thread& t : sleepers) t.join();
}

#if !defined(__SANITIZE_THREAD__)
TEST_F(Parallel, WorksInAForkedChild) {
  set_threads(2);
  EXPECT_EQ(pieces_of(100, 1).size(), 100u);
  const pid_t pid = fork();
  if (pid == 0) {
    alarm(20);
    _exit(pieces_of(100, 1).size() == 100u ? 0 : 1);
  }
  int status = -1;
  waitpid(pid, &status, 0);
  EXPECT_EQ(status, 0);
}

// oneTBB's own threads fall asleep and wake all the time, under locks that a fork leaves taken.
TEST_F(Parallel, WorksInChildrenForkedWhileLoopsRun) {
  set_threads(4);
  std::atomic<bool> stop{false};
  std::vector<std::thread> busy;
  for (int t = 0; t < 2; ++t)
    busy.emplace_back([&] {
      while (!stop) parallel_for(16, 1, [](int64_t, int64_t) { std::this_thread::yield(); });
    });
  int good = 0;
  constexpr int kForks = 300;
  for (int i = 0; i < kForks && good == i; ++i) {
    const pid_t pid = fork();
    if (pid == 0) {
      alarm(10);
      bool works = true;
      auto loops = [&] {
        int x = 0;
        run_in_arena([](void* p) { *static_cast<int*>(p) = 1; }, &x);
        for (int k = 0; k < 20; ++k) works &= x == 1 && pieces_of(100, 1).size() == 100u;
      };
      std::thread(loops).join();
      loops();
      _exit(works ? 0 : 1);
    }
    int status = -1;
    waitpid(pid, &status, 0);
    good += status == 0;
  }
  stop = true;
  for (std::thread& t : busy) t.join();
  EXPECT_EQ(good, kForks);
}
#endif

TEST_F(Parallel, SetThreadsRefusesNonsense) {
  EXPECT_THROW(set_threads(-1), Error);
  EXPECT_GE(usable_threads(), 1);
}

}  // namespace heddle
