// Scratch memory: each thread's growing list of blocks, handed out like a stack.
#include "device/scratch.h"

#include <algorithm>
#include <cstdlib>
#include <new>
#include <vector>

#include "device/system.h"
#include "heddle/device.h"

namespace heddle {
namespace scratch {

constexpr size_t kAlignment = 64;
constexpr size_t kSmallestBlock = size_t{64} << 10;

struct Block {
  char* data;
  size_t size;
};

// Blocks stay until the thread ends, so that kernels find them warm. A block never moves: what was
// handed out stays valid while later requests grow the list.
struct Stack {
  std::vector<Block> blocks;
  size_t block = 0;           // the one in use
  size_t used = 0;            // bytes of it
  std::vector<size_t> outer;  // what was in use when each scope that is open began

  ~Stack() {
    for (const Block& b : blocks) std::free(b.data);
  }
};

Stack& stack() {
  thread_local Stack s;
  return s;
}

// What a thread has taken. Apart from its stack, which a thread that was lent memory never makes:
// making one allocates.
struct Use {
  char* lent = nullptr;  // by the ScratchLoan that is open
  size_t size = 0;       // bytes of it
  size_t in_use = 0, most = 0;
  int depth = 0;  // scopes open
};
constinit thread_local Use use;

char* take_lent(size_t bytes) {
  check(bytes <= use.size - use.in_use,
        "[scratch] found {} bytes in the memory that was lent, expected {}: {} more than are left",
        use.size, use.in_use + bytes, bytes - (use.size - use.in_use));
  return use.lent + use.in_use;
}

void add_block(Stack& s, size_t bytes) {
  size_t size = s.blocks.empty() ? kSmallestBlock : s.blocks.back().size * 2;
  size = std::max(size, bytes);
  void* data = system::allocate(size);
  if (!data && size > bytes) data = system::allocate(size = bytes);
  check(data != nullptr, "[scratch] found no memory for {} bytes", size);
  s.blocks.push_back({static_cast<char*>(data), size});
}

// One block in place of many, once nobody uses any: the next kernel of that size finds it whole.
void merge_blocks(Stack& s) {
  size_t total = 0;
  for (const Block& b : s.blocks) total += b.size;
  void* data = system::allocate(total);
  if (!data) return;
  for (const Block& b : s.blocks) std::free(b.data);
  s.blocks.assign(1, {static_cast<char*>(data), total});
}

void* take_own(size_t bytes) {
  Stack& s = stack();
  while (s.block < s.blocks.size() && s.used + bytes > s.blocks[s.block].size) {
    ++s.block;
    s.used = 0;
  }
  if (s.block == s.blocks.size()) add_block(s, bytes);
  void* p = s.blocks[s.block].data + s.used;
  s.used += bytes;
  return p;
}

}  // namespace scratch

void* thread_scratch(size_t bytes) {
  using scratch::kAlignment, scratch::use;
  check(use.depth > 0, "[scratch] found no open ScratchScope on this thread");
  check(bytes <= SIZE_MAX / 2, "[scratch] found no memory for {} bytes", bytes);
  bytes = std::max(kAlignment, (bytes + kAlignment - 1) / kAlignment * kAlignment);
  void* p = use.lent ? scratch::take_lent(bytes) : scratch::take_own(bytes);
  use.in_use += bytes;
  use.most = std::max(use.most, use.in_use);
  return p;
}

ScratchScope::ScratchScope() : block_(0), used_(scratch::use.in_use) {
  ++scratch::use.depth;
  if (scratch::use.lent) return;
  scratch::Stack& s = scratch::stack();
  s.outer.push_back(scratch::use.in_use);
  block_ = s.block;
  used_ = s.used;
}

ScratchScope::~ScratchScope() {
  --scratch::use.depth;
  if (scratch::use.lent) {
    scratch::use.in_use = used_;
    return;
  }
  scratch::Stack& s = scratch::stack();
  scratch::use.in_use = s.outer.back();
  s.outer.pop_back();
  s.block = block_;
  s.used = used_;
  if (block_ == 0 && used_ == 0 && s.blocks.size() > 1) scratch::merge_blocks(s);  // none is used
}

ScratchLoan::ScratchLoan(void* data, size_t bytes)
    : data_(scratch::use.lent),
      bytes_(scratch::use.size),
      in_use_(scratch::use.in_use),
      most_(scratch::use.most),
      depth_(scratch::use.depth) {
  scratch::use = {.lent = static_cast<char*>(data), .size = bytes};
}

ScratchLoan::~ScratchLoan() {
  scratch::use = {static_cast<char*>(data_), bytes_, in_use_, most_, depth_};
}

size_t ScratchLoan::most() const { return scratch::use.most; }

}  // namespace heddle
