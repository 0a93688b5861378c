// The search: blocks are cut out of the forward nodes, a chain of them is solved for some number of
// bytes, the moves become an order of nodes, and the planner says what that order needs.
#include "symbol/recompute.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <optional>
#include <set>
#include <span>
#include <utility>

#include "symbol/checkpoint.h"
#include "symbol/replay.h"
#include "symbol/rewrite.h"

namespace heddle {

namespace recomputing {

using checkpoint::Block;
using checkpoint::Chain;
using checkpoint::Move;
using checkpoint::Way;

// An order, and what it needs.
struct Trial {
  Replay::Order order;
  int64_t bytes = std::numeric_limits<int64_t>::max();
  double seconds = 0;
};
bool better(const Trial& a, const Trial& b) {
  return std::pair(a.seconds, a.bytes) < std::pair(b.seconds, b.bytes);
}

// What any node costs, however little it does.
constexpr double kCallSeconds = 1e-6;
// A smaller arena is not worth a second run of anything.
constexpr int64_t kWorthwhile = int64_t{1} << 20;

bool asks(const Graph::Node& n, const char* attribute) {
  const auto it = n.attrs.find(attribute);
  return it != n.attrs.end() && (it->second == "True" || it->second == "true" || it->second == "1");
}

// What is known of the graph before anything is decided.
class Study {
 public:
  Study(const Chosen& c, const std::vector<bool>& outside, const std::vector<int64_t>& scratch)
      : c_(c), g_(c.graph), outside_(outside), scratch_(scratch) {
    producer_ = g_.producers();
    position_.assign(g_.nodes.size(), -1);
    for (size_t i = 0; i < g_.nodes.size(); ++i) {
      const Graph::Node& n = g_.nodes[i];
      if (!n.call) continue;
      if (n.phase > Phase::kForward) backward_.push_back(int(i));
      else position_[i] = int(forward_.size()), forward_.push_back(int(i));
    }
    bytes_.assign(g_.values, 0);
    for (int v = 0; v < g_.values; ++v)
      if (!outside_[v] && g_.nodes[producer_[v]].call)
        bytes_[v] = c_.types[v].shape.size() * dtype_size(c_.types[v].dtype);
    find_costs();
    find_readers();
    find_pinned();
  }

  const Graph& graph() const { return g_; }
  const std::vector<int>& producer() const { return producer_; }
  const std::vector<int>& forward() const { return forward_; }
  const std::vector<int>& backward() const { return backward_; }
  int position(int node) const { return position_[node]; }  // among the forward ones; -1: none
  int64_t bytes(int value) const { return bytes_[value]; }  // in the arena
  int64_t scratch(int node) const { return scratch_.empty() ? 0 : scratch_[size_t(node)]; }
  double seconds(int node) const { return seconds_[node]; }
  double forward_seconds() const { return forward_seconds_; }
  bool cheap(int node) const { return cheap_[node]; }
  bool forced(int node) const { return asks(g_.nodes[node], "__force_mirroring__"); }
  // Positions of the nodes that end a block, as their users say.
  std::vector<int> stages() const {
    std::vector<int> all;
    for (int node : forward_)
      if (asks(g_.nodes[node], "__mirror_stage__")) all.push_back(position_[node]);
    return all;
  }
  bool saved(int value) const { return saved_[value]; }  // read by a gradient
  int last(int value) const { return last_[value]; }     // its last forward reader's position
  const std::vector<uint8_t>& pinned() const { return pinned_; }  // never computed again

  // What is in use at each event of an order; as much as is known of views.
  struct Use {
    std::span<const Views> views;
    std::vector<int64_t> at = {};
  };

  // Looks for a packing of no more than `enough` bytes; 0: for the smallest. Where more is live at
  // once, says how much.
  Trial try_order(Replay::Order order, int64_t enough = 0, Use* use = nullptr) const {
    Trial t{.order = std::move(order), .bytes = 0, .seconds = 0};
    Graph light;
    light.values = t.order.values;
    ValueTypes types = c_.types;
    types.resize(size_t(light.values));
    std::vector<bool> elsewhere = outside_;
    elsewhere.resize(size_t(light.values), false);
    std::vector<Device> device_of(size_t(light.values));
    for (int v = 0; v < g_.values; ++v) device_of[v] = c_.where[producer_[v]];
    // As they will stand in the graph: variables among the forward nodes.
    size_t next = 0;
    std::vector<int64_t> scratch;
    std::vector<int> node_of, event_of;  // of the nodes of that graph
    for (const Graph::Node& n : g_.nodes) {
      if (n.phase > Phase::kForward) continue;
      light.nodes.push_back({.call = n.call, .inputs = n.inputs, .first_output = n.first_output});
      node_of.push_back(int(&n - g_.nodes.data()));
      event_of.push_back(int(next));
      scratch.push_back(this->scratch(node_of.back()));
      next += n.call != nullptr;
    }
    for (; next < t.order.events.size(); ++next) {
      const Replay::Event& e = t.order.events[next];
      const Graph::Node& n = g_.nodes[e.node];
      if (e.clone) {
        t.seconds += seconds_[e.node];
        for (int k = 0; k < n.outputs(); ++k) {
          types[e.first_output + k] = c_.types[n.first_output + k];
          device_of[e.first_output + k] = c_.where[e.node];
        }
      }
      light.nodes.push_back({.call = n.call,
                             .inputs = e.inputs,
                             .first_output = e.first_output,
                             .phase = e.clone ? Phase::kRecomputed : n.phase});
      node_of.push_back(e.node);
      event_of.push_back(int(next));
      scratch.push_back(this->scratch(e.node));
    }
    std::vector<Views> views;
    if (use && !use->views.empty())
      for (int node : node_of) views.push_back(use->views[size_t(node)]);
    if (use) use->at.assign(t.order.events.size() + 1, 0);
    if (scratch_.empty()) scratch.clear();
    for (const Graph::Node& n : g_.nodes)
      if (!n.call)
        for (int k = 0; k < n.outputs(); ++k) elsewhere[n.first_output + k] = true;
    std::vector<Device> devices;
    for (int node : forward_)
      if (std::find(devices.begin(), devices.end(), c_.where[node]) == devices.end())
        devices.push_back(c_.where[node]);
    for (Device d : devices) {
      std::vector<bool> other = elsewhere;
      for (int v = 0; v < light.values; ++v) other[v] = other[v] || !(device_of[v] == d);
      const MemoryPlan plan =
          plan_memory(light, types, other, nullptr, devices.size() == 1 ? enough : 0,
                      d.kind == Device::kCpu ? scratch : std::vector<int64_t>{}, views);
      t.bytes += plan.arena_bytes;
      for (size_t i = 0; use && i < plan.pieces.size(); ++i) {
        const MemoryPlan::Piece& p = plan.pieces[i];
        use->at[size_t(event_of[size_t(p.begin)])] += p.bytes;
        use->at[size_t(event_of[size_t(p.end)]) + 1] -= p.bytes;
      }
    }
    if (!use) return t;
    std::partial_sum(use->at.begin(), use->at.end(), use->at.begin());
    use->at.pop_back();
    for (size_t i = 0; i < use->at.size(); ++i) use->at[i] += this->scratch(t.order.events[i].node);
    return t;
  }

