// Data from files, in batches: RecordIO files, and the iterators that read ahead of the training.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "heddle/base.h"

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

}  // namespace heddle::io
