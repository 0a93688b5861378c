// Words every room uses: the parts of base.h and half.h that need not be inline.
#include "heddle/base.h"

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <memory>

#include "base/numbers.h"

namespace heddle {

namespace base {
ErrorHandler error_handler = nullptr;
}  // namespace base

void set_error_handler(ErrorHandler handler) { base::error_handler = handler; }

void throw_error(const std::string& text) {
#ifdef __cpp_exceptions
  throw Error(text);
#else
  if (base::error_handler) base::error_handler(text.c_str());
  std::fprintf(stderr, "heddle: %s\n", text.c_str());
  std::abort();
#endif
}

void append(std::string& to, std::string_view v) { to += v; }
void append(std::string& to, bool v) { to += v ? "True" : "False"; }
void append(std::string& to, double v) {
  char text[32];
  to.append(text, numbers::write(text, std::end(text), v).ptr);
}
void append(std::string& to, float v) {
  char text[32];
  to.append(text, numbers::write(text, std::end(text), v).ptr);
}
void append(std::string& to, long long v) {
  char text[24];
  to.append(text, numbers::write(text, std::end(text), v).ptr);
}
void append(std::string& to, unsigned long long v) {
  char text[24];
  to.append(text, numbers::write(text, std::end(text), v).ptr);
}

void Shown::append_text(std::string& to, const void* at, size_t size) {
  to.append(static_cast<const char*>(at), size);
}

std::string format_all(std::string_view f, std::initializer_list<Shown> all) {
  std::string out;
  for (const Shown& s : all) {
    const size_t at = f.find("{}");
    out += f.substr(0, at);
    s.append_to(out);
    f.remove_prefix(at == std::string_view::npos ? f.size() : at + 2);
  }
  out += f;
  return out;
}

void fail_with(std::string_view f, std::initializer_list<Shown> all) {
  throw_error(format_all(f, all));
}

// Without a lock: a child that is forked while another thread has it would wait for ever.
std::string_view Name::kept(std::string_view text) {
  struct Text {
    std::string text;
    const Text* next;
  };
  static constinit std::atomic<const Text*> lists[1024] = {};
  size_t hash = 0;
  for (char c : text) hash = hash * 31 + static_cast<unsigned char>(c);
  std::atomic<const Text*>& list = lists[hash % std::size(lists)];
  std::unique_ptr<Text> fresh;
  const Text* first = list.load(std::memory_order_acquire);
  for (const Text* seen = nullptr;;) {
    for (const Text* t = first; t != seen; t = t->next)
      if (t->text == text) return t->text;
    seen = first;
    if (!fresh) fresh.reset(new Text{std::string(text), nullptr});
    fresh->next = first;
    if (list.compare_exchange_weak(first, fresh.get(), std::memory_order_acq_rel))
      return fresh.release()->text;
  }
}

std::string Name::joined(std::string_view a, std::string_view b) {
  std::string all(a);
  all += b;
  return all;
}

namespace base {
struct DtypeRow {
  Dtype dtype;
  std::string_view name;
  int64_t size;
};
constexpr DtypeRow kDtypes[] = {
    {Dtype::kFloat32, "float32", 4}, {Dtype::kFloat64, "float64", 8},
    {Dtype::kFloat16, "float16", 2}, {Dtype::kBfloat16, "bfloat16", 2},
    {Dtype::kUint8, "uint8", 1},     {Dtype::kInt8, "int8", 1},
    {Dtype::kInt32, "int32", 4},     {Dtype::kInt64, "int64", 8},
    {Dtype::kBool, "bool", 1},
};
}  // namespace base

int64_t dtype_size(Dtype d) {
  for (const auto& row : base::kDtypes)
    if (row.dtype == d) return row.size;
  fail("an unknown dtype has no size");
}

std::string_view dtype_name(Dtype d) {
  for (const auto& row : base::kDtypes)
    if (row.dtype == d) return row.name;
  return "unknown";
}

Dtype find_dtype(std::string_view s) {
  for (const auto& row : base::kDtypes)
    if (row.name == s) return row.dtype;
  return Dtype::kUnknown;
}

Dtype dtype_from_name(std::string_view s) {
  const Dtype found = find_dtype(s);
  if (found != Dtype::kUnknown) return found;
  std::string all;
  for (const auto& row : base::kDtypes) {
    all += all.empty() ? "" : ", ";
    all += row.name;
  }
  fail("dtype '{}' is unknown, expected one of {}", s, all);
}

void append(std::string& to, const Layout& l) {
  if (l.plain()) return append(to, "plain");
  std::string text;
  if (l.last >= 0) text = format("last {}", int(l.last));
  for (const Layout::Block& b : l.blocks)
    if (b.axis >= 0) text += format("{}{}/{}", text.empty() ? "" : ", ", int(b.axis), int(b.size));
  append(to, "[" + text + "]");
}

void append(std::string& to, Device d) {
  switch (d.kind) {
    case Device::kCpu:
      to += "cpu";
      break;
    case Device::kCuda:
      to += "gpu";
      break;
    case Device::kPinned:
      to += "cpu_pinned";
      break;
    case Device::kFake:
      to += "fake";
      break;
  }
  to += format("({})", d.id);
}

Device device_from_name(std::string_view s, Device none) {
  if (s.empty()) return none;
  const size_t open = s.find('(');
  const std::string_view kind = s.substr(0, open);
  Device d;
  if (kind == "gpu") d.kind = Device::kCuda;
  else if (kind == "cpu_pinned" || kind == "cpu_shared") d.kind = Device::kPinned;
  else if (kind == "fake") d.kind = Device::kFake;
  else
    check(kind == "cpu", "device '{}' is unknown, expected cpu, gpu or cpu_pinned with an index",
          s);
  if (open != std::string_view::npos) {
    const char *from = s.data() + open + 1, *end = s.data() + s.size();
    auto [at, error] = numbers::read(from, end, d.id);
    check(error == std::errc() && at + 1 == end && *at == ')' && d.id >= 0,
          "device '{}' is malformed, expected for example cpu(0)", s);
  }
  return d;
}

void Shape::throw_rank(int rank) {
  fail("a shape of {} dimensions is not supported, at most {} are", rank, kMaxRank);
}

void append(std::string& to, const Shape& s) {
  if (!s.has_rank()) {
    to += '?';
    return;
  }
  to += '(';
  for (int i = 0; i < s.rank(); ++i) {
    if (i) to += ',';
    if (s[i] < 0) to += '?';
    else append(to, s[i]);
  }
  if (s.rank() == 1) to += ',';
  to += ')';
}

int normalize_axis(std::string_view who, int64_t axis, int rank) {
  check(axis >= -rank && axis < rank,
        "[{}] axis {} is out of range for {} dimensions, expected {} to {}", who, axis, rank, -rank,
        rank - 1);
  return int(axis < 0 ? axis + rank : axis);
}

}  // namespace heddle