 private:
  Blob describe(int value) const {
    const ValueInfo& t = c_.types[value];
    return {nullptr, t.shape, t.dtype, Device{}, {Stype::kDense, t.layout}};
  }

  void find_costs() {
    seconds_.assign(g_.nodes.size(), 0);
    cheap_.assign(g_.nodes.size(), 0);
    std::vector<Blob> in, out;
    for (int node : forward_) {
      const Graph::Node& n = g_.nodes[node];
      in.clear(), out.clear();
      for (int v : n.inputs) in.push_back(describe(v));
      double made = 0;
      for (int k = 0; k < n.outputs(); ++k)
        out.push_back(describe(n.first_output + k)), made += double(out.back().bytes());
      const Cost cost = cost_of(*n.call, {in, out, true});
      seconds_[node] = kCallSeconds + cost.seconds();
      forward_seconds_ += seconds_[node];
      // It waits for memory more than for arithmetic, and moves what it makes six times at most.
      cheap_[node] = 2 * Cost{0, cost.bytes}.seconds() >= cost.seconds() &&
                     cost.seconds() <= Cost{0, 6 * made}.seconds();
    }
  }

  void find_readers() {
    last_.assign(g_.values, -1);
    saved_.assign(g_.values, 0);
    for (size_t i = 0; i < g_.nodes.size(); ++i) {
      const Graph::Node& n = g_.nodes[i];
      for (size_t k = 0; k < n.inputs.size(); ++k) {
        if (n.call->inputs[k].shape_only) continue;
        if (position_[i] >= 0) last_[n.inputs[k]] = std::max(last_[n.inputs[k]], position_[i]);
        else saved_[n.inputs[k]] = 1;
      }
    }
  }

  // A statistic beside a tensor: nobody would run the node again for it.
  bool minor(const Graph::Node& n, int k) const {
    return k > 0 && bytes_[n.first_output + k] <= bytes_[n.first_output] / 16;
  }

  // A node may run again if it keeps nothing from call to call, and finds what it read unchanged.
  void find_pinned() {
    std::vector<uint8_t> changed(g_.values, 0);
    for (const Graph::Node& n : g_.nodes)
      for (size_t k = 0; n.call && n.call->mutates && k < n.inputs.size(); ++k)
        if (const Input& i = n.call->inputs[k]; i.role != Role::kRead && !i.same_value)
          changed[n.inputs[k]] = 1;
    pinned_.assign(g_.values, 1);
    for (int node : forward_) {
      const Graph::Node& n = g_.nodes[node];
      bool repeats = !n.call->op->stateful;
      for (size_t k = 0; k < n.inputs.size(); ++k) {
        const Input& i = n.call->inputs[k];
        if (i.by_gradient || i.same_value || i.shape_only) continue;
        repeats = repeats && i.role == Role::kRead && !changed[n.inputs[k]];
      }
      for (int k = 0; repeats && k < n.outputs(); ++k)
        pinned_[n.first_output + k] = outside_[n.first_output + k] || minor(n, k);
    }
  }

  const Chosen& c_;
  const Graph& g_;
  const std::vector<bool>& outside_;
  const std::vector<int64_t>& scratch_;
  std::vector<int> producer_, forward_, backward_, position_, last_;
  std::vector<int64_t> bytes_;
  std::vector<double> seconds_;
  double forward_seconds_ = 0;
  std::vector<uint8_t> cheap_, saved_, pinned_;
};

// What is computed again where it is read, instead of being kept: of the values of the nodes at
// [begin, end), or of all.
class CheapValues {
 public:
  explicit CheapValues(const Study& s)
      : s_(s), kept_(size_t(s.graph().values), 0), again_(s.graph().nodes.size(), 0) {}

  // Says that gradients find the value. Of a block: before any is dropped.
  void keep(int value) { kept_[value] = 1; }
  bool kept(int value) const { return kept_[value]; }

