// What the engine's tests share: the kinds of engine, latches, ways to write a task.
#pragma once
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <functional>
#include <latch>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "heddle/engine.h"

namespace heddle {

// ThreadSanitizer lets a child start no threads. AddressSanitizer (of GCC 12) does, but the child
// inherits its allocator as it was: a lock that another thread held at the fork is held for ever.
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
constexpr bool kForks = false;
#else
constexpr bool kForks = true;
#endif

// How much of a random test is run: HEDDLE_TEST_SCALE=100 runs a hundred times as much.
inline int scaled(int n) {
  const char* const scale = std::getenv("HEDDLE_TEST_SCALE");
  return scale ? static_cast<int>(n * std::atof(scale)) : n;
}

inline Task task(std::function<void()> body, std::vector<Use> uses, const char* name = "task") {
  return {.name = name,
          .run = [body = std::move(body)](RunContext&) { body(); },
          .uses = std::move(uses)};
}
inline Use read(const Var& v) { return {v, Access::kRead}; }
inline Use update(const Var& v) { return {v, Access::kUpdate}; }
inline Use overwrite(const Var& v) { return {v, Access::kOverwrite}; }

inline std::string what_of(const std::function<void()>& f) {
  try {
    f();
  } catch (const std::exception& e) {
    return e.what();
  }
  return "";
}

// Every engine must pass these.
class EveryEngine : public testing::TestWithParam<const char*> {
 protected:
  std::unique_ptr<Engine> engine = Engine::make(GetParam(), 2);
  bool naive() const { return std::string(GetParam()) == "naive"; }
};
// Those that have workers.
class WorkerEngine : public EveryEngine {};

inline std::string kind_name(const testing::TestParamInfo<const char*>& info) { return info.param; }

}  // namespace heddle
