// A strict JSON reader, and the writing of its strings.
#include "base/json.h"

#include <cmath>

#include "base/numbers.h"
#include "heddle/base.h"

namespace heddle {

// Recursive descent; the depth is bounded by Json::kMaxDepth.
class JsonReader {
 public:
  explicit JsonReader(std::string_view text) : text_(text) {}

  Json document() {
    Json v = value(0);
    skip_space();
    if (at_ < text_.size()) fail("the end of the text");
    return v;
  }

 private:
  [[noreturn]] void fail(std::string_view expected) const {
    std::string found = "the end of the text";
    if (at_ < text_.size()) {
      const auto c = static_cast<unsigned char>(text_[at_]);
      found = c >= 0x20 && c < 0x7f ? format("'{}'", text_.substr(at_, 1))
                                    : format("a byte of value {}", unsigned(c));
    }
    heddle::fail("JSON, byte {}: found {}, expected {}", at_, found, expected);
  }

  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  void skip_space() {
    while (peek() == ' ' || peek() == '\n' || peek() == '\t' || peek() == '\r') ++at_;
  }
  bool take(char c) {
    if (at_ == text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  void expect_word(std::string_view word) {
    for (char c : word)
      if (!take(c)) fail(format("'{}'", word));
  }

  Json value(int depth) {
    if (depth > Json::kMaxDepth) fail(format("at most {} levels of nesting", Json::kMaxDepth));
    skip_space();
    Json v;
    switch (peek()) {
      case '{':
        v.value_ = object(depth);
        break;
      case '[':
        v.value_ = array(depth);
        break;
      case '"':
        v.value_ = string();
        break;
      case 't':
        expect_word("true"), v.value_ = true;
        break;
      case 'f':
        expect_word("false"), v.value_ = false;
        break;
      case 'n':
        expect_word("null");
        break;
      default:
        v.value_ = number();
    }
    return v;
  }

  Json::Object object(int depth) {
    Json::Object members;
    ++at_, skip_space();
    if (take('}')) return members;
    do {
      skip_space();
      if (peek() != '"') fail("a key in quotes");
      std::string key = string();
      skip_space();
      if (!take(':')) fail("':'");
      members.emplace_back(std::move(key), value(depth + 1));
      skip_space();
    } while (take(','));
    if (!take('}')) fail("',' or '}'");
    return members;
  }

  Json::Array array(int depth) {
    Json::Array items;
    ++at_, skip_space();
    if (take(']')) return items;
    do {
      items.push_back(value(depth + 1));
      skip_space();
    } while (take(','));
    if (!take(']')) fail("',' or ']'");
    return items;
  }

  void digits() {
    if (peek() < '0' || peek() > '9') fail("a digit");
    while (peek() >= '0' && peek() <= '9') ++at_;
  }
  double number() {
    const size_t begin = at_;
    const bool minus = take('-');
    if (!minus && (peek() < '0' || peek() > '9')) fail("a value");
    if (!take('0')) digits();
    if (take('.')) digits();
    if (take('e') || take('E')) {
      if (!take('+')) take('-');
      digits();
    }
    double v = 0;
    const auto read = numbers::read(text_.data() + begin, text_.data() + at_, v);
    if (read.ec != std::errc()) at_ = begin, fail("a number that a double can hold");
    return v;
  }

  unsigned hex4() {
    unsigned v = 0;
    for (int i = 0; i < 4; ++i) {
      const char c = peek();
      if (c >= '0' && c <= '9') v = v * 16 + unsigned(c - '0');
      else if (c >= 'a' && c <= 'f') v = v * 16 + unsigned(c - 'a' + 10);
      else if (c >= 'A' && c <= 'F') v = v * 16 + unsigned(c - 'A' + 10);
      else fail("four hexadecimal digits");
      ++at_;
    }
    return v;
  }
  void append_code_point(std::string& to) {
    unsigned c = hex4();
    if (c >= 0xdc00 && c < 0xe000) fail("the first half of a surrogate pair before the second");
    if (c >= 0xd800 && c < 0xdc00) {
      if (!take('\\') || !take('u')) fail("the second half of a surrogate pair");
      const unsigned low = hex4();
      if (low < 0xdc00 || low >= 0xe000) fail("the second half of a surrogate pair");
      c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
    }
    if (c < 0x80) {
      to += char(c);
    } else if (c < 0x800) {
      to += {char(0xc0 | (c >> 6)), char(0x80 | (c & 0x3f))};
    } else if (c < 0x10000) {
      to += {char(0xe0 | (c >> 12)), char(0x80 | ((c >> 6) & 0x3f)), char(0x80 | (c & 0x3f))};
    } else {
      to += {char(0xf0 | (c >> 18)), char(0x80 | ((c >> 12) & 0x3f)),
             char(0x80 | ((c >> 6) & 0x3f)), char(0x80 | (c & 0x3f))};
    }
  }
  std::string string() {
    ++at_;  // the quote
    const size_t begin = at_;
    while (at_ < text_.size() && text_[at_] != '"' && text_[at_] != '\\' && text_[at_] != '\n' &&
           text_[at_] != '\r')
      ++at_;
    std::string s(text_.substr(begin, at_ - begin));
    while (!take('"')) {
      if (at_ == text_.size() || peek() == '\n' || peek() == '\r') fail("the closing quote");
      if (!take('\\')) {
        s += text_[at_++];
        continue;
      }
      switch (peek()) {
        case '"':
        case '\\':
        case '/':
          s += peek();
          break;
        case 'b':
          s += '\b';
          break;
        case 'f':
          s += '\f';
          break;
        case 'n':
          s += '\n';
          break;
        case 'r':
          s += '\r';
          break;
        case 't':
          s += '\t';
          break;
        case 'u':
          ++at_, append_code_point(s);
          continue;
        default:
          fail("an escape");
      }
      ++at_;
    }
    return s;
  }

  std::string_view text_;
  size_t at_ = 0;
};

Json Json::parse(std::string_view text) { return JsonReader(text).document(); }

std::string_view Json::kind() const {
  static constexpr std::string_view kNames[] = {"null",     "a truth value", "a number",
                                                "a string", "an array",      "an object"};
  return kNames[value_.index()];
}

template <class T>
const T& Json::as(std::string_view what, std::string_view expected) const {
  const T* v = std::get_if<T>(&value_);
  check(v != nullptr, "{}: found {}, expected {}", what, kind(), expected);
  return *v;
}

bool Json::boolean(std::string_view what) const { return as<bool>(what, "a truth value"); }
double Json::number(std::string_view what) const { return as<double>(what, "a number"); }
int64_t Json::integer(std::string_view what) const {
  const double v = as<double>(what, "an integer");
  check(v == std::floor(v) && std::abs(v) <= 9007199254740992.0,
        "{}: found {}, expected an integer", what, v);
  return int64_t(v);
}
const std::string& Json::string(std::string_view what) const {
  return as<std::string>(what, "a string");
}
const Json::Array& Json::array(std::string_view what) const { return as<Array>(what, "an array"); }
const Json::Object& Json::object(std::string_view what) const {
  return as<Object>(what, "an object");
}

const Json* Json::find(std::string_view key) const {
  if (const Object* members = std::get_if<Object>(&value_))
    for (const auto& [name, v] : *members)
      if (name == key) return &v;
  return nullptr;
}

void append_quoted(std::string& to, std::string_view s) {
  to += '"';
  for (char c : s) {
    switch (c) {
      case '"':
        to += "\\\"";
        break;
      case '\\':
        to += "\\\\";
        break;
      case '\n':
        to += "\\n";
        break;
      case '\r':
        to += "\\r";
        break;
      case '\t':
        to += "\\t";
        break;
      default:
        if (static_cast<unsigned char>(c) < 0x20) {
          static constexpr char kHex[] = "0123456789abcdef";
          to += {'\\', 'u', '0', '0', kHex[(c >> 4) & 15], kHex[c & 15]};
        } else {
          to += c;
        }
    }
  }
  to += '"';
}

}  // namespace heddle