  // Tries to drop a kept value of a node at `begin` or later: everything that is missing for it
  // must be cheap. Returns the seconds; nothing where it cannot be had, or takes longer.
  std::optional<double> drop(int value, int begin, double most_seconds = 1e30) {
    constexpr size_t kMost = 12;  // nodes that one value may need
    std::vector<int> nodes, todo = {s_.producer()[value]};
    while (!todo.empty()) {
      const int node = todo.back();
      todo.pop_back();
      if (std::find(nodes.begin(), nodes.end(), node) != nodes.end()) continue;
      if (s_.position(node) < begin || !(s_.cheap(node) || s_.forced(node)) ||
          nodes.size() == kMost)
        return {};
      nodes.push_back(node);
      const Graph::Node& n = s_.graph().nodes[node];
      for (size_t k = 0; k < n.inputs.size(); ++k) {
        const int v = n.inputs[k];
        if (n.call->inputs[k].shape_only || kept_[v] || s_.bytes(v) == 0) continue;
        if (s_.position(s_.producer()[v]) < begin) continue;  // the block is given it
        if (s_.pinned()[v]) return {};
        todo.push_back(s_.producer()[v]);
      }
    }
    double seconds = 0;
    for (int node : nodes)
      if (!again_[node]) seconds += s_.seconds(node);
    if (seconds > most_seconds) return {};
    for (int node : nodes) again_[node] = 1;
    kept_[value] = 0;
    return seconds;
  }

 private:
  const Study& s_;
  std::vector<uint8_t> kept_, again_;
};

// A chain of blocks cut out of the graph.
class Blocks {
 public:
  // Values that are read more than `span` nodes after they were made are kept throughout. At most
  // `most` blocks. `fine`: cut also where more is carried on than nearby.
  Blocks(const Study& s, int span, int most, bool fine) : Blocks(s, span) {
    cut([&](const std::vector<int64_t>& carried) { return places(carried, most, fine); });
  }
  // Cut after the nodes at these positions.
  Blocks(const Study& s, const std::vector<int>& after) : Blocks(s, 1 << 30) {
    cut([&](const std::vector<int64_t>&) {
      std::vector<int> cuts;
      for (int p : after)
        if (p + 1 < int(s_.forward().size())) cuts.push_back(p + 1);
      return cuts;
    });
  }

  int size() const { return int(blocks_.size()); }
  int64_t always() const { return always_; }  // bytes that are kept throughout
  const std::vector<Block>& blocks() const { return blocks_; }
  const std::vector<uint8_t>& pinned() const { return pinned_; }
  // More than it needs where nothing runs again.
  int64_t most() const { return 2 * keeping_all_ + 1; }

  Replay::Order order(const std::vector<Move>& moves) const {
    Replay replay(s_.graph(), s_.producer(), pinned_);
    std::vector<uint8_t> ran(blocks_.size(), 0);
    for (const Move& m : moves) {
      if (m.kind == Move::kBackward) {
        for (int node : backward_[size_t(m.block)]) replay.backward(node);
        continue;
      }
      const int begin = begins_[size_t(m.block)], end = begins_[size_t(m.block) + 1];
      for (int p = begin; ran[size_t(m.block)] && p < end; ++p)
        replay.repeat(s_.forward()[size_t(p)]);
      ran[size_t(m.block)] = 1;
      if (m.kind != Move::kKeep || m.way == 0) continue;
      for (int v : gone_[size_t(m.block)]) replay.forget(v);
    }
    return replay.finish();
  }

 private:
  Blocks(const Study& s, int span) : s_(s), pinned_(s.pinned()) {
    for (int node : s_.forward()) {
      const Graph::Node& n = s_.graph().nodes[node];
      for (int v = n.first_output; v < n.first_output + n.outputs(); ++v) {
        if (s_.last(v) - s_.position(node) > span) pinned_[v] = 1;
        if (pinned_[v] && s_.saved(v)) always_ += s_.bytes(v);
      }
    }
  }

  int64_t bytes(int v) const { return pinned_[v] ? 0 : s_.bytes(v); }
  template <class F>
  void each_output(int position, F&& f) const {
    const Graph::Node& n = s_.graph().nodes[size_t(s_.forward()[size_t(position)])];
    for (int v = n.first_output; v < n.first_output + n.outputs(); ++v) f(v);
  }

  // Blocks begin at the positions that where(weights) gives; weights: of what is carried on to each
  // position, where what gradients do not read counts half as much again.
  template <class Where>
  void cut(Where&& where) {
    const int n = int(s_.forward().size());
    std::vector<int64_t> carried(size_t(n) + 2, 0), weight(size_t(n) + 2, 0);
    for (int p = 0; p < n; ++p)
      each_output(p, [&](int v) {
        if (s_.last(v) <= p || bytes(v) == 0) return;
        const int64_t w = bytes(v) + (s_.saved(v) ? 0 : bytes(v) / 2);
        carried[size_t(p) + 1] += bytes(v), carried[size_t(s_.last(v)) + 1] -= bytes(v);
        weight[size_t(p) + 1] += w, weight[size_t(s_.last(v)) + 1] -= w;
      });
    for (int p = 1; p <= n; ++p)
      carried[size_t(p)] += carried[size_t(p) - 1], weight[size_t(p)] += weight[size_t(p) - 1];
    const std::vector<int> cuts = where(weight);
    begins_ = {0};
    begins_.insert(begins_.end(), cuts.begin(), cuts.end());
    begins_.push_back(n);
    blocks_.resize(begins_.size() - 1);
    block_of_.resize(size_t(n));
    for (size_t b = 0; b < blocks_.size(); ++b) {
      for (int p = begins_[b]; p < begins_[b + 1]; ++p) {
        block_of_[size_t(p)] = int(b);
        blocks_[b].seconds += s_.seconds(s_.forward()[size_t(p)]);
      }
      blocks_[b].out = b + 1 < blocks_.size() ? carried[size_t(begins_[b + 1])] : 0;
    }
    assign_backward();
    measure();
  }

