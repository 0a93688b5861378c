// The image records of a part of RecordIO files, one by one, in order or shuffled.
#pragma once
#include <memory>
#include <string>

#include "io/prefetch.h"

namespace heddle::io {

struct RecordOrder {
  std::string files, index;  // files may be several, with ; between them
  int64_t part = 0, parts = 1;
  bool shuffle = false;  // all records with an index, else those of a block
  uint32_t seed = 0;
  int64_t block = 64 << 20;  // bytes
  bool shuffle_blocks = false;
  uint32_t block_seed = 0;
};

std::unique_ptr<Samples> record_samples(std::string_view who, const RecordOrder& order);

}  // namespace heddle::io
