// Memory of a graph: values that may take their input's place do, the rest get offsets in one arena
// by the time between their first and last use, and edges keep any order of execution safe.
#include <algorithm>
#include <map>
#include <numeric>
#include <optional>
#include <utility>

#include "device/scratch.h"
#include "symbol/pack.h"
#include "symbol/passes.h"

namespace heddle {

namespace memory {

constexpr int64_t kAlignment = 64;

class Planner {
 public:
  Planner(const Graph& g, const ValueTypes& t, const std::vector<bool>& outside,
          std::span<const int64_t> scratch)
      : g_(g), t_(t), outside_(outside), scratch_(scratch), block_of_(g.values, -1) {}

  MemoryPlan run(std::vector<std::vector<int>>* after, int64_t enough) {
    list_readers();
    plan_.offset.assign(g_.values, MemoryPlan::kOutside);
    plan_.shares.assign(g_.values, -1);
    plan_.scratch.assign(scratch_.empty() ? 0 : g_.nodes.size(), MemoryPlan::kUnused);
    std::vector<int> of_scratch(plan_.scratch.size(), -1);
    for (size_t i = 0; i < g_.nodes.size(); ++i) {
      if (g_.nodes[i].call) make_blocks(int(i));
      if (of_scratch.empty() || scratch_[i] == 0) continue;
      of_scratch[i] = int(blocks_.size());
      blocks_.push_back({.bytes = scratch_[i], .begin = int(i), .end = int(i)});
      last_value_.push_back(-1);
    }
    plan_.peak_live_bytes = peak_live(blocks_);
    if (enough > 0 && plan_.peak_live_bytes > enough) {  // nothing can be enough
      plan_.arena_bytes = plan_.peak_live_bytes;
      return std::move(plan_);
    }
    plan_.arena_bytes = pack(blocks_, enough);
    for (int v = 0; v < g_.values; ++v)
      if (block_of_[v] >= 0) plan_.offset[v] = blocks_[block_of_[v]].offset;
    for (size_t i = 0; i < of_scratch.size(); ++i)
      if (of_scratch[i] >= 0) plan_.scratch[i] = blocks_[of_scratch[i]].offset;
    if (after) {
      after->assign(g_.nodes.size(), {});
      order_in_place(*after);
      order_reuse(*after);
      order_mutations(*after);
      for (auto& nodes : *after) {
        std::sort(nodes.begin(), nodes.end());
        nodes.erase(std::unique(nodes.begin(), nodes.end()), nodes.end());
      }
    }
    return std::move(plan_);
  }

 private:
  // Nodes that read a value (not only its type), in order, as ranges of one array. A node that
  // reads twice is listed twice.
  void list_readers() {
    first_.assign(g_.values + 1, 0);
    for (const Graph::Node& n : g_.nodes)
      for (size_t k = 0; k < n.inputs.size(); ++k)
        if (!n.call->inputs[k].shape_only) ++first_[n.inputs[k] + 1];
    std::partial_sum(first_.begin(), first_.end(), first_.begin());
    readers_.resize(first_.back());
    std::vector<int> at(first_.begin(), first_.end() - 1);
    for (size_t i = 0; i < g_.nodes.size(); ++i) {
      const Graph::Node& n = g_.nodes[i];
      for (size_t k = 0; k < n.inputs.size(); ++k)
        if (!n.call->inputs[k].shape_only) readers_[at[n.inputs[k]]++] = int(i);
    }
  }
  bool is_read(int v) const { return first_[v] < first_[v + 1]; }
  int last_reader(int v) const { return readers_[first_[v + 1] - 1]; }

  int64_t bytes_of(int node, int v) const {
    const ValueInfo& t = t_[v];
    check(t.shape.known() && t.dtype != Dtype::kUnknown,
          "Error in operator {}: its output has shape {} and dtype {}, expected them to be known "
          "before memory is planned",
          g_.nodes[node].name, t.shape, t.dtype);
    return t.shape.size() * dtype_size(t.dtype);
  }