  // Where less is carried on than anywhere `reach` nodes around: so far that there are not too
  // many.
  std::vector<int> places(const std::vector<int64_t>& weight, int most, bool fine) const {
    const int n = int(s_.forward().size());
    std::vector<int> cuts;
    for (int p = 1; p < n; ++p) cuts.push_back(p);
    for (int reach = 1; reach <= 64 && ((reach == 1 && !fine) || int(cuts.size()) >= most);
         reach *= 2) {
      std::vector<int> better;
      for (int p : cuts) {
        int64_t least = weight[size_t(p)];
        for (int q = std::max(1, p - reach); q <= std::min(n - 1, p + reach); ++q)
          least = std::min(least, weight[size_t(q)]);
        if (least == weight[size_t(p)]) better.push_back(p);
      }
      cuts = std::move(better);
    }
    while (int(cuts.size()) >= most) {
      std::vector<int> half;
      for (size_t i = 1; i < cuts.size(); i += 2) half.push_back(cuts[i]);
      cuts = std::move(half);
    }
    return cuts;
  }

  // Backward nodes keep their order, so a node belongs to the earliest block that any before it
  // belonged to.
  void assign_backward() {
    backward_.resize(blocks_.size());
    int now = int(blocks_.size()) - 1;
    for (int node : s_.backward()) {
      const Graph::Node& n = s_.graph().nodes[size_t(node)];
      int of = n.forward >= 0 ? s_.position(n.forward) : -1;
      for (size_t k = 0; of < 0 && n.forward < 0 && k < n.inputs.size(); ++k)
        if (bytes(n.inputs[k]) > 0) of = s_.position(s_.producer()[size_t(n.inputs[k])]);
      if (of >= 0) now = std::min(now, block_of_[size_t(of)]);
      backward_[size_t(now)].push_back(node);
    }
  }

  void measure() {
    measure_forward();
    for (size_t b = 0; b < blocks_.size(); ++b) measure_ways(int(b));
    measure_backward();
  }

  // One walk forward, where values go as soon as they are read: what is in use at every node.
  void measure_forward() {
    const int n = int(s_.forward().size());
    live_.assign(size_t(n), 0);
    int64_t live = 0;
    std::vector<int> ending;
    for (int p = 0; p < n; ++p) {
      const Graph::Node& node = s_.graph().nodes[size_t(s_.forward()[size_t(p)])];
      ending.clear();
      for (size_t k = 0; k < node.inputs.size(); ++k) {
        const int v = node.inputs[k];
        if (bytes(v) > 0 && s_.last(v) == p && !node.call->inputs[k].shape_only &&
            std::find(ending.begin(), ending.end(), v) == ending.end())
          ending.push_back(v);
      }
      int64_t brief = 0;
      for (int k = 0; k < node.outputs(); ++k) {
        const int v = node.first_output + k;
        if (bytes(v) == 0 || (s_.last(v) < 0 && !s_.saved(v))) continue;
        bool taken = false;
        for (const auto& [from, to] : node.call->inplace) {
          if (to != k || taken) continue;
          const int u = node.inputs[size_t(from)];
          const auto at = std::find(ending.begin(), ending.end(), u);
          if (at == ending.end() || bytes(u) != bytes(v)) continue;
          if (!may_write_over(*node.call, k, [&](int i) { return node.inputs[size_t(i)] == u; }))
            continue;
          ending.erase(at), taken = true;
        }
        if (!taken) live += bytes(v);
        if (s_.last(v) < 0) brief += bytes(v);
      }
      live_[size_t(p)] = live + s_.scratch(s_.forward()[size_t(p)]);
      live -= brief;
      for (int v : ending) live -= bytes(v);
      Block& b = blocks_[size_t(block_of_[size_t(p)])];
      b.forward = std::max(b.forward, live_[size_t(p)]);
    }
  }

  // Keeping all that its gradients read, and keeping what cannot be had again cheaply.
  void measure_ways(int b) {
    const int begin = begins_[size_t(b)], end = begins_[size_t(b) + 1];
    CheapValues cheap(s_);
    std::vector<int> kept, carried;
    for (int p = begin; p < end; ++p)
      each_output(p, [&](int v) {
        const bool on = s_.last(v) >= end;
        if (bytes(v) == 0 || !(on || s_.saved(v))) return;
        cheap.keep(v);
        kept.push_back(v);
        if (on) carried.push_back(v);
      });
    const auto add_way = [&](double seconds) {
      Way w{.seconds = seconds};
      for (int v : kept)
        if (cheap.kept(v)) w.saved += bytes(v);
      int64_t stays = 0;  // of what a run that saves nothing would let go
      std::vector<int64_t> dies(size_t(end - begin) + 1, 0);
      for (int p = begin; p < end; ++p) {
        w.forward = std::max(w.forward, live_[size_t(p)] + stays);
        each_output(p, [&](int v) {
          if (bytes(v) > 0 && cheap.kept(v) && s_.last(v) < end)
            dies[size_t(std::max(s_.last(v), p) - begin)] += bytes(v);
        });
        stays += dies[size_t(p - begin)];
      }
      blocks_[size_t(b)].ways.push_back(w);
    };
    add_way(0);
    double seconds = 0;
    bool any = false;
    for (int v : kept) {
      if (s_.last(v) >= end) continue;
      if (const auto more = cheap.drop(v, begin)) seconds += *more, any = true;
    }
    gone_.emplace_back();
    if (!any) return;
    add_way(seconds);
    for (int p = begin; p < end; ++p)
      each_output(p, [&](int v) {
        if (bytes(v) > 0 && !cheap.kept(v)) gone_.back().push_back(v);
      });
  }

