// Data from files, in batches: RecordIO files, and the iterators that read ahead of the training.
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "heddle/base.h"
#include "heddle/ndarray.h"
#include "heddle/param.h"

namespace heddle::io {

// --- RecordIO: a file of records of any bytes
// -----------------------------------------------------
// Writes a file of records, from its start. Throws Error with the path and the system's reason.
class HEDDLE_API RecordWriter {
 public:
  explicit RecordWriter(const std::string& path);
  ~RecordWriter();  // closes; an error there is lost, which close() would have thrown
  RecordWriter(const RecordWriter&) = delete;
  RecordWriter& operator=(const RecordWriter&) = delete;

  void write(std::string_view record);  // less than 2^29 bytes
  int64_t tell() const;                 // where the next record begins, in bytes
  void close();                         // writes what is held back

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Reads them one after another, or from any place that tell() gave. Holds no position that
// processes share after a fork. One thread at a time.
class HEDDLE_API RecordReader {
 public:
  explicit RecordReader(const std::string& path);
  ~RecordReader();
  RecordReader(RecordReader&&) noexcept;
  RecordReader& operator=(RecordReader&&) noexcept;

  // Puts the next record in `record`; false at the end. Throws Error with the path and the byte
  // offset where there is no whole record; the next call goes on with the first record behind it.
  bool read(std::string& record);
  int64_t tell() const;  // where the next record begins, in bytes
  void seek(int64_t offset);
  void reset() { seek(0); }
  void close();
  int64_t size() const;  // of the file, in bytes
  const std::string& path() const;
  // Moves to the first record that begins at or behind `offset`, or to the end.
  void seek_record(int64_t offset);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// --- iterators
// --------------------------------------------------------------------------------
// What an array of a batch looks like: its first axis counts samples.
struct HEDDLE_API BatchShape {
  Shape shape;
  Dtype dtype = Dtype::kFloat32;
};

struct HEDDLE_API Batch {
  NDArray data, label;
  std::vector<uint64_t> index;  // the samples' numbers
  int64_t pad = 0;              // how many of the last samples only fill it up
};

// Batches of one pass over the data after another. Reads ahead on the engine; batches come in the
// order of the data whatever the number of threads. One thread at a time.
class HEDDLE_API DataIter {
 public:
  virtual ~DataIter() = default;
  // Moves to the next batch; false at the end of the pass. Throws what went wrong with a sample of
  // that batch, which is lost alone: the next call goes on as if the data had it not.
  virtual bool next() = 0;
  virtual void reset() = 0;  // starts the next pass
  virtual const Batch& batch() const = 0;
  virtual const BatchShape& data() const = 0;
  virtual const BatchShape& label() const = 0;
};

// All there is to a kind of iterator; faces make their functions and texts from it.
struct HEDDLE_API IterDef {
  std::string_view name, doc;
  ParamSchema params;
  std::unique_ptr<DataIter> (*make)(std::string_view who, const void* params);
};
HEDDLE_API std::span<const IterDef> iterators();
// Throws Error for a name that is none, and for parameters that are unknown or wrong.
HEDDLE_API std::unique_ptr<DataIter> make_iterator(std::string_view name, const Kwargs& params);

}  // namespace heddle::io
