// Networks that learn on plain memory: a session with gradients, and a rule that follows them.
#pragma once
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "operator/optimizer/rule.h"
#include "predict/model.h"

namespace heddle::predict {

struct TrainerSpec {
  std::string rule = "sgd";
  Kwargs parameters = {};                      // of the rule
  double decay = 0;                            // of weights and gammas, as Module has it
  double rescale = 1;                          // of gradients
  double clip = 0;                             // of gradients; 0: no limit
  std::set<std::string, std::less<>> fixed{};  // parameters that do not change
  uint64_t seed = 0;                           // of initial values, and of operators that draw
};

// For one thread at a time. Its parameters are its own.
class Trainer {
 public:
  // Parameters that the model lacks begin with initial values (see initial() in trainer.cc).
  Trainer(const Model& model, const InputTypes& inputs, TrainerSpec spec);

  const Blob& input(std::string_view name) const;  // to be written; throws Error where it is none
  int outputs() const { return int(names_.size()); }
  const Blob& output(int i) const;  // of the last step or prediction
  const std::string& output_name(int i) const { return names_[size_t(i)]; }

  // Forward, backward, and an update of every parameter that learns. An output that is no loss
  // counts as one: the gradient of its sum is taken.
  void step(double rate);
  void forward() { session_.forward(false); }  // as predictors do

  // Parameters, then auxiliary states, in the network's order: it is that of all below.
  int parameters() const { return int(kept_.size()); }
  const Blob& parameter(int i) const;
  const std::string& parameter_name(int i) const;
  int64_t bytes() const { return bytes_; }  // of all of them, one behind the other
  void read(char* to) const;
  void write(const char* from);
  std::string save() const;  // as a .params file

  // What the rule keeps between steps, in the form of Optimizer::states_to_bytes(): keys are the
  // names of parameters.
  std::string save_states() const;
  void load_states(std::string_view bytes);  // throws Error, and has changed nothing

 private:
  struct Learner {
    size_t variable;
    std::vector<Blob> states;
  };
  bool is_input(std::string_view name) const { return inputs_.contains(name); }
  void add_learner(size_t variable);
  const std::string& name_of(const Learner& l) const {
    return session_.network().variables[l.variable].name;
  }

  InputTypes inputs_;
  std::vector<std::string> names_;
  Session session_;
  optimizer::Rule rule_;
  optimizer::Common common_;
  double decay_;
  uint64_t seed_;
  int64_t count_ = 0, bytes_ = 0;
  std::vector<double> memory_;  // of the rule
  std::vector<size_t> kept_;    // variables
  std::vector<Learner> learners_;
  std::vector<Memory> owned_;
  std::vector<Blob> heads_;
};

}  // namespace heddle::predict