  // Gradients in use, node by node, whatever is computed again: they do not depend on it.
  void measure_backward() {
    std::vector<int> begin(size_t(s_.graph().values), -1), end(begin);  // the first and last reader
    const int n = int(s_.backward().size());
    for (int i = 0; i < n; ++i) {
      const Graph::Node& node = s_.graph().nodes[size_t(s_.backward()[size_t(i)])];
      for (size_t k = 0; k < node.inputs.size(); ++k) {
        if (node.call->inputs[k].shape_only) continue;
        const size_t v = size_t(node.inputs[k]);
        end[v] = i, begin[v] = begin[v] < 0 ? i : begin[v];
      }
    }
    std::vector<int64_t> live(size_t(n) + 1, 0);
    std::vector<uint8_t> taken(size_t(s_.graph().values), 0);
    int64_t now = 0;
    std::vector<int64_t> ends(size_t(n) + 1, 0);
    for (int i = 0; i < n; ++i) {
      const Graph::Node& node = s_.graph().nodes[size_t(s_.backward()[size_t(i)])];
      for (int k = 0; k < node.outputs(); ++k) {
        const int v = node.first_output + k;
        if (bytes_of_gradient(v) == 0 || end[size_t(v)] < 0) continue;
        ends[size_t(end[size_t(v)])] += bytes_of_gradient(v);
        for (const auto& [from, to] : node.call->inplace) {
          if (to != k) continue;
          const int u = node.inputs[size_t(from)];
          if (taken[size_t(u)] || end[size_t(u)] != i ||
              bytes_of_gradient(u) != bytes_of_gradient(v))
            continue;
          if (!may_write_over(*node.call, k, [&](int j) { return node.inputs[size_t(j)] == u; }))
            continue;
          taken[size_t(u)] = 1;
          now -= bytes_of_gradient(u);
          ends[size_t(i)] -= bytes_of_gradient(u);
          break;
        }
        now += bytes_of_gradient(v);
      }
      live[size_t(i)] = now;
      now -= ends[size_t(i)];
    }
    int i = 0;
    int64_t before = 0;
    for (size_t b = blocks_.size(); b-- > 0;) {
      blocks_[b].gradients = before;
      int64_t most = before;
      for (size_t k = 0; k < backward_[b].size(); ++k, ++i) {
        most = std::max(most, live[size_t(i)] + s_.scratch(backward_[b][k]));
        before = live[size_t(i)] - ends[size_t(i)];
      }
      for (Way& w : blocks_[b].ways) w.backward = most;
      add_passing(b, i, begin, end);
    }
    for (const Block& b : blocks_) keeping_all_ += b.ways[0].saved;
    int64_t most = 0;
    for (const Block& b : blocks_) most = std::max(most, b.ways[0].backward);
    keeping_all_ += most;
  }

  // What a block computes again lies there while gradients read it.
  void add_passing(size_t b, int after, const std::vector<int>& begin,
                   const std::vector<int>& end) {
    if (blocks_[b].ways.size() < 2) return;
    int64_t most = 0;
    const int first = after - int(backward_[b].size());
    std::vector<int64_t> change(backward_[b].size() + 1, 0);
    for (int v : gone_[b]) {
      const int from = std::max(begin[size_t(v)], first), to = std::min(end[size_t(v)], after - 1);
      if (begin[size_t(v)] < 0 || from > to) continue;
      change[size_t(from - first)] += bytes(v), change[size_t(to - first) + 1] -= bytes(v);
    }
    int64_t now = 0;
    for (int64_t c : change) most = std::max(most, now += c);
    blocks_[b].ways[1].backward += most;
  }

  int64_t bytes_of_gradient(int v) const {
    const int node = s_.producer()[size_t(v)];
    return s_.graph().nodes[size_t(node)].phase > Phase::kForward ? s_.bytes(v) : 0;
  }

  const Study& s_;
  std::vector<uint8_t> pinned_;
  int64_t always_ = 0, keeping_all_ = 0;
  std::vector<int> begins_, block_of_;      // of forward nodes, by position
  std::vector<std::vector<int>> backward_;  // nodes of each block
  std::vector<std::vector<int>> gone_;      // values of each block that its second way drops
  std::vector<int64_t> live_;
  std::vector<Block> blocks_;
};

// Looks for the order of least time among those that need no more than `bytes`; where there is
// none, for the one that needs least, which does not depend on `bytes`: who asks for that gets it.
// To try an order takes time that grows with the graph, so of a large one few are tried: those that
// the chains say are best.
class Search {
 public:
  Search(const Study& s, int64_t bytes, std::span<const Views> views)
      : s_(s), bytes_(bytes), views_(views) {}

  Trial run(Trial plain) {
    if (plain.bytes <= bytes_) return plain;
    Trial found = chained(std::move(plain));
    if (int(found.order.events.size()) > kChanged) return found;
    Profiled changed = profiled(std::move(found.order), 0);
    if (changed.bytes > bytes_) changed = lowered(std::move(changed));
    if (changed.bytes <= bytes_) changed = hastened(std::move(changed));
    return changed;
  }

