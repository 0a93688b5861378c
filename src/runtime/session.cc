// Giving a network its memory, and running it.
#include "runtime/session.h"

#include <cstring>

#include "device/scratch.h"
#include "operator/simd/level.h"

namespace heddle {

Session::Session(Network network, std::map<std::string, Tensor, std::less<>> given, bool frozen,
                 Buffer* buffer, const Session* like)
    : network_(std::move(network)), given_(std::move(given)), frozen_(frozen), buffer_(buffer) {
  for (const Network::Variable& v : network_.variables) {
    check(v.device.kind == Device::kCpu, "[bind] '{}' is on {}, expected the CPU", v.name,
          v.device);
    const auto it = given_.find(v.name);
    if (it == given_.end()) {
      variables_.push_back(make(v.type));
    } else {
      const Blob& b = it->second.blob;
      check(b.shape == v.type.shape && b.dtype == v.type.dtype,
            "[bind] {} '{}' has shape {} and dtype {}, expected {} and {}",
            v.aux ? "auxiliary state" : "argument", v.name, b.shape, b.dtype, v.type.shape,
            v.type.dtype);
      variables_.push_back(b);
    }
    gradients_.push_back(v.req == GradReq::kNone ? Blob{} : make(v.type));
  }
  for (const Network::Output& o : network_.outputs)
    outputs_.push_back(o.variable >= 0  ? variables_[o.variable]
                       : o.same_as >= 0 ? outputs_[o.same_as]
                                        : make(o.type));
  program(network_.spec.training, like);  // what does not fit is found now
  buffer_ = nullptr;
}

Memory Session::memory_of(int64_t bytes) {
  Memory m(bytes, buffer_);
  bytes_ += int64_t(m.size());
  return m;
}

std::shared_ptr<char> Session::shared(Memory memory) {
  auto owner = std::make_shared<Memory>(std::move(memory));
  char* const data = owner->data();
  return {std::move(owner), data};
}

Blob Session::make(const ValueInfo& type) {
  Blob b{nullptr, type.shape, type.dtype, Device{}};
  b.data = memory_.emplace_back(memory_of(b.bytes())).data();
  return b;
}

size_t Session::at(std::string_view name) const {
  const int i = network_.find(name);
  check(i >= 0, "[bind] found no variable '{}'", name);
  return size_t(i);
}

// Whether a value is a frozen variable, or made of those alone.
bool Session::stays(const Plan& plan, int value) const {
  const Graph::Node& n = plan.graph.nodes[plan.producer[value]];
  if (!n.call) return frozen_ && given_.contains(n.name);
  if (n.phase != Phase::kPrepare) return false;
  for (int v : n.inputs)
    if (!stays(plan, v)) return false;
  return true;
}

namespace prepared {

// Rises with every change of how a kernel's own form of a weight lies in memory.
constexpr int kVersion = 1;

// A hash of 64 bits (FNV-1a) of what it is told.
struct Sum {
  uint64_t value = 0xcbf29ce484222325;
  void add(const void* data, size_t bytes) {
    for (size_t i = 0; i < bytes; ++i)
      value = (value ^ static_cast<const uint8_t*>(data)[i]) * 0x100000001b3;
  }
  void add(std::string_view text) { add(text.data(), text.size()), add("", 1); }
  // Bytes at places spread over a weight, from its first to its last: to look at all would bring
  // the file into memory that is mapped to stay out of it. A few at its beginning would not do:
  // what belongs to a corner of pictures that is always dark never learns.
  void add_some(const Blob& b) {
    constexpr size_t kPlaces = 8, kBytes = 64;
    const size_t all = size_t(b.bytes());
    if (all <= kPlaces * kBytes) return add(b.data, all);
    for (size_t i = 0; i < kPlaces; ++i)
      add(static_cast<const char*>(b.data) + (all - kBytes) * i / (kPlaces - 1), kBytes);
  }
};

}  // namespace prepared

// The level of instructions, the calls that make it, the types and places of all values, and some
// numbers of every variable: who has trained on has changed them.
std::string Session::name_of_prepared(const Program& p, std::span<const int> once) const {
  const Plan& plan = p.steps.plan();
  prepared::Sum sum;
  std::string text = format("{} {}", prepared::kVersion, ops::simd::best_level());
  for (int i : once) {
    const Graph::Node& n = p.steps.node(i);
    append(text, n.call->op->name);
    for (const auto& [key, value] : n.call->kwargs) text += key, text += value;
    const auto add = [&](int v) {
      const Blob b = plan.describe(v);
      text += format(" {} {} {} {}", v, b.shape, b.dtype, b.stored.layout);
    };
    for (int v : n.inputs) {
      add(v);
      const Graph::Node& from = plan.graph.nodes[plan.producer[v]];
      if (from.call) continue;
      sum.add_some(given_.find(from.name)->second.blob);
    }
    for (int v = n.first_output; v < n.first_output + n.outputs(); ++v) add(v);
  }
  sum.add(text);
  return format("{}{}", kPreparedName, sum.value);
}

// Those bytes of a file, or null. A file may hold those of several programs.
std::shared_ptr<char> Session::find_prepared(const std::string& name, int64_t bytes) const {
  const auto it = given_.find(name);
  if (it == given_.end() || !it->second.file) return nullptr;
  const Tensor& t = it->second;
  char* const data = static_cast<char*>(t.blob.data);
  uint64_t room = 0;
  const uint64_t size = uint64_t(t.blob.bytes()), rest = uint64_t(bytes) + sizeof room;
  if (size < rest) return nullptr;
  std::memcpy(&room, data + size - sizeof room, sizeof room);
  // Not so where a file was copied array by array, or cannot be mapped.
  const bool aligned = reinterpret_cast<uintptr_t>(data + room) % 64 == 0;
  if (room != size - rest || !aligned) return nullptr;
  return {std::const_pointer_cast<MappedFile>(t.file), data + room};
}

void Session::allocate(Program& p, std::span<const int> once, const Program* like) {
  const Plan& plan = p.steps.plan();
  if (like) p.made = like->made;
  for (const auto& arena : plan.arenas) p.arenas.push_back(memory_of(arena.second));
  // What is prepared once and kept lies in one piece, of large pages where the system has such.
  int64_t together = 0;
  std::vector<std::pair<size_t, int64_t>> places;  // in `prepared`, and in that piece
  for (int v = 0; v < plan.graph.values; ++v) {    // they count in the order of values
    const int64_t bytes = plan.describe(v).bytes();
    if (plan.home[v].kind == Home::kShown) p.shown.push_back(memory_of(bytes));
    if (plan.home[v].kind != Home::kPrepared) continue;
    std::shared_ptr<char> memory;
    if (!stays(plan, v) || buffer_) {
      memory = shared(memory_of(bytes));
    } else if (like) {
      memory = like->prepared[p.prepared.size()];
    } else if (!plan.passing[v]) {  // the others: see prepare()
      places.emplace_back(p.prepared.size(), together);
      together += int64_t(Memory::padded(bytes));
    }
    p.prepared.push_back(std::move(memory));
  }
  if (places.empty()) return;
  p.made.name = name_of_prepared(p, once);
  std::shared_ptr<char> all = find_prepared(p.made.name, together);
  p.made.given = all != nullptr;
  if (!all) all = shared(memory_of(together));
  p.made.bytes = {all.get(), size_t(together)};
  for (const auto& [i, offset] : places) p.prepared[i] = {all, all.get() + offset};
}

Session::Program& Session::program(bool training, const Session* like) {
  auto& p = programs_[training];
  if (p) return *p;
  const bool gradients = kGradients && training && network_.has_gradients();
  p.emplace(plan_network(network_, training));
  if (gradients)
    for (size_t i = 0; i < network_.outputs.size(); ++i)
      heads_.push_back(p->steps.plan().reads_head[i] ? make(network_.outputs[i].type) : Blob{});
  start(*p, training, like ? &*like->programs_[training] : nullptr);
  return *p;
}

// The program of predictions, of all values where a monitor looks on.
Session::Program& Session::predicting() {
  if (!monitor_) return program(false);
  if (!watched_) {
    watched_.emplace(plan_forward(network_, false, true));
    start(*watched_, false, nullptr);
  }
  return *watched_;
}

// Gives a program its memory, and prepares what is prepared once.
void Session::start(Program& p, bool training, const Program* like) {
  std::vector<int> once;
  for (int i = 0; i < p.steps.size(); ++i) {
    const bool done =
        p.steps.is_part(i, Part::kPrepare) && stays(p.steps.plan(), p.steps.node(i).first_output);
    (done                                 ? once
     : p.steps.is_part(i, Part::kPrepare) ? p.prepare
     : p.steps.is_part(i, Part::kForward) ? p.forward
                                          : p.backward)
        .push_back(i);
  }
  allocate(p, once, like);
  if (buffer_) {
    check(buffer_->fits(), "[bind] found a buffer of {} bytes, expected {}, and scratch memory",
          buffer_->size(), buffer_->used());
    scratch_ = buffer_->rest(), scratch_bytes_ = buffer_->size() - buffer_->used();
  }
  if (!like && !p.made.given) prepare(p, once, training);
  // What stands for them is read instead, but for the beginning of each, which told their types.
  if (!like && p.made.given)
    for (const auto& [name, t] : given_)
      if (t.file && !is_prepared(name)) t.file->release(t.blob.data, size_t(t.blob.bytes()));
  for (int i = 0; i < p.steps.size(); ++i) locate(p, i);
}

void Session::locate(Program& p, int step) {
  p.steps.locate(step, [&](int value) { return address(p, value); });
}

// Runs these steps, which are the only readers of what passes. Memory for that is made late, and
// the next value has it, so that the same pages serve many weights and of large ones no more than
// one form is there. The first is an arena, which no run has used yet.
void Session::prepare(Program& p, std::span<const int> steps, bool training) {
  const Plan& plan = p.steps.plan();
  std::vector<int> last(size_t(plan.graph.values), -1);  // step that reads a value
  for (int i : steps)
    for (int v : p.steps.node(i).inputs) last[size_t(v)] = i;
  int64_t most = 0;  // bytes of a value that passes
  for (int v = 0; v < plan.graph.values; ++v)
    if (plan.passing[v]) most = std::max(most, plan.describe(v).bytes());
  std::vector<std::shared_ptr<char>> spares;
  for (const Memory& arena : p.arenas)
    if (int64_t(arena.size()) >= most) spares.push_back({std::shared_ptr<char>(), arena.data()});
  for (int i : steps) {
    const Graph::Node& n = p.steps.node(i);
    for (int v = n.first_output; v < n.first_output + n.outputs(); ++v) {
      const Home home = plan.home[v];
      if (home.kind != Home::kPrepared || p.prepared[home.index]) continue;
      if (spares.empty()) spares.push_back(shared(Memory(most)));
      p.prepared[home.index] = std::move(spares.back());
      spares.pop_back();
      // As in a buffer, where all are there at once.
      bytes_ += int64_t(Memory::padded(plan.describe(v).bytes()));
    }
    locate(p, i);
    run(p, {&i, 1}, training, 0);
    for (int v : n.inputs) {
      if (last[size_t(v)] != i) continue;
      const Graph::Node& from = plan.graph.nodes[plan.producer[v]];
      if (!from.call) {
        const Tensor& t = given_.find(from.name)->second;
        if (t.file) t.file->release(t.blob.data, size_t(t.blob.bytes()));
      } else if (plan.passing[v] && !buffer_) {
        spares.push_back(std::move(p.prepared[plan.home[v].index]));
      }
    }
  }
}

void* Session::address(const Program& p, int value) const {
  const Plan& plan = p.steps.plan();
  const Home home = plan.home[value];
  switch (home.kind) {
    case Home::kVariable:
      return static_cast<char*>(variables_[home.index].data) + home.offset;
    case Home::kOutput:
      return outputs_[home.index].data;
    case Home::kGradient:
      return gradients_[home.index].data;
    case Home::kHead:
      return heads_[home.index].data;
    case Home::kPrepared:
      return p.prepared[home.index].get();
    case Home::kShown:
      return p.shown[home.index].data();
    case Home::kArena:
      break;
  }
  if (plan.offset[value] < 0) return nullptr;
  for (size_t i = 0; i < plan.arenas.size(); ++i)
    if (plan.arenas[i].first == plan.device(value)) return p.arenas[i].data() + plan.offset[value];
  return nullptr;
}

void Session::run(Program& p, std::span<const int> steps, bool training, uint64_t seed) {
  std::optional<ScratchLoan> loan;
  if (scratch_) loan.emplace(scratch_, scratch_bytes_);
  for (int i : steps) {
    const Step& s = p.steps[i];
    const bool shown = monitor_ && &p == &*watched_ && p.steps.is_part(i, Part::kForward);
    if (shown && monitor_inputs_) show_inputs(p, i);
    if (s.kernel) p.steps.run(i, p.steps.device(i), nullptr, training, seed);
    else std::memcpy(s.out[0].data, s.in[0].data, size_t(s.in[0].bytes()));  // cpu(0) to cpu(1)
    if (shown) show_outputs(p, i);
  }
}

void Session::monitor(Monitor each, bool inputs_too) {
  monitor_ = std::move(each), monitor_inputs_ = inputs_too;
  predicting();
}

void Session::show(const std::string& name, const Blob& b) const {
  if (b.stored.plain()) return monitor_(name, b);
  Blob plain{nullptr, b.shape, b.dtype, b.device};
  const Memory memory(b.bytes());
  plain.data = memory.data();
  OpContext ctx(b.device, nullptr, false);
  run_kernel(*make_reorder({}), ctx, {&b, 1}, {&plain, 1});
  monitor_(name, plain);
}

// As Executor's monitors are told: a variable by its own name too.
void Session::show_inputs(const Program& p, int i) const {
  const Plan& plan = p.steps.plan();
  const Graph::Node& n = p.steps.node(i);
  for (size_t k = 0; k < n.inputs.size(); ++k) {
    const Blob& b = p.steps[i].in[k];
    if (!b.data) continue;
    if (plan.home[n.inputs[k]].kind == Home::kVariable)
      show(plan.graph.nodes[plan.producer[n.inputs[k]]].name, b);
    show(n.name + "_" + n.call->inputs[k].name, b);
  }
}

void Session::show_outputs(const Program& p, int i) const {
  for (size_t k = 0; k < p.steps[i].out.size(); ++k)
    if (p.steps[i].out[k].data) show(shown_name(p.steps.node(i), int(k)), p.steps[i].out[k]);
}

// Variables that are not frozen may have been written since the last run: nobody tells.
void Session::forward(bool training, uint64_t seed) {
  Program& p = training ? program(true) : predicting();
  run(p, p.prepare, training, seed);
  run(p, p.forward, training, seed);
  ready_ = training;
  seed_ = seed;
}

void Session::step(int i, uint64_t seed) {
  check(i >= 0 && i < steps(), "[forward] found step {}, expected 0 to {}", i, steps() - 1);
  Program& p = predicting();
  if (i == 0) run(p, p.prepare, false, seed);
  run(p, {&p.forward[size_t(i)], 1}, false, seed);
  ready_ = false;
}

void Session::load_heads(std::span<const Blob> heads) {
  check(heads.empty() || heads.size() == outputs_.size(),
        "[backward] found {} head gradients, expected {}", heads.size(), outputs_.size());
  for (size_t i = 0; i < heads_.size(); ++i) {
    const Blob& into = heads_[i];
    if (!into.data) continue;
    check(i < heads.size() && heads[i].data,
          "[backward] output {} is not a loss, expected the gradient of it", i);
    check(heads[i].shape == into.shape && heads[i].dtype == into.dtype,
          "[backward] head gradient {} has shape {} and dtype {}, expected {} and {}", i,
          heads[i].shape, heads[i].dtype, into.shape, into.dtype);
    std::memcpy(into.data, heads[i].data, size_t(into.bytes()));
  }
}

void Session::backward(std::span<const Blob> heads) {
  if (!network_.has_gradients()) return;
  check(ready_, "[backward] nothing was run forward in training mode since the last one");
  load_heads(heads);
  ready_ = false;  // the memory of the activations is used again
  Program& p = program(true);
  run(p, p.backward, true, seed_);
  for (int v : p.steps.plan().zero_gradients)
    std::memset(gradients_[v].data, 0, size_t(gradients_[v].bytes()));
}

}  // namespace heddle
