// Steps made into engine graphs, one per part of a run, each pushed as a whole.
#pragma once
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string_view>
#include <vector>

#include "executor/steps.h"

namespace heddle {

using Monitor = std::function<void(std::string_view name, const NDArray& value)>;

enum class Part : uint8_t { kForward, kBackward };

class Program {
 public:
  Program(Plan plan, Arenas& arenas);

  // Asynchronous. `training` is what kernels are told; `seed` what random operators draw from.
  void push(Part part, bool training, uint64_t seed);
  // The same, node by node; each value is shown after its node was pushed.
  void push_watched(Part part, bool training, uint64_t seed, const Monitor& each, bool inputs_too);

  const Steps& steps() const { return *work_->steps; }

 private:
  // What tasks keep alive: not the graphs they are part of.
  struct Work {
    std::unique_ptr<Steps> steps;
    std::mutex mutex;            // of seeds
    std::deque<uint64_t> seeds;  // of forward runs on their way
    uint64_t seed = 0;           // of the run that holds the arena
  };

  bool run_here(bool training, uint64_t seed) const;
  void find_small();
  GraphRef prepare(Part part, bool training) const;
  std::vector<std::vector<int>> segments(Part part) const;
  Task task_of(std::vector<int> steps, bool training) const;
  Task begin(Part part) const;
  Task end() const;
  std::vector<NDArray> show_all(const std::vector<int>& values, Task& task) const;

  std::shared_ptr<Work> work_;
  GraphRef prepared_[2][2];      // [part][training]
  bool small_ = false;           // may forward run on the calling thread?
  std::vector<Use> small_uses_;  // then: all it uses
};

}  // namespace heddle
