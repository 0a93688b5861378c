// RecordIO, MXNet's files of records. A record is one part, or is cut into several where the magic
// word stands in it on a multiple of four bytes, so that a reader that lost its way finds the next
// record by the word. Each part: the word, three bits of kind and 29 of length, bytes, zeros up to
// a multiple of four.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <utility>

#include "heddle/io.h"

namespace heddle::io {

static_assert(std::endian::native == std::endian::little, "files have the bytes of words in order");

constexpr uint32_t kMagic = 0xCED7230A;
constexpr int64_t kHeader = 8, kMostBytes = (int64_t(1) << 29) - 1;
enum Kind : uint32_t { kWhole, kFirst, kMiddle, kLast };
constexpr int64_t padded(int64_t n) { return (n + 3) & ~int64_t(3); }

static uint32_t word_at(const char* p) {
  uint32_t w;
  std::memcpy(&w, p, sizeof w);
  return w;
}

// An open file, closed with it.
struct OpenFile {
  int fd = -1;
  std::string path;

  OpenFile(std::string path_, int flags, const char* what) : path(std::move(path_)) {
    do fd = ::open(path.c_str(), flags | O_CLOEXEC, 0666);
    while (fd < 0 && errno == EINTR);
    check(fd >= 0, "{}: cannot be opened {}: {}", path, what, std::strerror(errno));
  }
  ~OpenFile() { close(); }
  OpenFile(const OpenFile&) = delete;
  bool close() {
    const bool good = fd < 0 || ::close(fd) == 0;
    fd = -1;
    return good;
  }
  void need() const { check(fd >= 0, "{}: the file is closed, expected an open one", path); }
};

// --- writing
struct RecordWriter::State {
  static constexpr size_t kHold = 1 << 16;
  OpenFile file;
  const pid_t owner = getpid();  // a forked process must not write what is held here once more
  int64_t written = 0;
  std::string held;

  explicit State(const std::string& path)
      : file(path, O_WRONLY | O_CREAT | O_TRUNC, "for writing") {}

  void put(const char* p, int64_t n) {
    while (n > 0) {
      const ssize_t done = ::write(file.fd, p, size_t(n));
      if (done < 0 && errno == EINTR) continue;
      check(done >= 0, "{}: cannot be written at byte {}: {}", file.path, written,
            std::strerror(errno));
      p += done, n -= done, written += done;
    }
  }
  void flush() {
    const std::string all = std::exchange(held, {});
    put(all.data(), int64_t(all.size()));
  }
  void part(Kind kind, std::string_view bytes) {
    const uint32_t head[2] = {kMagic, uint32_t(kind) << 29 | uint32_t(bytes.size())};
    held.append(reinterpret_cast<const char*>(head), sizeof head);
    held += bytes;
    held.append(size_t(padded(int64_t(bytes.size())) - int64_t(bytes.size())), '\0');
  }
};

RecordWriter::RecordWriter(const std::string& path) : state_(std::make_unique<State>(path)) {}
RecordWriter::~RecordWriter() {
  if (state_->file.fd < 0 || state_->owner != getpid()) return;
  attempt([&] { close(); }, [](std::string_view) {});
}
int64_t RecordWriter::tell() const { return state_->written + int64_t(state_->held.size()); }

void RecordWriter::write(std::string_view record) {
  State& s = *state_;
  s.file.need();
  check(int64_t(record.size()) <= kMostBytes, "{}: found a record of {} bytes, expected at most {}",
        s.file.path, record.size(), kMostBytes);
  size_t begin = 0;
  for (size_t at = 0; at + 4 <= record.size(); at += 4) {
    if (word_at(record.data() + at) != kMagic) continue;
    s.part(begin ? kMiddle : kFirst, record.substr(begin, at - begin));
    begin = at + 4;
  }
  s.part(begin ? kLast : kWhole, record.substr(begin));
  if (s.held.size() >= State::kHold) s.flush();
}

void RecordWriter::close() {
  if (state_->file.fd < 0) return;
  state_->flush();
  check(state_->file.close(), "{}: cannot be closed: {}", state_->file.path, std::strerror(errno));
}

// --- reading
struct RecordReader::State {
  static constexpr int64_t kAhead = 1 << 16;
  OpenFile file;
  int64_t at = 0;     // the next byte
  int64_t begin = 0;  // of `buffer` in the file
  std::string buffer;

  explicit State(const std::string& path) : file(path, O_RDONLY, "for reading") {
    struct stat s;
    check(fstat(file.fd, &s) == 0 && !S_ISDIR(s.st_mode), "{}: is a folder, expected a file", path);
  }

