// Which records a part has: by bytes, as it begins with the first record behind its first byte, or
// by the lines of an index.
#include "io/record_samples.h"

#include <algorithm>
#include <cstring>
#include <fstream>
#include <numeric>
#include <sstream>
#include <utility>

#include "io/random.h"

namespace heddle::io {

static std::vector<std::string> split(std::string_view text, char by) {
  std::vector<std::string> parts;
  std::stringstream s{std::string(text)};
  for (std::string part; std::getline(s, part, by);)
    if (!part.empty()) parts.push_back(part);
  return parts;
}

// Files one behind the other, as if they were one.
class RecordFiles {
 public:
  RecordFiles(std::string_view who, const std::string& paths) {
    for (const std::string& path : split(paths, ';')) {
      files_.emplace_back(path);
      begins_.push_back(size_);
      size_ += files_.back().size();
    }
    check(!files_.empty(), "[{}] path_imgrec is empty, expected the path of a RecordIO file", who);
  }
  int64_t size() const { return size_; }
  void seek(int64_t at) {  // to the first record that begins there or behind
    go(at, -1);
    files_[file_].seek_record(at - begins_[file_]);
    settle();
    if (tell() == begins_[file_]) record_ = 0;
  }
  // To that very byte, where the record of that number in its file begins; -1: nobody counted.
  void go(int64_t at, int64_t record) {
    record_ = record;
    file_ = size_t(std::upper_bound(begins_.begin(), begins_.end(), at) - begins_.begin()) - 1;
    files_[file_].seek(at - begins_[file_]);
  }
  int64_t begin_of_file(int64_t at) const {  // that has that byte
    return *(std::upper_bound(begins_.begin(), begins_.end(), at) - 1);
  }
  int64_t tell() const { return begins_[file_] + files_[file_].tell(); }
  bool read(Sample& s) {
    settle();
    RecordReader& f = files_[file_];
    s.number = uint64_t(tell());
    s.place = place();
    const int64_t record = std::exchange(record_, -1);  // behind a broken one nobody can count
    if (!f.read(s.bytes)) return false;
    record_ = record < 0 ? -1 : record + 1;
    s.index = 0;
    if (s.bytes.size() >= 16) std::memcpy(&s.index, s.bytes.data() + 8, 8);  // the header's id
    return true;
  }

 private:
  std::string place() const {
    const RecordReader& f = files_[file_];
    if (record_ < 0) return format("{}: at byte {}", f.path(), f.tell());
    return format("{}: record {} at byte {}", f.path(), record_, f.tell());
  }
  void settle() {  // at the end of a file, the start of the next
    while (file_ + 1 < files_.size() && files_[file_].tell() >= files_[file_].size())
      files_[++file_].reset(), record_ = 0;
  }
  std::vector<RecordReader> files_;
  std::vector<int64_t> begins_;
  int64_t record_ = 0;  // of the next one in its file; -1 where nobody counted
  size_t file_ = 0;
  int64_t size_ = 0;
};

struct Span {
  int64_t begin, end;
};

// The `part`-th of `parts` equal spans, whose borders are multiples of four.
static Span part_of(Span all, int64_t part, int64_t parts) {
  const int64_t bytes = all.end - all.begin, step = ((bytes + parts - 1) / parts + 3) & ~int64_t(3);
  return {std::min(all.begin + step * part, all.end),
          std::min(all.begin + step * (part + 1), all.end)};
}

// As they stand in the files; shuffled a block at a time.
class RecordsInOrder : public Samples {
 public:
  RecordsInOrder(std::string_view who, const RecordOrder& o)
      : files_(who, o.files), order_(o), random_(111 + o.seed), block_random_(o.block_seed) {
    const Span all = part_of({0, files_.size()}, o.part, o.parts);
    int64_t count = 1;
    if (o.shuffle_blocks) count = std::max<int64_t>(1, (all.end - all.begin) / o.block);
    for (int64_t i = 0; i < count; ++i) spans_.push_back(part_of(all, i, count));
  }
  void rewind(int64_t pass) override {
    std::mt19937& blocks = block_random_.start(pass);
    std::vector<Span> spans = spans_;
    if (order_.shuffle_blocks) shuffle(spans, blocks);
    random_.start(pass);
    left_ = std::move(spans);
    std::reverse(left_.begin(), left_.end());
    end_ = -1, loading_bytes_ = 0;
    held_.clear(), loading_.clear();
  }
  bool next(Sample& s) override {
    if (!order_.shuffle) return read(s);
    if (held_.empty()) load();
    if (held_.empty()) return false;
    s = std::move(held_.back());
    held_.pop_back();
    return true;
  }