 private:
  // What the chains say is best.
  Trial chained(Trial plain) {
    std::vector<Blocks> all;
    for (const int most : {kBlocks, 2 * kBlocks})
      for (const int span : {1 << 30, 96, 24}) {
        Blocks b(s_, span, most, most > kBlocks);
        const auto same = [&](const Blocks& other) {
          return b.pinned() == other.pinned() && b.size() == other.size();
        };
        if (std::none_of(all.begin(), all.end(), same)) all.push_back(std::move(b));
      }
    if (const auto stages = s_.stages(); !stages.empty() && int(stages.size()) < 2 * kBlocks)
      all.emplace_back(s_, stages);
    fit_one_of(all);
    return best_ ? std::move(*best_) : squeeze(all, std::move(plain));
  }

  static constexpr int kBlocks = 180;
  static constexpr double kWork = 1.5e8;     // additions that one table may take
  static constexpr int64_t kNodes = 500000;  // of all orders that are tried

  // The first chain that can be done at all, with room for `most` bytes, or twice as much, or ...
  static std::optional<Chain> feasible(const Blocks& b, int64_t most) {
    const double n = b.size();
    const int slots = int(std::clamp(6 * kWork / (n * n * n + 1), 60.0, 400.0));
    for (; most <= 2 * b.most(); most *= 2)
      if (Chain c(b.blocks(), most, slots); c.feasible(slots)) return c;
    return {};
  }

  static int lowest(const Chain& c) {
    int slot = 0;
    while (!c.feasible(slot)) ++slot;
    return slot;
  }

  struct Candidate {
    const Blocks* blocks;
    Chain chain;
    double rank;
  };
  static void sort(std::vector<Candidate>& all) {
    std::stable_sort(all.begin(), all.end(),
                     [](const Candidate& a, const Candidate& b) { return a.rank < b.rank; });
  }

  // Those that promise least time for the bytes come first.
  void fit_one_of(const std::vector<Blocks>& all) {
    std::vector<Candidate> candidates;
    for (const Blocks& b : all) {
      const int64_t room = bytes_ - b.always();
      if (room <= 0) continue;
      auto chain = feasible(b, std::clamp(room + room / 8, b.most() / 256 + 1, b.most() + 1));
      if (!chain) continue;
      const int slot = slot_of(*chain, room);
      const double seconds = chain->feasible(slot) ? chain->seconds(slot) : 1e20;
      candidates.push_back({&b, std::move(*chain), seconds});
    }
    sort(candidates);
    for (const Candidate& c : candidates) fit(*c.blocks, c.chain);
  }

  static int slot_of(const Chain& c, int64_t bytes) {
    return int(std::clamp(double(bytes) / double(c.most()) * c.slots(), 0.0, double(c.slots())));
  }

  // The largest slot whose moves fit; below it time only grows. What moves really need is not quite
  // what the chain says, so what one needs too much or too little is taken off the next.
  void fit(const Blocks& b, const Chain& chain) {
    constexpr int kTries = 12;
    const double per_slot = double(chain.most()) / chain.slots();
    int low = lowest(chain) - 1, high = chain.slots() + 1;
    int slot = std::clamp(slot_of(chain, bytes_ - b.always()), low + 1, high - 1);
    bool fits = false;
    for (int tries = 0; high - low > 1; ++tries) {
      if (tries == kTries || (best_ && tried_ > kNodes)) return;
      if (best_ && chain.seconds(slot) >= best_->seconds) {  // it need not be tried
        low = slot;
        if (chain.seconds(high - 1) >= best_->seconds) return;
        slot = (low + high) / 2;
        continue;
      }
      const Trial t = tried(b, chain, slot, bytes_);
      const double over = double(t.bytes - bytes_) / per_slot;
      (over <= 0 ? low : high) = slot;
      fits = fits || over <= 0;
      // The bytes that are missing or left, but not twice from the same side.
      int next = slot - int(over > 0 ? std::ceil(over) : std::floor(over));
      if (tries % 3 == 2) next = (low + high) / 2;
      slot = std::clamp(next, low + 1, high - 1);
    }
    if (!fits) {  // the least slot may not fit where a larger one does
      const int least = lowest(chain), step = std::max(1, (chain.slots() - least) / 8);
      for (slot = least; slot <= chain.slots() && !best_; slot += step)
        tried(b, chain, slot, bytes_);
    }
    // Of a small graph more are tried, since what fits is not quite a question of slots.
    low = lowest(chain), high = chain.slots();
    while (high - low > 1 && tried_ <= kNodes / 10) {
      slot = (low + high) / 2;
      (tried(b, chain, slot, bytes_).bytes <= bytes_ ? low : high) = slot;
    }
  }

