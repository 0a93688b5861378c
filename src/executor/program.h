// Steps made into engine graphs, one per part of a run, each pushed as a whole.
#pragma once
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string_view>
#include <vector>

#include "executor/places.h"

namespace heddle {

using Monitor = std::function<void(std::string_view name, const NDArray& value)>;

class Program {
 public:
  // `array_of` finds the arrays of what does not live in the arena.
  Program(Plan plan, FunctionRef<NDArray(Home)> array_of, Arenas& arenas);

  // Asynchronous. `training` is what kernels are told; `seed` what random operators draw from.
  void push(Part part, bool training, uint64_t seed);
  // The same, node by node; each value is shown after its node was pushed.
  void push_watched(Part part, bool training, uint64_t seed, const Monitor& each, bool inputs_too);

  const Steps& steps() const { return work_->steps; }
  const Places& places() const { return work_->places; }

 private:
  // What tasks keep alive: not the graphs they are part of.
  struct Work {
    Work(Plan plan, FunctionRef<NDArray(Home)> array_of, Arenas& arenas)
        : steps(std::move(plan)), places(steps.plan(), array_of, arenas) {}
    void run(int step, RunContext& where, bool training);
    Steps steps;
    const Places places;
    std::vector<std::vector<Use>> uses;  // of each step, of arrays the user can see
    std::mutex mutex;                    // of seeds
    std::deque<uint64_t> seeds;          // of forward runs on their way
    uint64_t seed = 0;                   // of the run that holds the arena
  };

  bool run_here(bool training, uint64_t seed) const;
  void find_small();
  bool writes_own(int step) const;  // an array the user can see
  GraphRef prepare(Part part, bool training) const;
  std::vector<std::vector<int>> segments(Part part) const;
  Task task_of(std::vector<int> steps, bool training) const;
  Task begin(Part part) const;
  Task end() const;
  std::vector<NDArray> show_all(const std::vector<int>& values, Task& task) const;

  std::shared_ptr<Work> work_;
  // A step that makes of variables what kernels want: all that it depends on, also through other
  // such steps, and how often they had been written when it ran last.
  struct Prepared {
    int step;
    std::vector<NDArray> variables;
    std::vector<NDArray> passing;  // what it reads last: not needed until it runs again
    std::vector<uint64_t> versions = {};
    bool made = false;
  };
  void prepare_variables(bool training);
  Task preparing(const Prepared& p, bool training) const;
  void find_passing();
  std::vector<NDArray> read_by(int prepared) const;  // the variables it depends on

  std::vector<Prepared> prepared_;
  GraphRef graphs_[2][2];        // [forward, backward][training]
  bool small_ = false;           // may forward run on the calling thread?
  std::vector<Use> small_uses_;  // then: all it uses
};

}  // namespace heddle
