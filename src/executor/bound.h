// What an Executor holds: a network with its arrays, and the programs that run on them.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "executor/program.h"
#include "heddle/executor.h"

namespace heddle {

NetworkSpec network_spec(const BindSpec& spec);

class BoundGraph {
 public:
  // The arrays that are given are used; missing ones are made, of zeros. Throws Error when one does
  // not fit.
  BoundGraph(Network network, const BindSpec& given, std::shared_ptr<Arenas> arenas);

  void forward(bool training);
  void backward(std::span<const NDArray> heads, bool training);
  Program& program(bool training);  // made when first needed; of a monitor, with all its values
  const Program* made(bool training) const { return programs_[training].get(); }

  const Network network;
  std::vector<NDArray> arrays, gradients;  // of the network's variables
  std::vector<NDArray> outputs, args, grads, aux;
  Monitor monitor;
  bool monitor_inputs = false;
  const std::shared_ptr<Arenas> arenas;

 private:
  void make_outputs();
  NDArray array_of(Home home) const;
  void run(Program& p, Part part, bool training);
  void load_head_grads(std::span<const NDArray> heads);
  void draw_seed(const Program& p, bool training);

  std::optional<Plan> planned_;           // of the program that is made first
  std::unique_ptr<Program> programs_[2];  // [training]
  std::unique_ptr<Program> watched_[2];   // the same, where a monitor looks on
  std::vector<NDArray> head_grads_;       // one per output; none: backward does not read it
  std::vector<NDArray> shown_;            // to a monitor alone
  uint64_t seed_ = 0;                     // of the last forward run that drew random numbers
  bool seeded_ = false;                   // whether that was the last one
};

}  // namespace heddle