  // Of the orders that the chains say need least, those with least in use at once are packed
  // first.
  Trial squeeze(const std::vector<Blocks>& all, Trial least) {
    struct Order {
      int64_t live;
      const Blocks* blocks;
      const Candidate* candidate;
      int slot;
    };
    std::vector<Candidate> candidates;
    for (const Blocks& b : all)
      if (auto chain = feasible(b, b.most() / 256 + 1)) {
        const double bytes = double(lowest(*chain)) / chain->slots() * double(chain->most());
        candidates.push_back({&b, std::move(*chain), double(b.always()) + bytes});
      }
    sort(candidates);
    std::vector<Order> orders;
    int64_t nodes = 0;
    for (const Candidate& c : candidates) {
      const int low = lowest(c.chain);
      for (int slot = low; slot <= std::min(c.chain.slots(), low + 5) && nodes <= kNodes; ++slot) {
        const Trial t = s_.try_order(c.blocks->order(c.chain.moves(slot)), 1);
        nodes += int64_t(t.order.events.size());
        orders.push_back({t.bytes, c.blocks, &c, slot});
      }
    }
    std::stable_sort(orders.begin(), orders.end(),
                     [](const Order& a, const Order& b) { return a.live < b.live; });
    nodes = 0;
    for (const Order& o : orders) {
      if (nodes > kNodes / 5) break;
      Trial t = s_.try_order(o.blocks->order(o.candidate->chain.moves(o.slot)));
      nodes += int64_t(t.order.events.size());
      if (t.bytes <= bytes_ && (!best_ || better(t, *best_))) best_ = t;
      if (t.bytes < least.bytes) least = std::move(t);
    }
    return best_ ? std::move(*best_) : std::move(least);
  }

  // An order, which is kept where it fits and none before is better.
  Trial tried(const Blocks& b, const Chain& chain, int slot, int64_t enough) {
    Trial t = s_.try_order(b.order(chain.moves(slot)), enough);
    tried_ += int64_t(t.order.events.size());
    if (t.bytes <= bytes_ && (!best_ || better(t, *best_))) best_ = t;
    return t;
  }

  // --- single changes of an order, which know nothing of chains and blocks ---
  static constexpr int kChanged = 4000;  // events of an order that is changed
  static constexpr int kChanges = 300;
  static constexpr size_t kMostAgain = 24;  // nodes that run again for one value

  // An order, and what is in use at each of its events.
  struct Profiled : Trial {
    std::vector<int64_t> in_use;
  };
  Profiled profiled(Replay::Order order, int64_t enough) {
    ++changes_, changed_ += int64_t(order.events.size());
    Study::Use use{views_};
    Trial t = s_.try_order(std::move(order), enough, &use);
    return {std::move(t), std::move(use.at)};
  }
  bool may_try() const { return changes_ < kChanges && changed_ < kNodes / 2; }
  Reorder changes_of(const Trial& t) const {
    return {s_.graph(), s_.producer(), s_.pinned(), t.order};
  }

  // An order that needs less where `t` needs most: what is kept there for later and not read is
  // computed again, by what takes least time for its bytes. Of a few such the one that comes
  // closest to `enough`.
  std::optional<Profiled> relieved(const Profiled& t, int64_t enough) {
    constexpr size_t kTried = 6;
    const Reorder changes = changes_of(t);
    const size_t peak =
        size_t(std::max_element(t.in_use.begin(), t.in_use.end()) - t.in_use.begin());
    struct Option {
      int copy;
      size_t event;
      std::vector<int> nodes;
      double rate;
    };
    std::vector<Option> options;
    for (int v = 0; v < t.order.values; ++v) {
      const int of = changes.origin(v);
      if (s_.pinned()[size_t(of)] || s_.bytes(of) == 0 || changes.made(v) >= peak) continue;
      const size_t next = changes.next_reader(v, peak);
      if (next == peak || next == t.order.events.size() || next < s_.forward().size()) continue;
      std::vector<int> nodes = changes.needed(v, next, kMostAgain);
      if (nodes.empty()) continue;
      double seconds = 0;
      for (int node : nodes) seconds += s_.seconds(node);
      options.push_back({v, next, std::move(nodes), seconds / double(s_.bytes(of))});
    }
    std::stable_sort(options.begin(), options.end(),
                     [](const Option& a, const Option& b) { return a.rate < b.rate; });
    if (options.size() > kTried) options.resize(kTried);
    std::optional<Profiled> best;
    for (const Option& o : options) {
      Profiled next = profiled(changes.again(o.copy, o.event, o.nodes), enough);
      if (next.bytes < (best ? best->bytes : t.bytes)) best = std::move(next);
      if (best && best->bytes <= enough) break;
    }
    return best;
  }

  // What needs least, by steps that do not depend on what is asked for.
  Profiled lowered(Profiled t) {
    while (may_try()) {
      auto less = relieved(t, 1);
      if (!less) break;
      Profiled packed = profiled(std::move(less->order), 0);
      if (packed.bytes >= t.bytes) break;
      t = std::move(packed);
    }
    return t;
  }

  // Takes out clones, the dearest first, where there is room for what is kept then, or can be made
  // for less time.
  Profiled hastened(Profiled t) {
    using Key = std::pair<int, int>;  // a node, and which of its clones
    std::set<Key> stay;
    while (may_try()) {
      std::map<int, int> seen;
      Key key;
      size_t dearest = t.order.events.size();
      for (size_t i = 0; i < t.order.events.size(); ++i) {
        const Replay::Event& e = t.order.events[i];
        if (!e.clone) continue;
        const Key k{e.node, seen[e.node]++};
        if (stay.contains(k)) continue;
        if (dearest < t.order.events.size() &&
            s_.seconds(e.node) <= s_.seconds(t.order.events[dearest].node))
          continue;
        dearest = i, key = k;
      }
      if (dearest == t.order.events.size()) break;
      Profiled next = profiled(changes_of(t).without(dearest), bytes_);
      for (int more = 0; next.bytes > bytes_ && next.seconds < t.seconds && more < 3; ++more) {
        auto less = relieved(next, bytes_);
        if (!less || less->seconds >= t.seconds) break;
        next = std::move(*less);
      }
      if (next.bytes <= bytes_ && next.seconds < t.seconds) t = std::move(next);
      else stay.insert(key);
    }
    return t;
  }

