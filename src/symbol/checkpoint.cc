// The recurrence of the paper over (first block, last block, slots of memory), filled by length.
#include "symbol/checkpoint.h"

#include <algorithm>
#include <cmath>

namespace heddle::checkpoint {

// best[i] = min(best[i], more + a[i] + b[i])
void improve(float* best, const float* a, const float* b, float more, int n) {
  for (int i = 0; i < n; ++i) {
    const float sum = more + a[i] + b[i];
    best[i] = sum < best[i] ? sum : best[i];
  }
}

Chain::Chain(std::vector<Block> blocks, int64_t most, int slots)
    : blocks_(std::move(blocks)), most_(std::max<int64_t>(1, most)), slots_(slots) {
  const int n = int(blocks_.size());
  const size_t width = size_t(slots_) + 1;
  until_.assign(size_t(n) + 1, 0);
  for (int i = 0; i < n; ++i) {
    until_[i + 1] = until_[i] + blocks_[i].seconds;
    out_.push_back(cut(blocks_[i].out, i));
    for (const Way& w : blocks_[i].ways) saved_.push_back(cut(w.saved, i));
    ways_.push_back(int(saved_.size()));
  }
  best_.assign(size_t(n) * size_t(n + 1) / 2 * width, kNever);
  for (int length = 1; length <= n; ++length)
    for (int s = 0; s + length <= n; ++s) {
      const int t = s + length - 1;
      float* best = row(s, t);
      for (const Way& w : blocks_[s].ways) {
        const int low = std::max(cut(w.forward + blocks_[t].gradients), cut(w.saved + w.backward));
        const int saved = saved_of(s, int(&w - blocks_[s].ways.data()));
        const float* rest = s < t ? row(s + 1, t) : nullptr;
        for (int m = std::max(low, saved); m <= slots_; ++m)
          best[m] = std::min(best[m], float(w.seconds) + (rest ? rest[m - saved] : 0));
      }
      int64_t forward = 0;
      for (int at = s + 1; at <= t; ++at) {
        forward = std::max(forward, blocks_[at - 1].forward);
        const int stored = out_[at - 1];
        const int low = std::max(stored, cut(forward + blocks_[t].gradients));
        if (low > slots_) break;
        const float again = float(until_[at] - until_[s]);
        const float *after = row(at, t), *before = row(s, at - 1);
        improve(best + low, after + (low - stored), before + low, again, slots_ + 1 - low);
      }
    }
}

int Chain::cut(int64_t bytes, int block) const {
  constexpr double kGolden = 0.6180339887498949;
  const double phase = block < 0 ? 0.5 : std::fmod(kGolden * (block + 1), 1.0);
  const double slots = double(bytes) / double(most_) * slots_ + phase;
  return slots > slots_ ? slots_ + 1 : int(slots);
}

const float* Chain::row(int s, int t) const {
  const size_t n = blocks_.size(), first = size_t(s);
  const size_t index = first * n - first * (first + 1) / 2 + first + size_t(t - s);
  return best_.data() + index * (size_t(slots_) + 1);
}

std::vector<Move> Chain::moves(int slot) const {
  struct Part {
    int s, t, slot;
    int backward = -1;  // or: the gradient of this block
  };
  std::vector<Move> all;
  std::vector<Part> todo = {{0, last(), slot}};
  while (!todo.empty()) {
    const Part p = todo.back();
    todo.pop_back();
    if (p.backward >= 0) {
      all.push_back({Move::kBackward, p.backward});
      continue;
    }
    if (p.s > p.t) continue;
    const Block& first = blocks_[p.s];
    float best = kNever;
    int way = -1, split = -1;
    for (size_t k = 0; k < first.ways.size(); ++k) {
      const Way& w = first.ways[k];
      const int saved = saved_of(p.s, int(k));
      if (p.slot <
          std::max({cut(w.forward + blocks_[p.t].gradients), cut(w.saved + w.backward), saved}))
        continue;
      const float cost = float(w.seconds) + (p.s < p.t ? row(p.s + 1, p.t)[p.slot - saved] : 0);
      if (cost < best) best = cost, way = int(k);
    }
    int64_t forward = 0;
    for (int at = p.s + 1; at <= p.t; ++at) {
      forward = std::max(forward, blocks_[at - 1].forward);
      const int stored = out_[at - 1];
      if (p.slot < std::max(stored, cut(forward + blocks_[p.t].gradients))) continue;
      const float cost = float(until_[at] - until_[p.s]) + row(at, p.t)[p.slot - stored] +
                         row(p.s, at - 1)[p.slot];
      if (cost < best) best = cost, split = at;
    }
    if (split >= 0) {
      for (int b = p.s; b < split; ++b) all.push_back({Move::kForward, b});
      todo.push_back({p.s, split - 1, p.slot});
      todo.push_back({split, p.t, p.slot - out_[split - 1]});
    } else if (way >= 0) {
      all.push_back({Move::kKeep, p.s, way});
      todo.push_back({0, 0, 0, p.s});
      todo.push_back({p.s + 1, p.t, p.slot - saved_of(p.s, way)});
    } else {
      return {};
    }
  }
  return all;
}

}  // namespace heddle::checkpoint
