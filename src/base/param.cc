// Parameters: reading and printing their texts, and the errors of the walk over the fields.
#include "heddle/param.h"

#include <cmath>

#include "base/numbers.h"

namespace heddle {
namespace param {

std::string_view trim(std::string_view s) {
  while (!s.empty() && (s.front() == ' ' || s.front() == '\t')) s.remove_prefix(1);
  while (!s.empty() && (s.back() == ' ' || s.back() == '\t')) s.remove_suffix(1);
  return s;
}

template <class T>
bool parse_number(std::string_view s, T& v) {
  s = trim(s);
  if (std::is_integral_v<T> && !s.empty() && s.back() == 'L') s.remove_suffix(1);
  if (s.size() > 1 && s.front() == '+' && s[1] != '-') s.remove_prefix(1);
  if (s.empty()) return false;
  auto [at, error] = numbers::read(s.data(), s.data() + s.size(), v);
  return error == std::errc() && at == s.data() + s.size();
}

// An integer may be written "3", "3L" or as a float without a fraction, "3.0", as Python's str()
// does.
template <class T>
bool parse_integer(std::string_view s, T& v) {
  if (parse_number(s, v)) return true;
  double d;
  if (!parse_number(s, d) || d != std::floor(d) || std::fabs(d) > 9e15) return false;
  const auto whole = int64_t(d);
  v = static_cast<T>(whole);
  return double(v) == d;
}

bool parse(std::string_view s, bool& v) {
  s = trim(s);
  std::string lower;
  for (char c : s) lower += char(c >= 'A' && c <= 'Z' ? c + 32 : c);
  if (lower == "true" || lower == "1") return v = true, true;
  if (lower == "false" || lower == "0") return v = false, true;
  return false;
}
bool parse(std::string_view s, int& v) { return parse_integer(s, v); }
bool parse(std::string_view s, int64_t& v) { return parse_integer(s, v); }
bool parse(std::string_view s, uint32_t& v) { return parse_integer(s, v); }
bool parse(std::string_view s, uint64_t& v) { return parse_integer(s, v); }
bool parse(std::string_view s, float& v) {
  double d;
  if (!parse(s, d)) return false;
  v = static_cast<float>(d);
  return true;
}
bool parse(std::string_view s, double& v) {
  if (trim(s) == "True") return v = 1, true;
  if (trim(s) == "False") return v = 0, true;
  return parse_number(s, v);
}
bool parse(std::string_view s, std::string& v) { return v = std::string(s), true; }
bool parse(std::string_view s, GraphText& v) { return v.json = std::string(s), true; }
bool parse(std::string_view s, Dtype& v) {
  s = trim(s);
  if (s == "None") return v = Dtype::kUnknown, true;
  v = find_dtype(s);
  return v != Dtype::kUnknown;
}

// Calls each(item) for the items of "(a, b)", "[a, b]" or a bare "a".
template <class Each>
bool parse_tuple(std::string_view s, Each each) {
  s = trim(s);
  if (s.empty()) return false;
  const bool open = s.front() == '(' || s.front() == '[';
  if (!open) return each(s);
  if (s.back() != (s.front() == '(' ? ')' : ']')) return false;
  s = trim(s.substr(1, s.size() - 2));
  while (!s.empty()) {
    const size_t comma = s.find(',');
    if (!each(trim(s.substr(0, comma)))) return false;
    s = comma == std::string_view::npos ? "" : trim(s.substr(comma + 1));
  }
  return true;
}

bool parse(std::string_view s, Shape& v) {
  if (trim(s) == "None") return v = Shape(), true;
  Shape got;
  got.set_rank(0);
  const bool ok = parse_tuple(s, [&](std::string_view item) {
    int64_t d;
    if (!parse(item, d)) return false;
    got.append(d);
    return true;
  });
  if (ok) v = got;
  return ok;
}
template <class T>
bool parse_vector(std::string_view s, std::vector<T>& v) {
  std::vector<T> got;
  const bool ok =
      parse_tuple(s, [&](std::string_view item) { return parse(item, got.emplace_back()); });
  if (ok) v = std::move(got);
  return ok;
}
bool parse(std::string_view s, std::vector<double>& v) { return parse_vector(s, v); }
bool parse(std::string_view s, std::vector<int64_t>& v) { return parse_vector(s, v); }
bool parse(std::string_view s, std::vector<std::optional<int64_t>>& v) {
  return parse_vector(s, v);
}

std::string print(bool v) { return v ? "True" : "False"; }
std::string print(int64_t v) { return std::to_string(v); }
std::string print(uint64_t v) { return std::to_string(v); }
template <class T>
std::string print_float(T v) {
  std::string s;
  append(s, v);
  // As Python's repr: a float shows that it is one.
  if (s.find_first_of(".enia") == std::string::npos) s += ".0";
  return s;
}
std::string print(double v) { return print_float(v); }
std::string print(float v) { return print_float(v); }
std::string print(const std::string& v) { return v; }
std::string print(const GraphText& v) { return v.json; }
std::string print(Dtype v) { return v == Dtype::kUnknown ? "None" : std::string(dtype_name(v)); }

template <class Items>
std::string print_tuple(const Items& items) {
  std::string s = "(";
  int n = 0;
  for (const auto& v : items) {
    s += n++ ? ", " : "";
    s += print(v);
  }
  return s + (n == 1 ? ",)" : ")");
}
std::string print(const Shape& v) { return v.has_rank() ? print_tuple(v) : "None"; }
std::string print(const std::vector<double>& v) { return print_tuple(v); }
std::string print(const std::vector<int64_t>& v) { return print_tuple(v); }
std::string print(const std::vector<std::optional<int64_t>>& v) { return print_tuple(v); }

}  // namespace param

namespace param {

std::string words(const FieldType& type) {
  std::string s = type.name;
  return type.optional ? s + " or None" : s;
}

}  // namespace param

FieldVisitor& FieldVisitor::field(std::string_view name, void* at, const FieldType& type,
                                  [[maybe_unused]] DocView doc) {
  if (!from_) seen_.clear();
  const std::string* given = nullptr;
  if (from_)
    if (const auto it = from_->find(name); it != from_->end()) given = &it->second;
  seen_.push_back({name, at, &type, given});
  if (given && type.parse && !type.parse(*given, at))
    fail("parameter {}='{}' cannot be read, expected {}", name, *given, param::words(type));
  if (to_)
    to_->push_back({std::string(name), param::words(type),
                    type.print ? type.print(at) : std::string(), Doc(doc)});
  else if (!from_ && type.print && name == printed_) text_ = type.print(at);
  return *this;
}

FieldVisitor& FieldVisitor::names(std::initializer_list<const char*> texts) {
  const Seen& f = seen_.back();
  const int value = f.type->get(f.at);
  const char* const text = value < 0 ? "None" : std::data(texts)[value];
  if (to_) {
    to_->back().choices.assign(texts.begin(), texts.end());
    to_->back().default_value = text;
  } else if (!from_ && f.name == printed_) {
    text_ = text;
  }
  if (!f.given) return *this;
  if (f.type->optional && *f.given == "None") return f.type->set(f.at, -1), *this;
  std::string all;
  int i = 0;
  for (const char* name : texts) {
    if (*f.given == name) return f.type->set(f.at, i), *this;
    all += i++ ? ", " : "";
    all += name;
  }
  fail("parameter {}='{}' is unknown, expected one of {}", f.name, *f.given, all);
}

// Whether it is there finish() sees: who misspells a name should hear of the name.
FieldVisitor& FieldVisitor::required() {
  seen_.back().required = true;
  if (to_) to_->back().required = true;
  return *this;
}

FieldVisitor& FieldVisitor::ignored() {
  if (to_) to_->back().ignored = true;
  return *this;
}

FieldVisitor& FieldVisitor::at_least(double lo) {
  if (to_) to_->back().at_least = lo;
  const Seen& f = seen_.back();
  if (!from_ || !f.type->number || (f.required && !f.given)) return *this;
  const double v = f.type->number(f.at);
  check(v >= lo, "parameter {}={} is below {}, expected at least that", f.name, v, lo);
  return *this;
}

FieldVisitor& FieldVisitor::range(double lo, double hi) {
  if (to_) to_->back().at_least = lo, to_->back().at_most = hi;
  const Seen& f = seen_.back();
  if (!from_ || !f.type->number || (f.required && !f.given)) return *this;
  const double v = f.type->number(f.at);
  check(v >= lo && v <= hi, "parameter {}={} is outside [{}, {}], expected a number within", f.name,
        v, lo, hi);
  return *this;
}

void FieldVisitor::finish(std::string_view op) const {
  for (const auto& [key, text] : *from_) {
    bool known = key.size() > 4 && key.starts_with("__") && key.ends_with("__");
    for (const Seen& f : seen_) known = known || f.name == key;
    if (known) continue;
    std::string all;
    for (const Seen& f : seen_) append(all, all.empty() ? "" : ", "), append(all, f.name);
    fail("[{}] parameter '{}' is unknown, expected {}", op, key, seen_.empty() ? "none" : all);
  }
  for (const Seen& f : seen_)
    check(!f.required || f.given, "[{}] parameter '{}' is required, found none, expected {}", op,
          f.name, f.type->get ? "one of its choices" : param::words(*f.type));
}

}  // namespace heddle
