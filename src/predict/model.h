// What the two C interfaces of the predictor stand on: networks, and predictors that share them.
#pragma once
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/session.h"

namespace heddle::predict {

// A network and its weights. Immutable: any thread may read it.
struct Model {
  Model(std::string_view json, std::string_view params);
  Model(std::string_view json, std::shared_ptr<const MappedFile> params);  // null: none
  Symbol symbol;
  std::map<std::string, Tensor, std::less<>> params;
  int64_t bytes() const;  // of the parameters
};

// Whether a variable is only what losses compare with.
bool is_label(const Graph& g, std::string_view name);

// The same values in float32.
Tensor as_float32(const Tensor& t);

struct InputType {
  Shape shape;
  Dtype dtype = Dtype::kFloat32;
};
using InputTypes = std::map<std::string, InputType, std::less<>>;

// For one thread at a time.
class Predictor {
 public:
  // `outputs`: names of nodes, or of their outputs; none: those of the network. In `buffer`, where
  // it is not null: then a run allocates nothing that its kernels do not.
  Predictor(std::shared_ptr<const Model> model, InputTypes inputs,
            const std::vector<std::string>& outputs, Buffer* buffer = nullptr);

  // Others on the same weights: for the same inputs, or for some of another type.
  Predictor share() const { return Predictor(*this, inputs_); }
  Predictor reshape(const InputTypes& changed) const;

  const Blob& input(std::string_view name) const;  // to be written; throws Error where it is none
  int outputs() const { return int(names_.size()); }
  const Blob& output(int i) const;
  const std::string& output_name(int i) const { return names_[size_t(i)]; }

  int64_t bytes() const { return session_.bytes(); }  // of all but the model's parameters

  // The model's parameters, and what this one has made of them, as a .params file.
  std::string save() const;
  // Whether that was in the model's file.
  bool prepared() const { return session_.prepared().given; }

  void forward();
  // One step of a run, in order from 0; returns how many are left.
  int step(int i);
  void monitor(Session::Monitor each, bool inputs_too) {
    session_.monitor(std::move(each), inputs_too);
  }

 private:
  Predictor(const Predictor& like, InputTypes inputs);  // the same outputs
  std::shared_ptr<const Model> model_;
  Symbol symbol_;  // the outputs that are wanted
  InputTypes inputs_;
  std::vector<std::string> names_;
  Session session_;
  int next_ = 0;  // step
};

}  // namespace heddle::predict
