// A network bound for inference: plain memory, and kernels called in order on the calling thread.
#pragma once
#include <cstdlib>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "symbol/passes.h"

namespace heddle::predict {

// Aligned to 64 bytes, zero at first.
class Memory {
 public:
  Memory() = default;
  explicit Memory(int64_t bytes);
  char* data() const { return data_.get(); }

 private:
  struct Free {
    void operator()(char* p) const { std::free(p); }
  };
  std::unique_ptr<char, Free> data_;
};

class Forward {
 public:
  // Throws Error naming what is missing or does not fit.
  Forward(std::string_view json, std::string_view params, std::map<std::string, Shape> inputs);
  const Blob& input(std::string_view name) const;
  const std::vector<Blob>& outputs() const { return outputs_; }
  void run();

 private:
  struct Step {
    int node;
    std::vector<Blob> in, out;
    std::vector<uint8_t> wanted;
    const OpDef::Implementation* kernel;
  };
  void read_params(std::string_view bytes);
  void infer_types();
  void give_memory();
  void add_step(int node);
  Blob blob(int value) const;

  Graph graph_;
  std::map<std::string, Shape> input_shapes_;
  std::map<std::string, Blob, std::less<>> variables_;  // parameters, inputs and labels
  ValueTypes types_;
  std::vector<void*> address_;  // of a value; null: nobody reads it
  std::vector<Memory> memory_;
  std::vector<Step> steps_;
  std::vector<Blob> outputs_;
};

}  // namespace heddle::predict
