// Packing blocks with lifetimes into one arena.
#pragma once
#include <cstdint>
#include <vector>

namespace heddle::memory {

struct Block {
  int64_t bytes = 0;
  int begin = 0, end = 0;  // the first and the last step that uses it, both included
  int64_t offset = -1;
};

// The largest sum of blocks in use at one step: no packing can be smaller.
int64_t peak_live(const std::vector<Block>& blocks);
// Gives every block an offset such that blocks in use at the same step do not overlap; returns the
// bytes of the arena. Blocks come in order of `begin`. Tries several ways, keeps the smallest, and
// looks no further where it needs no more than `enough`, or any must need more.
int64_t pack(std::vector<Block>& blocks, int64_t enough = 0);

}  // namespace heddle::memory
