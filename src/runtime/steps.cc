// Laying out blobs, and running one step.
#include "runtime/steps.h"

#include <algorithm>
#include <optional>

#include "device/scratch.h"

namespace heddle {

namespace steps {

// A seed of its own for every stream of every run.
uint64_t seed_of(uint64_t run_seed, int stream) {
  uint64_t z = run_seed + 0x9e3779b97f4a7c15ull * (uint64_t(stream) + 1);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
  return z ^ (z >> 31);
}

}  // namespace steps

std::string shown_name(const Graph::Node& n, int output) {
  const std::vector<Output>& outputs = n.call->outputs;
  const std::string& name = outputs[output].name;
  const auto same = [&](const Output& o) { return o.name == name; };
  const bool alone = std::count_if(outputs.begin(), outputs.end(), same) == 1;
  if (!n.call->op->forward) return n.name + "_" + name + (alone ? "" : format("{}", output));
  return n.name + "_output" + (n.outputs() > 1 ? format("{}", output) : "");
}

Steps::Steps(Plan plan) : plan_(std::move(plan)) {
  for (const auto& arena : plan_.arenas) {
    int64_t reach = 0;
    for (int v = 0; v < plan_.graph.values; ++v)
      if (plan_.offset[v] >= 0 && plan_.device(v) == arena.first)
        reach = std::max(reach, plan_.offset[v] + plan_.describe(v).bytes());
    for (size_t n = 0; n < plan_.scratch.size(); ++n)
      if (plan_.scratch_offset[n] >= 0 && plan_.where[n] == arena.first)
        reach = std::max(reach, plan_.scratch_offset[n] + plan_.scratch_bytes(int(n)));
    touched_ += reach;
  }
  const auto& nodes = plan_.graph.nodes;
  of_node_.assign(nodes.size(), -1);
  for (size_t n = 0; n < nodes.size(); ++n)
    if (nodes[n].call) add(int(n));
}

void Steps::add(int node) {
  const Graph::Node& n = plan_.graph.nodes[node];
  of_node_[node] = int(steps_.size());
  Step& s = steps_.emplace_back();
  s.node = node;
  const Choice& choice = plan_.choices[node];
  s.kernel = choice.kernel;
  for (size_t k = 0; k < n.inputs.size(); ++k) {
    s.in.push_back(plan_.describe(n.inputs[k]));
    s.in.back().stored = choice.in[k];
  }
  bool all = true, none = true;
  for (int k = 0; k < n.outputs(); ++k) {
    const int v = n.first_output + k;
    s.out.push_back(plan_.describe(v));
    s.out.back().stored = choice.out[k];
    s.wanted.push_back(plan_.wanted[v]);
    all &= bool(plan_.wanted[v]);
    none &= !plan_.wanted[v];
    if (plan_.wanted[v]) s.bytes += s.out.back().bytes();
  }
  if (all) s.wanted.clear();
  s.idle = (none && !n.call->mutates) || plan_.still[size_t(node)];
  for (const Blob& b : s.in) s.bytes += b.bytes();
  if (plan_.still[size_t(node)]) s.bytes = 0;
  for (bool training : {false, true}) draws_[training] |= n.call->draws(training);
}

void Steps::locate(int i, FunctionRef<void*(int value)> address, void* arena) {
  Step& s = steps_[i];
  const Graph::Node& n = node(i);
  // What is read for its type only may be written meanwhile, or lie nowhere.
  for (size_t k = 0; k < s.in.size(); ++k)
    s.in[k].data = n.call->inputs[k].shape_only ? nullptr : address(n.inputs[k]);
  for (size_t k = 0; k < s.out.size(); ++k) s.out[k].data = address(n.first_output + int(k));
  if (has_scratch(i))
    s.scratch = arena ? static_cast<char*>(arena) + plan_.scratch_offset[size_t(s.node)] : nullptr;
  s.located = true;
}

void Steps::run(int i, Device device, Stream* stream, bool training, uint64_t run_seed) {
  const Graph::Node& n = node(i);
  run_seeded(i, device, stream, training,
             n.call->op->draws ? steps::seed_of(run_seed, n.stream) : 0);
}

void Steps::run_seeded(int i, Device device, Stream* stream, bool training, uint64_t seed) {
  Step& s = steps_[i];
  const Graph::Node& n = node(i);
  if (s.idle) return;
  // What is recomputed is what a training run computed.
  OpContext ctx(device, stream, training || n.phase == Phase::kRecomputed, s.wanted, seed);
  std::optional<ScratchRoom> room;
  if (s.scratch) {
    const ScratchNeed& need = plan_.scratch[size_t(s.node)];
    room.emplace(s.scratch, need.call, need.piece, int(need.pieces));
  }
  attempt([&] { run_kernel(*s.kernel, *n.call, ctx, s.in, s.out); },
          [&](std::string_view text) { fail("Error in operator {}: {}", n.name, text); });
}

}  // namespace heddle
