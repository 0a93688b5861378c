// A network planned for arrays of given types, and run on whatever arrays of these types come.
#pragma once
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "heddle/ndarray.h"
#include "runtime/steps.h"

namespace heddle {

// Bound programs know their arrays for good; this one is told at each run where everything lies.
// The steps of a run follow each other in one task. Runs of one plan may overlap: each borrows a
// set of steps of its own.
class CachedPlan : public std::enable_shared_from_this<CachedPlan> {
 public:
  // `variable_of`: of the arrays that a call is given, which variable of the network each is.
  // `streams`: those of the nodes that draw random numbers, in the order of their calls.
  CachedPlan(Network network, Plan plan, std::vector<int> variable_of, std::vector<int> streams);

  // Where the values of a run lie, by Home::index; null: nowhere.
  struct Places {
    std::vector<void*> variables, outputs, gradients, heads;
    void* arena = nullptr;
  };
  // In a task that has named what the part uses. `seeds`: one per stream.
  void run(Part part, const RunContext& where, const Places& at, bool training,
           std::span<const uint64_t> seeds);

  const Network network;
  const std::vector<int> variable_of;
  const std::vector<int> streams;
  const Plan& plan() const { return steps_.plan(); }
  int64_t arena_bytes() const;
  int64_t forward_bytes() const { return forward_bytes_; }  // that the steps of a forward run cover
  // How a forward run uses a variable; false: not at all.
  bool uses(int variable, Access* access) const;
  // Values of outputs that backward reads.
  bool backward_reads_output(int output) const { return reads_output_[size_t(output)]; }

  // What a forward run has to have ready: variables as kernels want them. Pushes the task that
  // makes them again where a variable was written, or is another, since. `variables`: of the
  // network.
  void prepare(std::span<const NDArray* const> variables, const RunContext& where);
  const std::vector<NDArray>& prepared() const { return prepared_; }
  // Gives back the memory of what was made ready, if a variable was written since. `in`: what a
  // call is given.
  void drop_stale(std::span<const NDArray* const> in);

  CachedPlan(const CachedPlan&) = delete;
  CachedPlan& operator=(const CachedPlan&) = delete;

 private:
  void* address(int value, const Places& at) const;
  using Versions = std::vector<std::pair<Var, uint64_t>>;
  template <class Find>
  Versions versions(const Find& array_of) const;  // of the variables that prepared_ is made of
  std::unique_ptr<Steps> borrow();
  void give_back(std::unique_ptr<Steps> steps);

  const Steps steps_;  // what all sets are copies of
  std::vector<int> parts_[3];
  std::vector<uint8_t> reads_output_;
  std::vector<std::pair<bool, Access>> uses_;  // of variables, by a forward run
  int64_t forward_bytes_ = 0;

  std::vector<NDArray> prepared_;
  std::vector<NDArray> passing_;    // those of them that need no memory between preparations
  std::vector<int> prepared_from_;  // variables
  std::mutex preparing_;
  Versions prepared_of_;  // what they were made of

  std::mutex mutex_;
  std::vector<std::unique_ptr<Steps>> idle_;
};

}  // namespace heddle
