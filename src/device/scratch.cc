// Scratch memory: each thread's growing list of blocks, handed out like a stack; and memory that is
// lent to threads.
#include "device/scratch.h"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <vector>

#include "device/system.h"
#include "heddle/device.h"

namespace heddle {
namespace scratch {

constexpr size_t kAlignment = 64;

std::atomic<int64_t> held{0};

// Held for a few instructions, or for as long as a thread uses its own memory and nobody but who
// gives memory back may want it.
class Flag {
 public:
  bool try_take() { return !taken_.exchange(true, std::memory_order_acquire); }
  void take() {
    while (!try_take()) taken_.wait(true);
  }
  void give() {
    taken_.store(false, std::memory_order_release);
    taken_.notify_one();
  }

 private:
  std::atomic<bool> taken_{false};
};

struct Block {
  char* data;
  size_t size;
};

// Blocks stay, so that kernels find them warm. A block never moves: what was handed out stays valid
// while later requests grow the list.
struct Stack {
  std::vector<Block> blocks;
  size_t most = 0;  // that was in use at once since they were given back last
  Flag busy;        // in use, or being given back
  std::atomic<bool> unwanted{false};
  Stack *next = nullptr, *before = nullptr;  // of other threads

  Stack();
  ~Stack();
  Stack(const Stack&) = delete;
  Stack& operator=(const Stack&) = delete;

