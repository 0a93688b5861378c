// A network on plain memory, run in order on the calling thread: no engine, no arrays.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/params.h"
#include "runtime/steps.h"

namespace heddle {

// For one thread at a time. CPU only.
class Session {
 public:
  // `given` variables keep their memory; the others are zero. A given tensor whose type is not the
  // network's throws Error naming it. `frozen`: given variables never change, so what kernels want
  // of them is made here, once. `buffer`, where it is not null: all memory is taken from its front,
  // and its rest is the scratch memory of kernels. Throws Error saying what is needed where it is
  // too small; nothing but prediction has a place there.
  Session(Network network, std::map<std::string, Tensor, std::less<>> given, bool frozen = false,
          Buffer* buffer = nullptr)
      : Session(std::move(network), std::move(given), frozen, buffer, nullptr) {}
  Session(Session&&) = default;
  // Another session over the same network, for another thread. It shares the given variables of
  // this one, which must be frozen, and what was made of them. Its memory is its own.
  Session share() const { return Session(network_, given_, frozen_, nullptr, this); }

  const Network& network() const { return network_; }
  // A variable, and its gradient, whose data is null where none is wanted. Throws Error for unknown
  // names.
  const Blob& variable(std::string_view name) const { return variables_[at(name)]; }
  const Blob& gradient(std::string_view name) const { return gradients_[at(name)]; }
  const std::vector<Blob>& outputs() const { return outputs_; }
  int64_t bytes() const { return bytes_; }  // of memory that was made, but for given variables
  // What was made of frozen variables for predictions, and a name for it that tells what it is
  // made of, and how. Where a given tensor of a mapped file has this name, its bytes serve in the
  // place of what would be made again: after some that are left out and before eight that say how
  // many those are.
  struct Prepared {
    std::string name;
    std::string_view bytes;  // empty: nothing was made
    bool given = false;      // it is from a file
  };
  const Prepared& prepared() const { return programs_[0]->made; }
  static bool is_prepared(std::string_view name) { return name.starts_with(kPreparedName); }
  static constexpr size_t kPreparedAlignment = 4096;  // in files

  // Random operators draw from `seed`. forward(true) keeps what backward needs.
  void forward(bool training, uint64_t seed = 0);
  // A run with forward(false), one step after the other, from 0.
  int steps() { return int(predicting().forward.size()); }
  void step(int i, uint64_t seed = 0);
  // After forward(true), once. `heads`: gradients of the outputs, as many as there are; may be
  // empty when every output is a loss.
  void backward(std::span<const Blob> heads = {});
  // Whether backward() reads the gradient of this output, which is no loss then.
  bool wants_head(int output) const {
    return size_t(output) < heads_.size() && heads_[size_t(output)].data;
  }
  // From now on predictions compute every value, and `each` is called with those of a step after it
  // (before, with what it reads, if `inputs_too`); the values are memory of the session. An empty
  // function ends that. What this takes comes from the heap.
  using Monitor = std::function<void(const std::string& name, const Blob& value)>;
  void monitor(Monitor each, bool inputs_too);

 private:
  struct Program {
    explicit Program(Plan plan) : steps(std::move(plan)) {}
    Steps steps;
    std::vector<Memory> arenas;
    std::vector<std::shared_ptr<char>> prepared;
    Prepared made;
    std::vector<Memory> shown;                    // to a monitor alone
    std::vector<int> prepare, forward, backward;  // steps
  };
  static constexpr std::string_view kPreparedName = "prepared:";
  Session(Network network, std::map<std::string, Tensor, std::less<>> given, bool frozen,
          Buffer* buffer, const Session* like);
  bool stays(const Plan& plan, int value) const;
  size_t at(std::string_view name) const;
  Memory memory_of(int64_t bytes);
  static std::shared_ptr<char> shared(Memory memory);
  Blob make(const ValueInfo& type);
  Program& program(bool training, const Session* like = nullptr);
  Program& predicting();
  void start(Program& p, bool training, const Program* like);
  void locate(Program& p, int step);
  void prepare(Program& p, std::span<const int> steps, bool training);
  void allocate(Program& p, std::span<const int> once, const Program* like);
  std::string name_of_prepared(const Program& p, std::span<const int> once) const;
  std::shared_ptr<char> find_prepared(const std::string& name, int64_t bytes) const;
  void show(const std::string& name, const Blob& b) const;
  void show_inputs(const Program& p, int i) const;
  void show_outputs(const Program& p, int i) const;
  void* address(const Program& p, int value) const;
  void run(Program& p, std::span<const int> steps, bool training, uint64_t seed);
  void load_heads(std::span<const Blob> heads);

  Network network_;
  std::map<std::string, Tensor, std::less<>> given_;
  bool frozen_ = false;
  Buffer* buffer_ = nullptr;  // while this is made
  char* scratch_ = nullptr;   // of kernels, where it was lent
  size_t scratch_bytes_ = 0;
  std::vector<Memory> memory_;
  int64_t bytes_ = 0;
  std::vector<Blob> variables_, gradients_, outputs_;
  std::vector<Blob> heads_;  // null where backward reads none
  std::optional<Program> programs_[2], watched_;
  Monitor monitor_;
  bool monitor_inputs_ = false;
  uint64_t seed_ = 0;   // of the last forward run
  bool ready_ = false;  // for backward
};

}  // namespace heddle