  const Study& s_;
  const int64_t bytes_;
  const std::span<const Views> views_;
  std::optional<Trial> best_;
  int64_t tried_ = 0;
  int changes_ = 0;
  int64_t changed_ = 0;
};

Trial plain(const Study& s) {
  const std::vector<uint8_t>& pinned = s.pinned();
  Replay replay(s.graph(), s.producer(), pinned);
  for (int node : s.backward()) replay.backward(node);
  return s.try_order(replay.finish());
}

// The graph with the clones of an order.
Recomputed apply(Chosen c, const Trial& t, double forward_seconds) {
  Rewriter edit(std::move(c.graph));
  const auto& events = t.order.events;
  std::vector<int> before(events.size(), -1);  // of a clone: the node that comes next and is none
  for (size_t i = events.size(), next = 0; i-- > 0;) {
    if (!events[i].clone) next = size_t(events[i].node);
    before[i] = int(next);
  }
  for (size_t i = 0; i < events.size(); ++i) {
    const Replay::Event& e = events[i];
    if (!e.clone) {
      for (size_t k = 0; k < e.inputs.size(); ++k) edit.set_input(e.node, int(k), e.inputs[k]);
      continue;
    }
    Graph::Node n = edit.node(e.node);
    n.inputs = e.inputs;
    n.phase = Phase::kRecomputed;
    const int outputs = n.outputs(), from = n.first_output;
    const int id = edit.insert(before[i], std::move(n));
    check(edit.node(id).first_output == e.first_output,
          "[recompute] values are numbered otherwise");
    c.where.push_back(c.where[e.node]);
    c.choices.push_back(c.choices[e.node]);
    for (int k = 0; k < outputs; ++k) c.types.push_back(ValueInfo(c.types[from + k]));
  }
  Rewriter::Result done = edit.finish();
  Recomputed r;
  r.graph = {.graph = std::move(done.graph),
             .where = {},
             .types = std::move(c.types),
             .choices = {},
             .plain = std::move(c.plain)};
  r.graph.where.resize(c.where.size()), r.graph.choices.resize(c.where.size());
  for (size_t id = 0; id < c.where.size(); ++id) {
    r.graph.where[done.node_of[id]] = c.where[id];
    r.graph.choices[done.node_of[id]] = std::move(c.choices[id]);
  }
  r.arena_bytes = t.bytes, r.seconds = t.seconds, r.forward_seconds = forward_seconds;
  return r;
}

// Drops values, those first that give most bytes for their time, as long as there is time left.
Trial cheapest(const Study& s, CheapSpec spec) {
  Trial without = plain(s);
  if (without.bytes < kWorthwhile && !spec.all) spec.share = 0;
  CheapValues cheap(s);
  std::vector<int> values;
  for (int node : s.forward()) {
    const Graph::Node& n = s.graph().nodes[size_t(node)];
    for (int v = n.first_output; v < n.first_output + n.outputs(); ++v) {
      if (s.bytes(v) == 0 || !s.saved(v)) continue;
      cheap.keep(v);
      if (!s.pinned()[size_t(v)]) values.push_back(v);
    }
  }
  const auto rate = [&](int v) { return s.seconds(s.producer()[size_t(v)]) / double(s.bytes(v)); };
  if (!spec.all)
    std::stable_sort(values.begin(), values.end(), [&](int a, int b) { return rate(a) < rate(b); });
  // A gradient takes twice the time of what it is the gradient of.
  double left = spec.all ? 1e30 : spec.share * 3 * s.forward_seconds();
  bool any = false;
  for (int v : values)
    if (const bool forced = s.forced(s.producer()[size_t(v)]); forced || left > 0)
      if (const auto seconds = cheap.drop(v, 0, forced ? 1e30 : left)) left -= *seconds, any = true;
  if (!any) return without;
  Replay replay(s.graph(), s.producer(), s.pinned());
  for (int node : s.forward()) {
    const Graph::Node& n = s.graph().nodes[size_t(node)];
    for (int v = n.first_output; v < n.first_output + n.outputs(); ++v)
      if (s.bytes(v) > 0 && !cheap.kept(v)) replay.forget(v);
  }
  for (int node : s.backward()) replay.backward(node);
  Trial with = s.try_order(replay.finish());
  return with.bytes < without.bytes ? std::move(with) : std::move(without);
}

}  // namespace recomputing

Recomputed recompute(Chosen c, const std::vector<bool>& outside,
                     const std::vector<int64_t>& scratch, int64_t bytes, bool views) {
  recomputing::Trial t;
  double forward = 0;
  {
    const recomputing::Study study(c, outside, scratch);
    const std::vector<Views> known =
        views ? find_views(c.graph, c.types, c.choices) : std::vector<Views>{};
    t = recomputing::Search(study, bytes, known).run(recomputing::plain(study));
    forward = study.forward_seconds();
  }
  return recomputing::apply(std::move(c), t, forward);
}

bool asks_for_recomputation(const Graph& g, CheapSpec spec) {
  return spec.all || spec.share > 0 ||
         std::any_of(g.nodes.begin(), g.nodes.end(), [](const Graph::Node& n) {
           return recomputing::asks(n, "__force_mirroring__");
         });
}

Recomputed recompute_cheap(Chosen c, const std::vector<bool>& outside,
                           const std::vector<int64_t>& scratch, CheapSpec spec) {
  recomputing::Trial t;
  double forward = 0;
  {
    const recomputing::Study study(c, outside, scratch);
    t = recomputing::cheapest(study, spec);
    forward = study.forward_seconds();
  }
  return recomputing::apply(std::move(c), t, forward);
}

}  // namespace heddle
