// The engines that the tests of this folder run on.
#include "engine/support.h"

namespace heddle {

INSTANTIATE_TEST_SUITE_P(Engines, EveryEngine, testing::Values("naive", "threaded", "per_device"),
                         kind_name);
INSTANTIATE_TEST_SUITE_P(Engines, WorkerEngine, testing::Values("threaded", "per_device"),
                         kind_name);

TEST(Engines, AreNamed) {
  for (const char* kind : {"naive", "threaded", "per_device"})
    EXPECT_STREQ(Engine::make(kind)->name(), kind);
}

}  // namespace heddle
