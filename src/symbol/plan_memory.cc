// Memory of a graph: values that are parts of others lie there, those that may take their input's
// place do, the rest get offsets in one arena by the time between their first and last use, and
// edges keep any order of execution safe.
#include <algorithm>
#include <map>
#include <numeric>
#include <optional>
#include <set>
#include <utility>

#include "device/scratch.h"
#include "symbol/pack.h"
#include "symbol/passes.h"

namespace heddle {

namespace memory {

constexpr int64_t kAlignment = 64;

// Parts of a joined value wait in its memory for the last of them: at most for so many nodes.
constexpr int kJoinSpan = 64;

class Planner {
 public:
  Planner(const Graph& g, const ValueTypes& t, const std::vector<bool>& outside,
          std::span<const int64_t> scratch, std::span<const Views> views)
      : g_(g),
        t_(t),
        outside_(outside),
        scratch_(scratch),
        views_(views),
        producer_(g.producers()),
        block_of_(g.values, -1),
        place_(g.values, 0) {}

  // Whether views may have cost memory: they let less be written in place, or claim it early.
  bool views_may_cost() const { return views_may_cost_; }

  MemoryPlan run(std::vector<std::vector<int>>* after, int64_t enough) {
    list_readers();
    plan_.offset.assign(g_.values, MemoryPlan::kOutside);
    plan_.shares.assign(g_.values, -1);
    plan_.still.assign(g_.nodes.size(), 0);
    plan_.scratch.assign(scratch_.empty() ? 0 : g_.nodes.size(), MemoryPlan::kUnused);
    if (!views_.empty()) changed_ = g_.changed(), claim_parts();
    std::vector<int> of_scratch(plan_.scratch.size(), -1);
    for (size_t i = 0; i < g_.nodes.size(); ++i) {
      if (g_.nodes[i].call) make_blocks(int(i));
      if (of_scratch.empty() || scratch_[i] == 0 || plan_.still[i]) continue;
      of_scratch[i] = add_block(scratch_[i], int(i));
    }
    plan_.peak_live_bytes = peak_live(blocks_);
    list_pieces();
    if (enough > 0 && plan_.peak_live_bytes > enough) {  // nothing can be enough
      plan_.arena_bytes = plan_.peak_live_bytes;
      return std::move(plan_);
    }
    plan_.arena_bytes = pack(blocks_, enough);
    for (int v = 0; v < g_.values; ++v)
      if (block_of_[v] >= 0) plan_.offset[v] = blocks_[block_of_[v]].offset + place_[v];
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
  int last_use(int v) const { return is_read(v) ? last_reader(v) : producer_[v]; }

  int64_t bytes_of(int node, int v) const {
    const ValueInfo& t = t_[v];
    check(t.shape.known() && t.dtype != Dtype::kUnknown,
          "Error in operator {}: its output has shape {} and dtype {}, expected them to be known "
          "before memory is planned",
          g_.nodes[node].name, t.shape, t.dtype);
    return t.shape.size() * dtype_size(t.dtype);
  }
  int64_t bytes_of(int v) const { return bytes_of(producer_[v], v); }

  int add_block(int64_t bytes, int node) {
    blocks_.push_back(
        {.bytes = (bytes + kAlignment - 1) / kAlignment * kAlignment, .begin = node, .end = node});
    occupants_.emplace_back();
    writers_.emplace_back();
    return int(blocks_.size()) - 1;
  }
  void occupy(int block, int64_t place, int v) {
    block_of_[v] = block, place_[v] = place;
    occupants_[block].push_back(v);
    blocks_[block].end = std::max(blocks_[block].end, last_use(v));
  }

  // The blocks of a node's outputs: an input's, or new ones.
  void make_blocks(int node) {
    if (look_into_input(node) || finish_join(node)) return;
    const Graph::Node& n = g_.nodes[node];
    for (int k = 0; k < n.outputs(); ++k) {
      const int v = n.first_output + k;
      if (outside_[v]) continue;
      if (!is_read(v) && !always_written(n, k)) {
        plan_.offset[v] = MemoryPlan::kUnused;
        continue;
      }
      if (const int input = input_to_share(node, k, bytes_of(node, v)); input >= 0) {
        take_over(input, v);
        continue;
      }
      if (const auto claim = claims_.find(v); claim != claims_.end()) {
        const int block = block_of_join(claim->second.join, node);
        writers_[block].push_back(node);
        occupy(block, claim->second.place, v);
        continue;
      }
      occupy(add_block(bytes_of(node, v), node), 0, v);
    }
  }

  int input_to_share(int node, int output, int64_t bytes) {
    const Graph::Node& n = g_.nodes[node];
    const auto claim = claims_.find(n.first_output + output);
    for (const auto& [from, to] : n.call->inplace) {
      if (to != output) continue;
      const int v = n.inputs[from];
      if (block_of_[v] < 0 || last_reader(v) != node || bytes_of(v) != bytes) continue;
      if (!may_write_over(*n.call, output, [&](int i) { return n.inputs[i] == v; })) continue;
      if (claim != claims_.end() && !claimed_alike(v, claim->second)) continue;
      if (is_alone(v, node)) return v;
    }
    return -1;
  }
  // Whether `v` is there still, and nobody needs what lies over it once `node` has run.
  bool is_alone(int v, int node) {
    bool there = false;
    for (int u : occupants_[block_of_[v]]) {
      there |= u == v;
      if (u == v || !overlap(u, v) || last_use(u) < node) continue;
      views_may_cost_ = true;
      return false;
    }
    return there;
  }
  bool overlap(int u, int v) const {
    return place_[u] < place_[v] + bytes_of(v) && place_[v] < place_[u] + bytes_of(u);
  }
  void take_over(int old, int v) {
    const int block = block_of_[old];
    std::vector<int>& there = occupants_[block];
    if (there.size() > 1) {
      std::vector<int>& over = written_over_[v];
      std::erase_if(there, [&](int u) { return overlap(u, old) && (over.push_back(u), true); });
    } else {
      there.clear();
    }
    plan_.shares[v] = old;
    occupy(block, place_[old], v);
  }

  // --- views ---
  Views::Of views_of(int node) const {
    return views_.empty() || !g_.nodes[node].call ? Views::kNothing : views_[node].of;
  }

  // Outputs that are parts of the first input lie in it, all of them or none.
  bool look_into_input(int node) {
    if (views_of(node) != Views::kInput) return false;
    const Graph::Node& n = g_.nodes[node];
    const int base = n.inputs[0];
    if (block_of_[base] < 0 || changed_[size_t(base)]) return false;
    for (int v = n.first_output; v < n.first_output + n.outputs(); ++v)
      if (outside_[v] || changed_[size_t(v)] || claims_.contains(v)) return false;
    for (int k = 0; k < n.outputs(); ++k) {
      const int v = n.first_output + k;
      if (is_read(v)) occupy(block_of_[base], place_[base] + views_[node].at[k], v);
      else plan_.offset[v] = MemoryPlan::kUnused;
      if (bytes_of(v) < bytes_of(base)) views_may_cost_ = true;  // a part keeps the whole
    }
    plan_.still[node] = 1;
    return true;
  }

  // Where a value is computed in its place within a joined one.
  struct Claim {
    int join;  // the node of the outermost one
    int64_t place;
  };
  bool claimed_alike(int v, const Claim& c) const {
    const auto have = claims_.find(v);
    return have != claims_.end() && have->second.join == c.join && have->second.place == c.place;
  }

  // From the last to the first: what is joined may be a part of another.
  void claim_parts() {
    for (int i = int(g_.nodes.size()) - 1; i >= 0; --i)
      if (views_of(i) == Views::kOutput && may_join(i)) claim_parts_of(i);
  }
  bool may_join(int node) const {
    const Graph::Node& n = g_.nodes[node];
    const int joined = n.first_output;
    if (outside_[joined] || !is_read(joined) || changed_[size_t(joined)]) return false;
    for (size_t k = 0; k < n.inputs.size(); ++k) {
      const int v = n.inputs[k];
      const Graph::Node& from = g_.nodes[producer_[v]];
      if (outside_[v] || !from.call || changed_[size_t(v)] || claims_.contains(v)) return false;
      if (from.phase != n.phase || node - producer_[v] > kJoinSpan) return false;
      if (views_of(producer_[v]) == Views::kInput || views_[node].at[k] % kAlignment != 0)
        return false;
      if (std::count(n.inputs.begin(), n.inputs.end(), v) > 1) return false;
    }
    return true;
  }
  void claim_parts_of(int node) {
    const Graph::Node& n = g_.nodes[node];
    Claim whole{node, 0};
    if (const auto c = claims_.find(n.first_output); c != claims_.end()) whole = c->second;
    else claims_[n.first_output] = whole;
    joins_.insert(node);
    views_may_cost_ = true;
    for (size_t k = 0; k < n.inputs.size(); ++k)
      claim(n.inputs[k], {whole.join, whole.place + views_[node].at[k]});
  }
  // Also what is written over to become it.
  void claim(int v, const Claim& place) {
    while (v >= 0) {
      claims_[v] = place;
      const int node = producer_[v];
      const Graph::Node& n = g_.nodes[node];
      if (views_of(node) == Views::kOutput) return;
      int before = -1;
      for (const auto& [from, to] : n.call->inplace) {
        const int u = n.inputs[from];
        if (n.first_output + to != v || outside_[u] || !g_.nodes[producer_[u]].call) continue;
        if (claims_.contains(u) || changed_[size_t(u)] || views_of(producer_[u])) continue;
        if (last_reader(u) != node || bytes_of(u) != bytes_of(v)) continue;
        if (place.join - producer_[u] > kJoinSpan) continue;
        if (may_write_over(*n.call, to, [&](int i) { return n.inputs[i] == u; })) before = u;
        break;
      }
      v = before;
    }
  }
  int block_of_join(int join, int node) {
    const auto [it, fresh] = block_of_joins_.try_emplace(join, int(blocks_.size()));
    if (fresh) add_block(bytes_of(g_.nodes[join].first_output), node);
    return it->second;
  }
  bool finish_join(int node) {
    if (!joins_.contains(node)) return false;
    const int v = g_.nodes[node].first_output;
    const Claim& c = claims_.at(v);
    occupy(block_of_join(c.join, node), c.place, v);
    plan_.still[node] = 1;
    return true;
  }

  // For who asks what is where: the values of each block, of which the largest stands for it.
  void list_pieces() {
    std::vector<int> piece_of(blocks_.size(), -1);
    for (int v = 0; v < g_.values; ++v) {
      const int b = block_of_[v];
      if (b < 0) continue;
      if (piece_of[b] < 0) {
        piece_of[b] = int(plan_.pieces.size());
        plan_.pieces.push_back({v, bytes_of(v), blocks_[b].begin, blocks_[b].end});
      }
      MemoryPlan::Piece& p = plan_.pieces[piece_of[b]];
      if (bytes_of(v) > p.bytes) p.value = v, p.bytes = bytes_of(v);
    }
  }

  // Who writes over a value waits for its other readers, and for those of what lies over it.
  void order_in_place(std::vector<std::vector<int>>& after) const {
    for (const Graph::Node& n : g_.nodes) {
      const int node = int(&n - g_.nodes.data());
      for (int k = 0; k < n.outputs(); ++k) {
        const int v = n.first_output + k;
        if (const int old = plan_.shares[v]; old >= 0) wait_for_readers(old, node, after);
        if (const auto over = written_over_.find(v); over != written_over_.end())
          for (int u : over->second) wait_for(u, node, after);
      }
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
        wait_for_block(old.block, blocks_[b].begin, after);
        for (int node : writers_[b]) wait_for_block(old.block, node, after);
        if (it->first < begin) head = {it->first, {begin, old.block}};
        if (old.end > end) tail = {end, old};
        it = occupied.erase(it);
      }
      if (head) occupied.insert(*head);
      if (tail) occupied.insert(*tail);
      occupied[begin] = {end, int(b)};
    }
  }
  void wait_for_block(int block, int node, std::vector<std::vector<int>>& after) const {
    for (int v : occupants_[block]) wait_for(v, node, after);
    if (occupants_[block].empty() && blocks_[block].end != node)  // scratch memory
      after[node].push_back(blocks_[block].end);
  }