  // The blocks of a node's outputs: an input's, or new ones.
  void make_blocks(int node) {
    const Graph::Node& n = g_.nodes[node];
    for (int k = 0; k < n.outputs(); ++k) {
      const int v = n.first_output + k;
      if (outside_[v]) continue;
      if (!is_read(v) && !always_written(n, k)) {
        plan_.offset[v] = MemoryPlan::kUnused;
        continue;
      }
      const int64_t bytes = bytes_of(node, v);
      if (const int input = input_to_share(node, k, bytes); input >= 0) {
        plan_.shares[v] = input;
        block_of_[v] = block_of_[input];
        Block& b = blocks_[block_of_[v]];
        b.end = is_read(v) ? last_reader(v) : node;
        last_value_[block_of_[v]] = v;
        continue;
      }
      block_of_[v] = int(blocks_.size());
      blocks_.push_back({.bytes = (bytes + kAlignment - 1) / kAlignment * kAlignment,
                         .begin = node,
                         .end = is_read(v) ? last_reader(v) : node});
      last_value_.push_back(v);
    }
  }

  int input_to_share(int node, int output, int64_t bytes) const {
    const Graph::Node& n = g_.nodes[node];
    for (const auto& [from, to] : n.call->inplace) {
      if (to != output) continue;
      const int v = n.inputs[from];
      if (block_of_[v] < 0 || last_reader(v) != node || last_value_[block_of_[v]] != v) continue;
      if (!may_write_over(*n.call, output, [&](int i) { return n.inputs[i] == v; })) continue;
      if (t_[v].shape.size() * dtype_size(t_[v].dtype) == bytes) return v;
    }
    return -1;
  }

  // Who writes over a value waits for its other readers.
  void order_in_place(std::vector<std::vector<int>>& after) const {
    for (const Graph::Node& n : g_.nodes) {
      const int node = int(&n - g_.nodes.data());
      for (int k = 0; k < n.outputs(); ++k)
        if (const int old = plan_.shares[n.first_output + k]; old >= 0)
          wait_for_readers(old, node, after);
    }
  }

  // Who uses memory again waits for the readers of what lay there, or for who wrote it if there are
  // none. Only the latest occupant of each byte counts: it has waited for those before it.
  void order_reuse(std::vector<std::vector<int>>& after) const {
    struct Stretch {
      int64_t end;
      int block;
    };
    std::map<int64_t, Stretch> occupied;           // by where it begins
    for (size_t b = 0; b < blocks_.size(); ++b) {  // blocks were made in order of their first node
      const int64_t begin = blocks_[b].offset, end = begin + blocks_[b].bytes;
      if (begin == end) continue;
      auto it = occupied.upper_bound(begin);
      if (it != occupied.begin() && std::prev(it)->second.end > begin) --it;
      std::optional<std::pair<int64_t, Stretch>> head, tail;
      while (it != occupied.end() && it->first < end) {
        const Stretch old = it->second;
        const int value = last_value_[old.block], node = blocks_[b].begin;
        if (value >= 0) wait_for_readers(value, node, after);
        if ((value < 0 || !is_read(value)) && blocks_[old.block].end != node)
          after[node].push_back(blocks_[old.block].end);
        if (it->first < begin) head = {it->first, {begin, old.block}};
        if (old.end > end) tail = {end, old};
        it = occupied.erase(it);
      }
      if (head) occupied.insert(*head);
      if (tail) occupied.insert(*tail);
      occupied[begin] = {end, int(b)};
    }
  }

  void wait_for_readers(int value, int node, std::vector<std::vector<int>>& after) const {
    for (int i = first_[value]; i < first_[value + 1]; ++i)
      if (readers_[i] != node) after[node].push_back(readers_[i]);
  }