  int64_t size() const {
    file.need();
    struct stat s;
    check(fstat(file.fd, &s) == 0, "{}: {}", file.path, std::strerror(errno));
    return s.st_size;
  }
  // Bytes from `offset` on, n of them or what the file has.
  int64_t fetch(char* to, int64_t n, int64_t offset) const {
    int64_t got = 0;
    while (got < n) {
      const ssize_t done = ::pread(file.fd, to + got, size_t(n - got), offset + got);
      if (done < 0 && errno == EINTR) continue;
      check(done >= 0, "{}: cannot be read at byte {}: {}", file.path, offset + got,
            std::strerror(errno));
      if (!done) break;
      got += done;
    }
    return got;
  }
  // The n bytes from `at` on, or fewer at the end of the file.
  std::string_view view(int64_t n) {
    if (at < begin || at + n > begin + int64_t(buffer.size())) {
      buffer.resize(size_t(std::max(n, kAhead)));
      begin = at;
      buffer.resize(size_t(fetch(buffer.data(), int64_t(buffer.size()), at)));
    }
    return std::string_view(buffer).substr(size_t(at - begin), size_t(n));
  }
  // Moves on to where a record begins: the word, and a kind that records begin with.
  void find() {
    at = padded(at);
    for (std::string_view block; (block = view(kAhead)).size() >= kHeader; at += 4) {
      size_t i = 0;
      while (i + kHeader <= block.size()) {
        const uint32_t kind = word_at(block.data() + i + 4) >> 29;
        if (word_at(block.data() + i) == kMagic && kind <= kFirst) break;
        i += 4;
      }
      at += int64_t(i);
      if (i + kHeader <= block.size()) return;
      at -= 4;  // the last word may be the magic one
    }
    at = std::max(at, size());
  }
  // Goes on behind `start`, and says what was wrong there.
  template <class... A>
  [[noreturn]] void broken(int64_t start, std::string_view text, const A&... a) {
    at = start + 4;
    find();
    fail("{}: at byte {}: {}", file.path, start, format(text, a...));
  }
  // Reads a part, which the record that began at `start` goes on with.
  Kind part(int64_t start, std::string& record) {
    const std::string_view head = view(kHeader);
    if (head.size() < kHeader)
      broken(start, "found {} bytes, expected a record of at least {}: the file is truncated",
             at - start + int64_t(head.size()), kHeader);
    const uint32_t word = word_at(head.data()), kind = word_at(head.data() + 4) >> 29;
    const int64_t length = word_at(head.data() + 4) & uint32_t(kMostBytes);
    if (word != kMagic)
      broken(start, "found the word {} at byte {}, expected {}, which begins a record", word, at,
             kMagic);
    if (kind > kLast || (at == start) != (kind <= kFirst))
      broken(start, "found a part of kind {} at byte {}, expected {}", kind, at,
             at == start ? "the start of a record" : "the rest of one");
    const int64_t left = size() - at - kHeader;
    if (length > left)
      broken(start, "found {} bytes, expected {}: the record or the file is truncated", left,
             length);
    at += kHeader;
    if (length <= kAhead) {
      record += view(length);
    } else {
      const size_t before = record.size();
      record.resize(before + size_t(length));
      record.resize(before + size_t(fetch(record.data() + before, length, at)));
    }
    at += padded(length);
    return Kind(kind);
  }
};

RecordReader::RecordReader(const std::string& path) : state_(std::make_unique<State>(path)) {}
RecordReader::~RecordReader() = default;
RecordReader::RecordReader(RecordReader&&) noexcept = default;
RecordReader& RecordReader::operator=(RecordReader&&) noexcept = default;

bool RecordReader::read(std::string& record) {
  State& s = *state_;
  s.file.need();
  record.clear();
  if (s.view(1).empty()) return false;
  const int64_t start = s.at;
  Kind kind = s.part(start, record);
  while (kind == kFirst || kind == kMiddle) {
    record.append(reinterpret_cast<const char*>(&kMagic), sizeof kMagic);
    kind = s.part(start, record);
  }
  return true;
}

int64_t RecordReader::tell() const { return state_->at; }
void RecordReader::seek(int64_t offset) {
  state_->file.need();
  check(offset >= 0, "{}: found the offset {}, expected at least 0", path(), offset);
  state_->at = offset;
}
void RecordReader::seek_record(int64_t offset) {
  seek(offset);
  state_->find();
}
void RecordReader::close() { state_->file.close(); }
int64_t RecordReader::size() const { return state_->size(); }
const std::string& RecordReader::path() const { return state_->file.path; }

}  // namespace heddle::io
