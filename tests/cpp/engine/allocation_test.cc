// Once its stores are warm, the engine allocates nothing: every operator new of this program
// counts.
//
// Not under sanitizers, which bring an operator new of their own.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#include <cstdlib>
#include <new>

#include "engine/support.h"

namespace heddle {

std::atomic<int64_t> allocations{0};

void* counted(size_t size, size_t alignment) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  void* const p =
      alignment > alignof(std::max_align_t)
          ? std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment)
          : std::malloc(size ? size : 1);
  if (!p) throw std::bad_alloc();
  return p;
}

}  // namespace heddle

#define HEDDLE_TEST_SEEN [[gnu::noinline]]  // else compilers see a free() of what they think is new
HEDDLE_TEST_SEEN void* operator new(size_t size) { return heddle::counted(size, 0); }
HEDDLE_TEST_SEEN void* operator new(size_t size, std::align_val_t a) {
  return heddle::counted(size, size_t(a));
}
HEDDLE_TEST_SEEN void operator delete(void* p) noexcept { std::free(p); }
HEDDLE_TEST_SEEN void operator delete(void* p, size_t) noexcept { std::free(p); }
HEDDLE_TEST_SEEN void operator delete(void* p, std::align_val_t) noexcept { std::free(p); }
HEDDLE_TEST_SEEN void operator delete(void* p, size_t, std::align_val_t) noexcept { std::free(p); }

namespace heddle {

// A store grows when a worker first takes records to it: a few times in a thousand rounds.
constexpr int64_t kSeldom = 20;

// Allocations of a thousand rounds, after as many to warm up. Each ends in a wait, so that no round
// has more on its way than the ones before.
template <class Round>
int64_t allocations_of(Engine& engine, const Round& round) {
  int64_t before = 0;
  for (int i = 0; i < 2000; ++i) {
    if (i == 1000) before = allocations;
    round();
    engine.wait_all();
  }
  return allocations - before;
}

TEST_P(EveryEngine, PushingAllocatesNothing) {
  Var a = Var::make(), b = Var::make();
  int x = 0;
  for (bool small : {true, false})
    EXPECT_LE(allocations_of(*engine,
                             [&] {
                               for (int i = 0; i < 8; ++i)
                                 engine->push({{&a, Access::kUpdate}, {&b, Access::kRead}},
                                              [&x](RunContext&) { ++x; }, {.small = small});
                             }),
              kSeldom)
        << small;
}

TEST_P(EveryEngine, PushingPreparedTasksAndGraphsAllocatesNothing) {
  Var a = Var::make(), b = Var::make();
  int x = 0;
  for (bool small : {true, false}) {
    Task t = task([&x] { ++x; }, {update(a), read(b)});
    t.small = small;
    const TaskRef prepared = engine->prepare(std::move(t));
    EXPECT_LE(allocations_of(*engine, [&] { engine->push(prepared); }), kSeldom) << small;
    std::vector<GraphTask> nodes;
    for (int i = 0; i < 5; ++i) nodes.push_back({task([&x] { ++x; }, {update(a), read(b)})});
    for (GraphTask& n : nodes) n.task.small = small;
    const GraphRef graph = engine->prepare(std::move(nodes));
    EXPECT_LE(allocations_of(*engine, [&] { engine->push(graph); }), kSeldom) << small;
  }
}

TEST_P(EveryEngine, VariablesAndInlineCallsAllocateNothing) {
  EXPECT_LE(allocations_of(*engine,
                           [&] {
                             const Var v = Var::make();
                             const Engine::BorrowedUse use[] = {{&v, Access::kOverwrite}};
                             EXPECT_TRUE(engine->run_if_idle(
                                 use, "inline", [](void*) {}, nullptr));
                           }),
            kSeldom);
}

// That the count works at all.
TEST(Allocations, AreCounted) {
  const int64_t before = allocations;
  auto p = std::make_unique<std::vector<int>>(100);
  EXPECT_GE(allocations - before, 2);
}

}  // namespace heddle
#endif
