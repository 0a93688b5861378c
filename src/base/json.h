// A strict JSON reader, and the writing of its strings.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace heddle {

// One value. Reading a value as a kind that it is not throws Error; `what` names it in the message.
class Json {
 public:
  using Array = std::vector<Json>;
  using Object = std::vector<std::pair<std::string, Json>>;  // in the order of the text
  static constexpr int kMaxDepth = 64;

  // Reads the whole text, or throws Error "JSON, byte 17: found 'x', expected a value".
  static Json parse(std::string_view text);

  bool is_null() const { return std::holds_alternative<std::nullptr_t>(value_); }
  bool is_object() const { return std::holds_alternative<Object>(value_); }
  bool is_string() const { return std::holds_alternative<std::string>(value_); }
  bool boolean(std::string_view what) const;
  double number(std::string_view what) const;
  int64_t integer(std::string_view what) const;  // also refuses fractions
  const std::string& string(std::string_view what) const;
  const Array& array(std::string_view what) const;
  const Object& object(std::string_view what) const;
  const Json* find(std::string_view key) const;  // of an object; null when absent
  std::string_view kind() const;                 // "a number", "an object" ...

 private:
  friend class JsonReader;
  template <class T>
  const T& as(std::string_view what, std::string_view expected) const;
  std::variant<std::nullptr_t, bool, double, std::string, Array, Object> value_ = nullptr;
};

// Appends `s` in quotes, escaped.
void append_quoted(std::string& to, std::string_view s);

}  // namespace heddle
