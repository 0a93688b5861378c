// Packing blocks with lifetimes into one arena: greedy, in several orders that are improved round
// by round, until one reaches the lower bound.
#include "symbol/pack.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <queue>
#include <random>
#include <set>
#include <utility>

namespace heddle::memory {

int64_t peak_live(const std::vector<Block>& blocks) {
  int steps = 0;
  for (const Block& b : blocks) steps = std::max(steps, b.end + 1);
  std::vector<int64_t> change(size_t(steps) + 1, 0);
  for (const Block& b : blocks) change[b.begin] += b.bytes, change[b.end + 1] -= b.bytes;
  int64_t live = 0, peak = 0;
  for (int64_t bytes : change) peak = std::max(peak, live += bytes);
  return peak;
}

// Free stretches of an arena that has no end; what lies free at its top is none of it.
class FreeList {
 public:
  int64_t top() const { return top_; }

  // The smallest stretch that is large enough; otherwise the arena grows.
  int64_t take(int64_t bytes) {
    if (auto it = by_size_.lower_bound({bytes, 0}); it != by_size_.end()) {
      const auto [size, begin] = *it;
      erase(begin, size);
      if (size > bytes) insert(begin + bytes, size - bytes);
      return begin;
    }
    const int64_t begin = top_;
    top_ = begin + bytes;
    return begin;
  }

  void give(int64_t begin, int64_t bytes) {
    auto next = by_begin_.lower_bound(begin);
    if (next != by_begin_.begin()) {
      const auto before = *std::prev(next);
      if (before.first + before.second == begin) {
        erase(before.first, before.second);
        begin = before.first, bytes += before.second;
      }
    }
    if (next != by_begin_.end() && next->first == begin + bytes) {
      const int64_t size = next->second;
      erase(next->first, size);
      bytes += size;
    }
    if (begin + bytes == top_) top_ = begin;
    else insert(begin, bytes);
  }

 private:
  void insert(int64_t begin, int64_t bytes) {
    by_begin_[begin] = bytes;
    by_size_.insert({bytes, begin});
  }
  void erase(int64_t begin, int64_t bytes) {
    by_begin_.erase(begin);
    by_size_.erase({bytes, begin});
  }
  std::map<int64_t, int64_t> by_begin_;            // begin -> bytes
  std::set<std::pair<int64_t, int64_t>> by_size_;  // (bytes, begin)
  int64_t top_ = 0;
};

// In order of time, as an allocator would, but that those that stay for more than `steps` lie at
// the bottom and the others hang from the top, so that what stays does not cut up what comes and
// goes; n log n.
int64_t pack_by_time(std::vector<Block>& blocks, int steps) {
  FreeList bottom, top;
  const auto stays = [&](const Block& b) { return b.end - b.begin > steps; };
  using Ending = std::pair<int, Block*>;
  std::priority_queue<Ending, std::vector<Ending>, std::greater<>> ending;
  int64_t arena = 0;
  for (Block& b : blocks) {
    for (; !ending.empty() && ending.top().first < b.begin; ending.pop())
      if (const Block& dead = *ending.top().second; dead.bytes > 0)
        (stays(dead) ? bottom : top).give(dead.offset, dead.bytes);
    b.offset = b.bytes > 0 ? (stays(b) ? bottom : top).take(b.bytes) : 0;
    ending.push({b.end, &b});
    arena = std::max(arena, bottom.top() + top.top());
  }
  for (Block& b : blocks)
    if (b.bytes > 0 && !stays(b)) b.offset = arena - b.offset - b.bytes;
  return arena;
}

// In the given order, each into the smallest gap between those placed before that live at the same
// time; n^2.
int64_t pack_in_order(std::vector<Block>& blocks, const std::vector<int>& order) {
  std::vector<int> placed;  // by offset
  int64_t arena = 0;
  for (int index : order) {
    Block& b = blocks[index];
    int64_t at = 0, best = -1, best_gap = 0;
    for (int other : placed) {
      const Block& o = blocks[other];
      if (o.end < b.begin || b.end < o.begin) continue;
      if (const int64_t gap = o.offset - at; gap >= b.bytes && (best < 0 || gap < best_gap))
        best = at, best_gap = gap;
      at = std::max(at, o.offset + o.bytes);
    }
    b.offset = best >= 0 ? best : at;
    arena = std::max(arena, b.offset + b.bytes);
    placed.insert(std::upper_bound(placed.begin(), placed.end(), b.offset,
                                   [&](int64_t v, int i) { return v < blocks[i].offset; }),
                  index);
  }
  return arena;
}

// The order of packing to start from: largest first, by one of several measures.
std::vector<int> order_by(int measure, const std::vector<Block>& blocks) {
  const auto weight = [&](int i) -> double {
    const Block& b = blocks[i];
    const double length = b.end - b.begin + 1;
    switch (measure) {
      case 0:
        return double(b.bytes);
      case 1:
        return double(b.bytes) * length;
      case 2:
        return length;
      default:
        return b.end;  // backwards in time
    }
  };
  std::vector<int> order(blocks.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return weight(a) > weight(b); });
  return order;
}

int64_t pack(std::vector<Block>& blocks, int64_t enough) {
  // What may be spent on looking for a better packing; less by who tries many orders.
  const double most_steps = enough > 0 ? 3e6 : 1e7;
  constexpr int kMeasures = 4;
  const int64_t live = peak_live(blocks), bound = std::max(live, enough);
  int64_t best = pack_by_time(blocks, -1);
  std::vector<Block> trial = blocks;
  int longest = 0;
  for (const Block& b : blocks) longest = std::max(longest, b.end - b.begin);
  for (int steps = 1; steps < longest && best > bound; steps *= 4)
    if (const int64_t arena = pack_by_time(trial, steps); arena < best)
      best = arena, blocks = trial;
  const double n = double(blocks.size());
  const int rounds = int(std::min(1000.0, most_steps / kMeasures / (n * n + 1)));
  for (int measure = 0; measure < kMeasures && rounds > 0 && best > bound; ++measure) {
    std::vector<int> order = order_by(measure, blocks);
    std::minstd_rand random;  // the same plan every time, and whoever looks longer finds no worse
    for (int round = 0; round < rounds && best > bound; ++round) {
      const int64_t arena = pack_in_order(trial, order);
      if (arena < best) best = arena, blocks = trial;
      // Those that ended up on top choose first next time; a swap keeps this from going in circles.
      std::stable_partition(order.begin(), order.end(),
                            [&](int i) { return trial[i].offset + trial[i].bytes == arena; });
      std::swap(order[random() % order.size()], order[random() % order.size()]);
    }
  }
  return best;
}

}  // namespace heddle::memory
