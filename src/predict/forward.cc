// Binding a network for inference, and running it.
#include "predict/forward.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/params_file.h"

namespace heddle::predict {

Memory::Memory(int64_t bytes) {
  constexpr size_t kAlignment = 64;
  const size_t size = (size_t(bytes) / kAlignment + 1) * kAlignment;
  data_.reset(static_cast<char*>(std::aligned_alloc(kAlignment, size)));
  check(data_ != nullptr, "[predict] found no memory for {} bytes", size);
  std::memset(data_.get(), 0, size);
}

// "arg:fc_weight" and "aux:bn_mean" are how checkpoints name them.
std::string plain_name(std::string name) {
  return name.starts_with("arg:") || name.starts_with("aux:") ? name.substr(4) : name;
}

// Whether a variable is only what losses compare with.
bool is_label(const Graph& g, int value) {
  bool read = false;
  for (const Graph::Node& n : g.nodes)
    for (size_t i = 0; i < n.inputs.size(); ++i) {
      if (n.inputs[i] != value) continue;
      if (i == 0 || !n.call->op->backward.ignores_head) return false;
      read = true;
    }
  return read;
}

Forward::Forward(std::string_view json, std::string_view params,
                 std::map<std::string, Shape> inputs)
    : graph_(expand(Graph::of(Symbol::from_json(json)))), input_shapes_(std::move(inputs)) {
  read_params(params);
  infer_types();
  give_memory();
  for (size_t i = 0; i < graph_.nodes.size(); ++i)
    if (graph_.nodes[i].call) add_step(int(i));
  for (int v : graph_.outputs) outputs_.push_back(blob(v));
}

void Forward::read_params(std::string_view bytes) {
  params::MemoryReader in(bytes, "params");
  std::vector<Blob> arrays;
  std::vector<std::string> names;
  params::read_list(
      in,
      [&](params::Reader& at) {
        const params::Head head = params::read_head(at);
        at.check_at(head.where, head.storage == 0, "found a sparse array, expected dense ones");
        Blob& b = arrays.emplace_back();
        if (head.none) return;
        const uint64_t size = params::value_bytes(at, head.shape, head.dtype, "values");
        b = {memory_.emplace_back(int64_t(size)).data(), head.shape, head.dtype, Device{}};
        params::read_values(at, b.data, size, head.dtype, "values");
      },
      [&](std::string name) { names.push_back(plain_name(std::move(name))); });
  check(names.size() == arrays.size(), "[predict] found {} arrays without names in params",
        arrays.size());
  for (size_t i = 0; i < names.size(); ++i)
    if (arrays[i].data) variables_[names[i]] = arrays[i];
}

void Forward::infer_types() {
  std::map<std::string, ValueInfo, std::less<>> known;
  for (const auto& [name, b] : variables_) known[name] = {b.shape, b.dtype, Stype::kDense};
  for (const auto& [name, shape] : input_shapes_) {
    const bool is_there =
        std::any_of(graph_.nodes.begin(), graph_.nodes.end(),
                    [&name = name](const auto& n) { return !n.call && n.name == name; });
    check(is_there, "[predict] found input '{}', expected a variable of the network", name);
    known[name] = {shape, Dtype::kFloat32, Stype::kDense};
  }
  types_ = infer_float32(graph_, std::move(known));
}

void Forward::give_memory() {
  std::vector<bool> outside(graph_.values);
  address_.assign(graph_.values, nullptr);
  for (const Graph::Node& n : graph_.nodes) {
    if (n.call) continue;
    const int v = n.first_output;
    outside[v] = true;
    auto it = variables_.find(n.name);
    if (it == variables_.end() || input_shapes_.contains(n.name)) {
      check(types_[v].shape.known(), "[predict] '{}' has shape {}, expected it among the inputs",
            n.name, types_[v].shape);
      check(input_shapes_.contains(n.name) || is_label(graph_, v),
            "[predict] '{}' is missing, expected it in params or among the inputs", n.name);
      Blob b{nullptr, types_[v].shape, types_[v].dtype, Device{}};
      b.data = memory_.emplace_back(b.bytes()).data();
      it = variables_.insert_or_assign(n.name, b).first;
    }
    address_[v] = it->second.data;
  }
  for (int v : graph_.outputs) {
    if (address_[v]) continue;
    outside[v] = true;
    check(types_[v].shape.known(), "[predict] an output has shape {}, expected it to be known",
          types_[v].shape);
    address_[v] = memory_.emplace_back(types_[v].shape.size() * dtype_size(types_[v].dtype)).data();
  }
  const MemoryPlan plan = plan_memory(graph_, types_, outside, nullptr);
  char* const arena = memory_.emplace_back(plan.arena_bytes).data();
  for (int v = 0; v < graph_.values; ++v)
    if (plan.offset[v] >= 0) address_[v] = arena + plan.offset[v];
}

Blob Forward::blob(int value) const {
  return {address_[value], types_[value].shape, types_[value].dtype, Device{}};
}

void Forward::add_step(int node) {
  const Graph::Node& n = graph_.nodes[node];
  Step s{node, {}, {}, {}, nullptr};
  for (int v : n.inputs) s.in.push_back(blob(v));
  for (int k = 0; k < n.outputs(); ++k) {
    s.out.push_back(blob(n.first_output + k));
    s.wanted.push_back(s.out.back().data != nullptr);
  }
  const bool wanted = std::any_of(s.wanted.begin(), s.wanted.end(), [](uint8_t w) { return w; });
  if (!wanted && !n.call->mutates) return;  // its readers want its type only
  attempt(
      [&] {
        s.kernel = &choose_kernel(*n.call, Device{}, {s.in, s.out, false});
      },
      [&](std::string_view text) { fail("Error in operator {}: {}", n.name, text); });
  steps_.push_back(std::move(s));
}

const Blob& Forward::input(std::string_view name) const {
  const auto it = input_shapes_.find(std::string(name));
  check(it != input_shapes_.end(), "[predict] found no input '{}'", name);
  return variables_.find(name)->second;
}

void Forward::run() {
  for (Step& s : steps_) {
    const Graph::Node& n = graph_.nodes[s.node];
    OpContext ctx(Device{}, nullptr, false, s.wanted);
    attempt([&] { run_kernel(*s.kernel, *n.call, ctx, s.in, s.out); },
            [&](std::string_view text) { fail("Error in operator {}: {}", n.name, text); });
  }
}

}  // namespace heddle::predict