  void add(size_t bytes) {
    void* const data = system::allocate(bytes);
    check(data != nullptr, "[scratch] found no memory for {} bytes", bytes);
    blocks.push_back({static_cast<char*>(data), bytes});
    held.fetch_add(int64_t(bytes), std::memory_order_relaxed);
  }
  void clear() {
    for (const Block& b : blocks) {
      std::free(b.data);
      held.fetch_sub(int64_t(b.size), std::memory_order_relaxed);
    }
    blocks.clear();
  }
};

// Never destroyed: threads may end after main().
struct Stacks {
  Flag changing;
  Stack* first = nullptr;
};
Stacks& stacks() {
  static Stacks* const all = new Stacks;
  return *all;
}
void before_fork() { stacks().changing.take(); }
void after_fork_in_parent() { stacks().changing.give(); }
constinit thread_local Stack* mine = nullptr;
void after_fork_in_child() {
  if (mine) mine->next = mine->before = nullptr;
  stacks().first = mine;
  stacks().changing.give();
}

Stack::Stack() {
  Stacks& all = stacks();
  all.changing.take();
  next = all.first;
  if (next) next->before = this;
  all.first = mine = this;
  all.changing.give();
}
Stack::~Stack() {
  Stacks& all = stacks();
  all.changing.take();
  (before ? before->next : all.first) = next;
  if (next) next->before = before;
  mine = nullptr;
  all.changing.give();
  clear();
}

Stack& stack() {
  thread_local Stack s;
  return s;
}

constinit thread_local Use use;

// What is in use of a thread's own memory.
struct Own {
  size_t block = 0;  // the one in use
  size_t used = 0;   // bytes of it
  size_t all = 0;    // bytes of all
};
constinit thread_local Own own;

void* take_own(size_t bytes) {
  Stack& s = stack();
  if (own.all == 0) {
    s.busy.take();
    if (!s.blocks.empty() && s.blocks.front().size < bytes) s.clear();  // no use to others either
  }
  while (own.block < s.blocks.size() && own.used + bytes > s.blocks[own.block].size) {
    ++own.block;
    own.used = 0;
  }
  if (own.block == s.blocks.size()) {
    attempt([&] { s.add(std::max(bytes, kSmallestScratch)); },
            [&](std::string_view text) {
              if (own.all == 0) own = {}, s.busy.give();
              fail("{}", text);
            });
  }
  void* const p = s.blocks[own.block].data + own.used;
  own.used += bytes;
  own.all += bytes;
  s.most = std::max(s.most, own.all);
  return p;
}

// Nobody uses any: one block in place of many, so that the next kernel of that size finds it whole.
void leave_own() {
  Stack& s = stack();
  own = {};
  if (s.unwanted.exchange(false)) s.clear(), s.most = 0;
  if (s.blocks.size() > 1) {
    s.clear();
    if (void* const data = system::allocate(s.most)) {
      s.blocks.push_back({static_cast<char*>(data), s.most});
      held.fetch_add(int64_t(s.most), std::memory_order_relaxed);
    }
  }
  s.busy.give();
}

size_t aligned(size_t bytes) {
  return std::max(kAlignment, (bytes + kAlignment - 1) / kAlignment * kAlignment);
}

// Nothing where nothing is needed.
int64_t padded(int64_t bytes) {
  return bytes > 0 ? int64_t(aligned(size_t(bytes + ScratchRoom::kAlignments))) : 0;
}

}  // namespace scratch

void* thread_scratch(size_t bytes) {
  using scratch::use;
  check(use.depth > 0, "[scratch] found no open ScratchScope on this thread");
  check(bytes <= SIZE_MAX / 2, "[scratch] found no memory for {} bytes", bytes);
  bytes = scratch::aligned(bytes);
  void* p;
  if (const size_t left = use.size - use.lent_in_use; use.lent && bytes <= left) {
    p = use.lent + use.lent_in_use;
    use.lent_in_use += bytes;
  } else {
    check(!use.strict,
          "[scratch] found {} bytes in the memory that was lent, expected {}: {} more than are "
          "left",
          use.size, use.lent_in_use + bytes, bytes - left);
    p = scratch::take_own(bytes);
  }
  use.in_use += bytes;
  use.most = std::max(use.most, use.in_use);
  return p;
}

int64_t scratch_held() noexcept { return scratch::held.load(std::memory_order_relaxed); }

void release_scratch() noexcept {
  scratch::Stacks& all = scratch::stacks();
  all.changing.take();
  for (scratch::Stack* s = all.first; s; s = s->next) {
    s->unwanted.store(true);
    if (!s->busy.try_take()) continue;
    s->unwanted.store(false);
    s->clear();
    s->most = 0;
    s->busy.give();
  }
  all.changing.give();
}

ScratchScope::ScratchScope()
    : block_(scratch::own.block),
      used_(scratch::own.used),
      lent_(scratch::use.lent_in_use),
      taken_(scratch::use.in_use) {
  ++scratch::use.depth;
}

ScratchScope::~ScratchScope() {
  using scratch::own, scratch::use;
  --use.depth;
  const size_t own_taken = (use.in_use - taken_) - (use.lent_in_use - lent_);
  use.in_use = taken_;
  use.lent_in_use = lent_;
  if (own_taken == 0) return;
  const size_t left = own.all - own_taken;
  if (left == 0) scratch::leave_own();
  else own = {block_, used_, left};
}

ScratchLoan::ScratchLoan(void* data, size_t bytes) : outer_(scratch::use) {
  scratch::use = {.lent = static_cast<char*>(data), .size = bytes, .strict = data != nullptr};
}
ScratchLoan::~ScratchLoan() { scratch::use = outer_; }

size_t ScratchLoan::most() const { return scratch::use.most; }

ScratchCount::ScratchCount() : before_(scratch::use.in_use), most_(scratch::use.most) {
  scratch::use.most = before_;
}
ScratchCount::~ScratchCount() { scratch::use.most = std::max(scratch::use.most, most_); }

size_t ScratchCount::most() const { return scratch::use.most - before_; }

int64_t ScratchRoom::bytes(int64_t call, int64_t piece, int threads) {
  return scratch::padded(call) + threads * scratch::padded(piece);
}

ScratchRoom::ScratchRoom(void* data, int64_t call, int64_t piece, int threads)
    : places_(static_cast<char*>(data) + bytes(call, piece, 1)),
      piece_(size_t(scratch::padded(piece))),
      count_(piece > 0 ? std::min(threads - 1, kMostPlaces) : 0),
      outer_(scratch::use) {
  scratch::Use& use = scratch::use;
  use.lent = static_cast<char*>(data), use.size = size_t(bytes(call, piece, 1));
  use.strict = false, use.lent_in_use = 0, use.room = this;
}

// What was counted meanwhile counts outside too.
ScratchRoom::~ScratchRoom() {
  outer_.most = scratch::use.most;
  scratch::use = outer_;
}

ScratchRoom* ScratchRoom::current() { return scratch::use.room; }

int ScratchRoom::take_place() {
  for (int word = 0; word * 64 < count_; ++word) {
    std::atomic<uint64_t>& bits = taken_[size_t(word)];
    uint64_t now = bits.load(std::memory_order_relaxed);
    for (;;) {
      const int bit = std::countr_one(now);
      if (bit == 64 || word * 64 + bit >= count_) break;
      if (bits.compare_exchange_weak(now, now | uint64_t{1} << bit, std::memory_order_acquire))
        return word * 64 + bit;
    }
  }
  return -1;
}

ScratchRoom::Share::Share(ScratchRoom* room) : room_(room), outer_(scratch::use) {
  if (room_) place_ = room_->take_place();
  if (place_ < 0) return;
  scratch::Use& use = scratch::use;
  use.lent = room_->places_ + size_t(place_) * room_->piece_, use.size = room_->piece_;
  use.strict = false, use.lent_in_use = 0, use.room = nullptr;
}

ScratchRoom::Share::~Share() {
  if (place_ < 0) return;
  outer_.most = scratch::use.most;
  scratch::use = outer_;
  room_->taken_[size_t(place_) / 64].fetch_and(~(uint64_t{1} << place_ % 64),
                                               std::memory_order_release);
}

}  // namespace heddle