  void wait_for(int value, int node, std::vector<std::vector<int>>& after) const {
    wait_for_readers(value, node, after);
    if (!is_read(value) && producer_[value] != node) after[node].push_back(producer_[value]);
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
  const std::span<const Views> views_;  // of nodes; empty: none
  const std::vector<int> producer_;
  MemoryPlan plan_;
  std::vector<int> first_, readers_;
  std::vector<int> block_of_;                // value -> block, or -1
  std::vector<int64_t> place_;               // value -> where it begins there
  std::vector<Block> blocks_;                // in order of their first node
  std::vector<std::vector<int>> occupants_;  // block -> values that lie there last; none: scratch
  std::vector<std::vector<int>> writers_;    // block of a joined value -> who writes its parts
  std::map<int, std::vector<int>> written_over_;  // value -> others than the one it shares with
  std::vector<uint8_t> changed_;                  // values that some node changes
  std::map<int, Claim> claims_;
  std::set<int> joins_;                // nodes whose inputs are computed in place
  std::map<int, int> block_of_joins_;  // outermost one -> block
  bool views_may_cost_ = false;
};

}  // namespace memory

MemoryPlan plan_memory(const Graph& g, const ValueTypes& t, const std::vector<bool>& outside,
                       std::vector<std::vector<int>>* after, int64_t enough,
                       std::span<const int64_t> scratch, std::span<const Views> views) {
  if (views.empty()) return memory::Planner(g, t, outside, scratch, {}).run(after, enough);
  memory::Planner with(g, t, outside, scratch, views);
  MemoryPlan best = with.run(after, enough);
  if (!with.views_may_cost()) return best;
  std::vector<Views> some(views.begin(), views.end());
  const auto without = [&](auto&& unwanted) {
    for (Views& v : some)
      if (unwanted(v)) v = {};
    std::vector<std::vector<int>> then;
    MemoryPlan m =
        memory::Planner(g, t, outside, scratch, some).run(after ? &then : nullptr, enough);
    if (m.arena_bytes >= best.arena_bytes) return;
    best = std::move(m);
    if (after) *after = std::move(then);
  };
  without([](const Views& v) { return v.of == Views::kOutput; });
  without([](const Views& v) { return v.at != std::vector<int64_t>{0}; });
  without([](const Views&) { return true; });
  return best;
}

std::vector<Views> find_views(const Graph& g, const ValueTypes& types,
                              const std::vector<Choice>& choices) {
  std::vector<Views> all;
  std::vector<Blob> in, out;
  for (size_t i = 0; i < g.nodes.size(); ++i) {
    const Graph::Node& n = g.nodes[i];
    if (!n.call || !n.call->op->views || n.phase == Phase::kPrepare) continue;
    in.clear(), out.clear();
    const auto blob = [&](int v, const Stored& stored) {
      return Blob{nullptr, types[v].shape, types[v].dtype, Device{}, stored};
    };
    for (size_t k = 0; k < n.inputs.size(); ++k) in.push_back(blob(n.inputs[k], choices[i].in[k]));
    for (int k = 0; k < n.outputs(); ++k)
      out.push_back(blob(n.first_output + k, choices[i].out[size_t(k)]));
    if (all.empty()) all.resize(g.nodes.size());
    all[i] = n.call->op->views(n.call->params.get(), {in, out, false});
  }
  return all;
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