 private:
  bool read(Sample& s) {
    while (files_at_end()) {
      if (left_.empty()) return false;
      const Span span = left_.back();
      left_.pop_back();
      if (span.begin >= span.end) continue;
      files_.seek(span.begin), end_ = span.end;
    }
    return files_.read(s);
  }
  bool files_at_end() const { return end_ < 0 || files_.tell() >= end_; }
  // What cannot be read is an error at once; the next call goes on with the block behind it.
  void load() {
    for (Sample s; loading_bytes_ < order_.block && read(s);) {
      loading_bytes_ += int64_t(s.bytes.size());
      loading_.push_back(std::move(s));
    }
    held_ = std::exchange(loading_, {}), loading_bytes_ = 0;
    shuffle(held_, random_.get());
    std::reverse(held_.begin(), held_.end());
  }

  RecordFiles files_;
  RecordOrder order_;
  PassRandom random_, block_random_;
  std::vector<Span> spans_, left_;
  int64_t end_ = -1;
  std::vector<Sample> held_, loading_;
  int64_t loading_bytes_ = 0;
};

// By an index: lines of a key and an offset.
class RecordsByIndex : public Samples {
 public:
  RecordsByIndex(std::string_view who, const RecordOrder& o)
      : files_(who, o.files), shuffle_(o.shuffle), random_(111 + o.seed) {
    std::ifstream f(o.index);
    check(bool(f), "[{}] path_imgidx {}: cannot be opened", who, o.index);
    int64_t number = 0;
    for (std::string line; ++number, std::getline(f, line);) {
      if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
      std::stringstream s(line);
      std::string key;
      int64_t offset = -1;
      s >> key >> offset;
      check(offset >= 0 && offset < files_.size(),
            "{}:{}: found \"{}\", expected a key and an offset below {}", o.index, number, line,
            files_.size());
      all_.push_back({offset, 0});
    }
    std::sort(all_.begin(), all_.end());
    int64_t file = -1, record = 0;
    for (Entry& e : all_) {
      const int64_t begin = files_.begin_of_file(e.offset);
      record = begin == file ? record + 1 : 0, file = begin;
      e.record = record;
    }
    const int64_t n = int64_t(all_.size()), step = (n + o.parts - 1) / o.parts;
    all_.erase(all_.begin() + std::min(n, step * (o.part + 1)), all_.end());
    all_.erase(all_.begin(), all_.begin() + std::min(int64_t(all_.size()), step * o.part));
  }
  void rewind(int64_t pass) override {
    order_ = all_;
    std::mt19937& random = random_.start(pass);
    if (shuffle_) shuffle(order_, random);
    at_ = 0;
  }
  bool next(Sample& s) override {
    if (at_ == order_.size()) return false;
    const Entry e = order_[at_++];
    files_.go(e.offset, e.record);
    return files_.read(s);
  }

 private:
  struct Entry {
    int64_t offset, record;  // the record's number in its file, where the index has all
    auto operator<=>(const Entry&) const = default;
  };
  RecordFiles files_;
  bool shuffle_;
  PassRandom random_;
  std::vector<Entry> all_, order_;
  size_t at_ = 0;
};

std::unique_ptr<Samples> record_samples(std::string_view who, const RecordOrder& o) {
  check(o.parts >= 1 && o.part >= 0 && o.part < o.parts,
        "[{}] found part_index {} of num_parts {}, expected one from 0 to {}", who, o.part, o.parts,
        o.parts - 1);
  if (o.index.empty()) return std::make_unique<RecordsInOrder>(who, o);
  return std::make_unique<RecordsByIndex>(who, o);
}

}  // namespace heddle::io
