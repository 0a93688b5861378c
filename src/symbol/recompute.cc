// The search: blocks are cut out of the forward nodes, a chain of them is solved for some number of
// bytes, the moves become an order of nodes, and the planner says what that order needs. Then the
// order is bettered by single changes.
#include "symbol/recompute.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <utility>

#include "symbol/checkpoint.h"
#include "symbol/recompute_blocks.h"
#include "symbol/recompute_study.h"
#include "symbol/rewrite.h"

namespace heddle {

namespace recomputing {

using checkpoint::Chain;

// A smaller arena is not worth a second run of anything.
constexpr int64_t kWorthwhile = int64_t{1} << 20;

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
