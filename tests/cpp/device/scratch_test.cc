// Scratch memory of a thread.
#include "device/scratch.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <thread>
#include <vector>

#include "heddle/device.h"

namespace heddle {

TEST(Scratch, IsAlignedAndDoesNotOverlap) {
  ScratchScope scope;
  char* last = nullptr;
  for (size_t bytes : {1, 63, 64, 65, 1000, 200000, 3, 5000000}) {
    char* p = static_cast<char*>(thread_scratch(bytes));
    EXPECT_EQ(reinterpret_cast<uintptr_t>(p) % 64, 0u);
    std::memset(p, static_cast<int>(bytes % 100), bytes);
    EXPECT_NE(p, last);
    last = p;
  }
}

TEST(Scratch, WhatWasHandedOutStaysWhileMoreIs) {
  ScratchScope scope;
  int* first = static_cast<int*>(thread_scratch(sizeof(int)));
  *first = 42;
  for (int i = 0; i < 10; ++i) std::memset(thread_scratch(100000 << i % 4), 7, 100000);
  EXPECT_EQ(*first, 42);
}

TEST(Scratch, AnInnerScopeGivesBackOnlyItsOwn) {
  ScratchScope outer;
  char* a = static_cast<char*>(thread_scratch(128));
  std::memset(a, 1, 128);
  char* b = nullptr;
  {
    ScratchScope inner;
    b = static_cast<char*>(thread_scratch(128));
    std::memset(b, 2, 128);
    std::memset(thread_scratch(1 << 20), 3, 1 << 20);
  }
  EXPECT_EQ(thread_scratch(128), b);  // used again
  for (int i = 0; i < 128; ++i) EXPECT_EQ(a[i], 1);
}

TEST(Scratch, ALoanIsUsedAndCounted) {
  alignas(64) static char lent[1024];
  ScratchScope outer;
  const void* const before = thread_scratch(64);
  {
    const ScratchLoan loan(lent, sizeof lent);
    for (int run = 0; run < 2; ++run) {
      ScratchScope scope;
      EXPECT_EQ(thread_scratch(100), lent);
      {
        ScratchScope inner;
        EXPECT_EQ(thread_scratch(256), lent + 128);
      }
      EXPECT_EQ(thread_scratch(640), lent + 128);
      EXPECT_EQ(loan.most(), run == 0 ? 768u : 1024u);
      EXPECT_THROW(thread_scratch(257), Error);
      EXPECT_EQ(thread_scratch(256), lent + 768);
      EXPECT_EQ(loan.most(), 1024u);
      const ScratchLoan within;  // own memory again, counted anew
      ScratchScope own;
      char* const p = static_cast<char*>(thread_scratch(1 << 20));
      EXPECT_TRUE(p + (1 << 20) <= lent || p >= lent + sizeof lent);
      EXPECT_EQ(within.most(), 1u << 20);
    }
    EXPECT_THROW(thread_scratch(1), Error);  // the scopes outside are not this loan's
  }
  EXPECT_EQ(thread_scratch(64), static_cast<const char*>(before) + 64);
}

// Bytes of a call, and of a piece of its loops, on two threads.
TEST(Scratch, ARoomIsUsedFirstAndSharedWithOtherThreads) {
  const int64_t bytes = ScratchRoom::bytes(1000, 500, 2);
  ASSERT_GE(bytes, 2000);
  std::vector<char> memory(size_t(bytes) + 64);
  char* const data = memory.data() + (64 - uintptr_t(memory.data()) % 64) % 64;
  const auto inside = [&](void* p) { return p >= data && p < data + bytes; };
  EXPECT_EQ(ScratchRoom::current(), nullptr);
  const ScratchCount count;
  {
    ScratchRoom room(data, 1000, 500, 2);
    ScratchScope scope;
    EXPECT_EQ(thread_scratch(1000), data);
    EXPECT_TRUE(inside(thread_scratch(500)));
    EXPECT_FALSE(inside(thread_scratch(1 << 20)));  // more than was said
    EXPECT_TRUE(inside(thread_scratch(64)));
    ScratchRoom* const shared = ScratchRoom::current();
    std::thread([&] {
      EXPECT_EQ(ScratchRoom::current(), nullptr);
      const ScratchRoom::Share share(shared);
      ScratchScope own;
      EXPECT_TRUE(inside(thread_scratch(500)));
      std::thread([&] {
        const ScratchRoom::Share none(shared);  // there is one place
        ScratchScope other;
        EXPECT_FALSE(inside(thread_scratch(500)));
      }).join();
      EXPECT_EQ(ScratchRoom::current(), nullptr);
    }).join();
    std::thread([&] {
      const ScratchRoom::Share again(shared);
      ScratchScope own;
      EXPECT_TRUE(inside(thread_scratch(500)));
    }).join();
  }
  EXPECT_EQ(ScratchRoom::current(), nullptr);
  EXPECT_EQ(count.most(), size_t(1024 + 512 + (1 << 20) + 64));
  ScratchScope scope;
  EXPECT_FALSE(inside(thread_scratch(64)));
}

TEST(Scratch, IsGivenBackByThreadsThatDoNotUseIt) {
  release_scratch();
  const int64_t before = scratch_held();
  {
    ScratchScope scope;
    auto* const p = static_cast<char*>(thread_scratch(1 << 20));
    EXPECT_GE(scratch_held(), before + (1 << 20));
    release_scratch();
    std::memset(p, 1, 1 << 20);  // it is in use
    EXPECT_GE(scratch_held(), before + (1 << 20));
  }
  EXPECT_EQ(scratch_held(), before);
  {
    ScratchScope scope, inner;
    thread_scratch(100);
  }
  EXPECT_EQ(scratch_held(), before + int64_t(kSmallestScratch));
  std::thread([] { release_scratch(); }).join();
  EXPECT_EQ(scratch_held(), before);
}

TEST(Scratch, IsReusedBetweenKernels) {
  void* first;
  {
    ScratchScope scope;
    thread_scratch(300000);
    thread_scratch(700000);
  }
  {
    ScratchScope scope;
    first = thread_scratch(900000);  // the blocks have become one
  }
  ScratchScope scope;
  EXPECT_EQ(thread_scratch(900000), first);
}

TEST(Scratch, IsOfTheThread) {
  ScratchScope scope;
  void* mine = thread_scratch(64);
  void* other = nullptr;
  std::thread([&] {
    ScratchScope inner;
    other = thread_scratch(64);
  }).join();
  EXPECT_NE(mine, other);
}

TEST(Scratch, WithoutAScopeIsAnError) {
  EXPECT_THROW(thread_scratch(8), Error);
  ScratchScope scope;
  EXPECT_THROW(thread_scratch(SIZE_MAX - 10), Error);
}

}  // namespace heddle
