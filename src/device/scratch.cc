// Scratch memory: each thread's growing list of blocks, handed out like a stack.
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
  size_t block = 0;  // the one in use
  size_t used = 0;   // bytes of it
  int depth = 0;     // scopes open

  ~Stack() {
    for (const Block& b : blocks) std::free(b.data);
  }
};

Stack& stack() {
  thread_local Stack s;
  return s;
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

}  // namespace scratch

void* thread_scratch(size_t bytes) {
  using scratch::kAlignment;
  scratch::Stack& s = scratch::stack();
  check(s.depth > 0, "[scratch] found no open ScratchScope on this thread");
  check(bytes <= SIZE_MAX / 2, "[scratch] found no memory for {} bytes", bytes);
  bytes = std::max(kAlignment, (bytes + kAlignment - 1) / kAlignment * kAlignment);
  while (s.block < s.blocks.size() && s.used + bytes > s.blocks[s.block].size) {
    ++s.block;
    s.used = 0;
  }
  if (s.block == s.blocks.size()) scratch::add_block(s, bytes);
  void* p = s.blocks[s.block].data + s.used;
  s.used += bytes;
  return p;
}

ScratchScope::ScratchScope() {
  scratch::Stack& s = scratch::stack();
  block_ = s.block;
  used_ = s.used;
  ++s.depth;
}

ScratchScope::~ScratchScope() {
  scratch::Stack& s = scratch::stack();
  s.block = block_;
  s.used = used_;
  if (--s.depth == 0 && s.blocks.size() > 1) scratch::merge_blocks(s);
}

}  // namespace heddle
