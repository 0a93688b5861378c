// The arrays that the values of a plan live in.
#pragma once
#include <vector>

#include "heddle/ndarray.h"
#include "runtime/steps.h"

namespace heddle {

// Memory that intermediate values live in. Programs take turns on it: those of one executor, and
// those of executors reshaped from it.
class Arenas {
 public:
  // An arena on `device` of at least so many bytes: one there is, or a new one.
  NDArray of(Device device, int64_t bytes);

  // Whose activations lie there, ready for its backward; compared, never followed.
  const void* holder = nullptr;

 private:
  std::vector<NDArray> arenas_;
};

class Places {
 public:
  // `array_of` finds the array of what neither lives in the arena nor is prepared.
  Places(const Plan& plan, FunctionRef<NDArray(Home)> array_of, Arenas& arenas);

  const std::vector<NDArray>& arenas() const { return arenas_; }  // in the order of plan.arenas
  const NDArray& own(int value) const { return own_[value]; }     // none: in the arena
  int64_t prepared_bytes() const { return prepared_bytes_; }      // of reordered variables
  // The arrays that a step uses and users can see.
  std::vector<Use> uses(const Steps& steps, int i) const;
  // What is used by who looks at all inputs of a step.
  std::vector<Use> looks(const Steps& steps, int i) const;

  // In a task that has named what it uses.
  void touch_arenas() const;  // gets their memory
  void* address(const Plan& plan, int value) const;
  void* arena(Device device) const;  // null: there is none
  Blob blob(const Plan& plan, int value) const;

 private:
  std::vector<NDArray> own_, arenas_;
  int64_t prepared_bytes_ = 0;
};

}  // namespace heddle
