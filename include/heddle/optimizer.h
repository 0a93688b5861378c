// Optimizers: how weights follow their gradients. One call updates all weights of a step.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "heddle/ndarray.h"
#include "heddle/param.h"

namespace heddle {

namespace optimizer {
struct Keeper;
}

// An optimizer by name: its rule, and what it keeps of every weight. Copying shares it. It is
// driven from one thread at a time; its work is done by the engine.
class HEDDLE_API Optimizer {
 public:
  // What a caller calls a weight: as the keys of a store.
  using Key = std::variant<int64_t, std::string>;

  // `rule`: one of rules(). `parameters`: those of the rule (describe() lists them), and of all:
  //   learning_rate, wd (weight decay), rescale_grad (multiplies gradients first), clip_gradient
  //   (then limits them to [-c, c]), multi_precision (half weights get a float32 one beside them),
  //   begin_num_update (how many updates count as done).
  // Throws Error naming the rule and the parameter.
  explicit Optimizer(std::string_view rule, const Kwargs& parameters = {});
  static std::vector<std::string> rules();
  struct Description {
    std::string doc;
    std::vector<FieldInfo> parameters;  // those of all rules last
  };
  static Description describe(std::string_view rule);
  const std::string& rule() const;

  // The rate of the updates that follow; with a schedule, that of the number of the latest update.
  void set_learning_rate(double rate);
  void set_schedule(std::function<double(int64_t num_update)> schedule);
  double learning_rate() const;
  void set_rescale_grad(double by);
  // Factors of rate and decay for one weight.
  void set_multipliers(const Key& key, double of_rate, double of_decay);

  // weight[i] follows grad[i] by the rule. Makes states for keys that are new, counts the updates,
  // checks everything (an Error names the key, and nothing has happened), then pushes one task per
  // device and returns. Weights that share memory are updated one after the other. LARS leaves
  // weights whose keys end in gamma, beta or bias at the rate as it is.
  void update(std::span<const Key> keys, std::span<const NDArray> weights,
              std::span<const NDArray> grads, int priority = 0);

  int64_t num_update() const;           // the largest count
  int64_t count(const Key& key) const;  // of updates of one weight
  std::vector<std::string> state_names() const;
  std::vector<NDArray> states(const Key& key) const;  // in the order of state_names(); empty: none
  NDArray master(const Key& key) const;  // the float32 weight beside a half one; may be none

  // Counts, states and float32 weights of all keys, as a .params file. Throws Error for bytes of
  // another kind or another rule.
  std::string states_to_bytes() const;
  void states_from_bytes(std::string_view bytes);

 private:
  std::shared_ptr<optimizer::Keeper> keeper_;
};

}  // namespace heddle
