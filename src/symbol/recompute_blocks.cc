// Where a graph is cut, and what each block keeps, carries on and needs, by walks over its nodes.
#include "symbol/recompute_blocks.h"

#include <algorithm>
#include <cmath>

namespace heddle::recomputing {

using checkpoint::Block;
using checkpoint::Move;
using checkpoint::Way;

Blocks::Blocks(const Study& s, int span, int most, bool fine) : Blocks(s, span) {
  cut([&](const std::vector<int64_t>& carried) { return places(carried, most, fine); });
}

Blocks::Blocks(const Study& s, const std::vector<int>& after) : Blocks(s, 1 << 30) {
  cut([&](const std::vector<int64_t>&) {
    std::vector<int> cuts;
    for (int p : after)
      if (p + 1 < int(s_.forward().size())) cuts.push_back(p + 1);
    return cuts;
  });
}

Replay::Order Blocks::order(const std::vector<Move>& moves) const {
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

Blocks::Blocks(const Study& s, int span) : s_(s), pinned_(s.pinned()) {
  for (int node : s_.forward()) {
    const Graph::Node& n = s_.graph().nodes[node];
    for (int v = n.first_output; v < n.first_output + n.outputs(); ++v) {
      if (s_.last(v) - s_.position(node) > span) pinned_[v] = 1;
      if (pinned_[v] && s_.saved(v)) always_ += s_.bytes(v);
    }
  }
}

template <class Where>
void Blocks::cut(Where&& where) {
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

std::vector<int> Blocks::places(const std::vector<int64_t>& weight, int most, bool fine) const {
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

void Blocks::assign_backward() {
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

void Blocks::measure() {
  measure_forward();
  for (size_t b = 0; b < blocks_.size(); ++b) measure_ways(int(b));
  measure_backward();
}

void Blocks::measure_forward() {
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

void Blocks::measure_ways(int b) {
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

void Blocks::measure_backward() {
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
        if (taken[size_t(u)] || end[size_t(u)] != i || bytes_of_gradient(u) != bytes_of_gradient(v))
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

void Blocks::add_passing(size_t b, int after, const std::vector<int>& begin,
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

int64_t Blocks::bytes_of_gradient(int v) const {
  const int node = s_.producer()[size_t(v)];
  return s_.graph().nodes[size_t(node)].phase > Phase::kForward ? s_.bytes(v) : 0;
}

}  // namespace heddle::recomputing