  // Values changed in place (auxiliary states): reads and changes keep the order of the graph.
  void order_mutations(std::vector<std::vector<int>>& after) const {
    struct History {
      int last_change = -1;
      std::vector<int> reads_since = {};
    };
    std::map<int, History> changed;
    for (const Graph::Node& n : g_.nodes)
      if (n.call && n.call->mutates)
        for (size_t i = 0; i < n.inputs.size(); ++i)
          if (n.call->inputs[i].role != Role::kRead) changed[n.inputs[i]];
    if (changed.empty()) return;
    for (const Graph::Node& n : g_.nodes) {
      const int node = int(&n - g_.nodes.data());
      for (size_t i = 0; i < n.inputs.size(); ++i) {
        auto it = changed.find(n.inputs[i]);
        if (it == changed.end()) continue;
        History& h = it->second;
        if (h.last_change >= 0 && h.last_change != node) after[node].push_back(h.last_change);
        if (n.call->inputs[i].role == Role::kRead) {
          h.reads_since.push_back(node);
          continue;
        }
        for (int reader : h.reads_since)
          if (reader != node) after[node].push_back(reader);
        h = {.last_change = node};
      }
    }
  }

  const Graph& g_;
  const ValueTypes& t_;
  const std::vector<bool>& outside_;
  const std::span<const int64_t> scratch_;
  MemoryPlan plan_;
  std::vector<int> first_, readers_;
  std::vector<int> block_of_;    // value -> block, or -1
  std::vector<Block> blocks_;    // in order of their first node
  std::vector<int> last_value_;  // block -> the value that holds it last; -1: it is scratch memory
};

}  // namespace memory

MemoryPlan plan_memory(const Graph& g, const ValueTypes& t, const std::vector<bool>& outside,
                       std::vector<std::vector<int>>* after, int64_t enough,
                       std::span<const int64_t> scratch) {
  return memory::Planner(g, t, outside, scratch).run(after, enough);
}

std::vector<ScratchNeed> scratch_needs(const Graph& g, const Placement& where,
                                       const ValueTypes& types, const std::vector<Choice>& choices,
                                       bool training, int threads,
                                       const std::vector<uint8_t>& wanted) {
  std::vector<ScratchNeed> needs(g.nodes.size());
  std::vector<Blob> in, out;
  for (size_t i = 0; i < g.nodes.size(); ++i) {
    const Graph::Node& n = g.nodes[i];
    const OpDef::Implementation* const kernel = choices[i].kernel;
    if (!n.call || !kernel || !kernel->scratch || where[i].kind != Device::kCpu ||
        n.phase == Phase::kPrepare)
      continue;
    const std::span<const uint8_t> wants(&wanted[size_t(n.first_output)], size_t(n.outputs()));
    if (!n.call->mutates && std::find(wants.begin(), wants.end(), 1) == wants.end()) continue;
    in.clear(), out.clear();
    const auto blob = [&](int v, const Stored& stored) {
      return Blob{nullptr, types[v].shape, types[v].dtype, where[i], stored};
    };
    for (size_t k = 0; k < n.inputs.size(); ++k) in.push_back(blob(n.inputs[k], choices[i].in[k]));
    for (int k = 0; k < n.outputs(); ++k)
      out.push_back(blob(n.first_output + k, choices[i].out[size_t(k)]));
    const ScratchNeed need = scratch_of(
        *kernel, *n.call, {in, out, training || n.phase == Phase::kRecomputed, {}, wants});
    if (need.call + need.piece <= int64_t(kSmallestScratch)) continue;
    needs[i] = need;
    needs[i].pieces = std::clamp<int64_t>(need.pieces, 1, threads);
  }
  return needs;
}

std::vector<int64_t> scratch_bytes(const std::vector<ScratchNeed>& needs) {
  std::vector<int64_t> bytes;
  bytes.reserve(needs.size());
  for (const ScratchNeed& n : needs)
    bytes.push_back(n.call + n.piece == 0 ? 0 : ScratchRoom::bytes(n.call, n.piece, int(n.pieces)));
  return bytes;
}

}  // namespace heddle
