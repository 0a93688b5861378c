// Reading ahead: what an iterator says of its batches, and the engine tasks that make them.
#pragma once
#include <exception>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "heddle/io.h"

namespace heddle::io {

// One sample as it comes out of a file, and where it stood.
struct Sample {
  std::string bytes;
  std::string place;    // "a.rec: at byte 12", for errors
  uint64_t index = 0;   // what the batch calls it
  uint64_t number = 0;  // what tells it from all others of the data
  int64_t pass = 0;     // of the data, in which it was read
  uint64_t turn = 0;    // counts the samples that were read, over all passes: seeds its randomness
};

// Gives samples one by one; false at the end of a pass. May throw for one and go on with the next.
class Samples {
 public:
  virtual ~Samples() = default;
  virtual bool next(Sample& s) = 0;
  virtual void rewind(int64_t pass) = 0;  // starts a pass; the same one has the same order again
};

// Turns samples into rows of arrays.
class Filler {
 public:
  virtual ~Filler() = default;
  // What one thread uses, row after row.
  struct Worker {
    virtual ~Worker() = default;
    virtual void fill(const Sample& s, int64_t row, void* data, void* label) = 0;
  };
  virtual std::unique_ptr<Worker> worker() const = 0;
};

// What becomes of the last samples of a pass, where they are no whole batch.
enum class Tail : uint8_t {
  kRound,  // the next pass fills it up, and begins behind those samples
  kPad,    // zeros do
  kDrop,
};

struct PrefetchOptions {
  int64_t batch_size = 1, ahead = 4, threads = 4;
  Tail tail = Tail::kRound;
};

// Reads the samples on the engine's lane for files, in order, and fills batches on its workers.
std::unique_ptr<DataIter> prefetch(std::unique_ptr<Samples> samples, std::unique_ptr<Filler> filler,
                                   BatchShape data, BatchShape label, PrefetchOptions options);

}  // namespace heddle::io
