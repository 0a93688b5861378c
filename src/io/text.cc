// Reading through zlib, which takes plain files as they are.
#include "io/text.h"

#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <type_traits>
#include <utility>

#include "base/numbers.h"

namespace heddle::io {

using GzFile = std::unique_ptr<gzFile_s, int (*)(gzFile)>;

static GzFile open_file(std::string path) {
  std::error_code none;
  if (!std::filesystem::exists(path, none) && std::filesystem::exists(path + ".gz", none))
    path += ".gz";
  check(!std::filesystem::is_directory(path, none), "{}: is a folder, expected a file", path);
  errno = 0;
  GzFile file(gzopen(path.c_str(), "rb"), gzclose);
  check(bool(file), "{}: cannot be opened: {}", path, std::strerror(errno ? errno : ENOMEM));
  return file;
}

// Adds the next bytes to `to`; false at the end.
static bool read_more(const std::string& path, gzFile file, std::string& to) {
  constexpr unsigned kBytes = 1 << 16;
  const size_t have = to.size();
  to.resize(have + kBytes);
  const int got = gzread(file, to.data() + have, kBytes);
  to.resize(have + size_t(std::max(got, 0)));
  int code = Z_OK;
  const char* error = gzerror(file, &code);  // that a compressed file ends early is one
  check(got >= 0 && code >= Z_OK, "{}: cannot be read: {}", path, error);
  return got > 0;
}

std::string read_file(const std::string& path) {
  const GzFile file = open_file(path);
  std::string all;
  while (read_more(path, file.get(), all)) continue;
  return all;
}

struct Lines::File {
  GzFile file;
  std::string buffer;
  size_t at = 0;
};

Lines::Lines(const std::string& path, int64_t part, int64_t parts)
    : path_(path), file_(new File{open_file(path), {}, 0}) {
  if (parts <= 1) return;
  int64_t total = 0;
  for (std::string line; raw(line);) total = at_;
  const int64_t step = (total + parts - 1) / parts;
  begin_ = std::min(step * part, total), end_ = std::min(step * (part + 1), total);
  rewind();
}
Lines::~Lines() = default;

void Lines::rewind() {
  gzrewind(file_->file.get());
  file_->buffer.clear();
  file_->at = 0, at_ = 0, number_ = 0;
}

bool Lines::raw(std::string& line) {
  File& f = *file_;
  size_t from = f.at, end;
  while ((end = f.buffer.find('\n', from)) == std::string::npos) {
    f.buffer.erase(0, std::exchange(f.at, 0));
    from = f.buffer.size();
    if (!read_more(path_, f.file.get(), f.buffer)) {
      end = f.buffer.size();
      break;
    }
  }
  if (f.at == f.buffer.size()) return false;
  line.assign(f.buffer, f.at, end - f.at);
  const size_t next = std::min(end + 1, f.buffer.size());
  at_ += int64_t(next - f.at), f.at = next;
  ++number_;
  return true;
}

bool Lines::next(std::string& line) {
  for (;;) {
    const int64_t start = at_;
    if (end_ >= 0 && (start > end_ || begin_ == end_)) return false;
    if (!raw(line)) return false;
    if (begin_ > 0 && start <= begin_) continue;  // belongs to the part before
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (line.find_first_not_of(" \t") != std::string::npos) return true;
  }
}

bool parse_number(std::string_view s, double& v) {
  while (!s.empty() && (s.front() == ' ' || s.front() == '\t')) s.remove_prefix(1);
  while (!s.empty() && (s.back() == ' ' || s.back() == '\t')) s.remove_suffix(1);
  if (!s.empty() && s.front() == '+') s.remove_prefix(1);
  const auto [at, error] = numbers::read(s.data(), s.data() + s.size(), v);
  return error == std::errc() && at == s.data() + s.size();
}

void store(void* array, Dtype dtype, int64_t i, double v) {
  with_dtype(dtype, "dtype", [&]<class T>(T) {
    if constexpr (std::is_integral_v<T> || std::is_same_v<T, double>)
      static_cast<T*>(array)[i] = T(v);
    else static_cast<T*>(array)[i] = T(float(v));
  });
}

}  // namespace heddle::io
